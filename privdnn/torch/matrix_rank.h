// Ranks of feature maps.
#pragma once

#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// The rank of each map of a tensor (N, C, H, W), all of whose dimensions are at least 1, as [image][channel]: singular
// values above max(H, W) eps times the map's largest, eps = 2^-23. InvalidArgument for another shape and for values
// that are not finite.
absl::StatusOr<std::vector<int64_t>> MapRanks(const Tensor& maps);

}  // namespace privdnn
