// A second, slow implementation of every operator, for tests: plain loops in double precision.
#pragma once

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns the graph's only output, rounded to floats, for its only input.
Tensor RunNaively(const Graph& graph, const Tensor& input);

}  // namespace privdnn
