// How much memory a network's values take while it runs.
#pragma once

#include <cstdint>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns the most bytes that the values of one image take at a time, as 32-bit floats, if nodes run in their order and
// a value goes after its last reader. Counts inputs from the start and outputs to the end, and padded copies of what an
// operator reads; does not count weights. Returns the errors of InferShapes.
absl::StatusOr<uint64_t> PeakBytesPerImage(const Graph& graph);

}  // namespace privdnn
