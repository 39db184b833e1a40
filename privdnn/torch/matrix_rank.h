// Ranks of feature maps.
#pragma once

#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns the rank of each map of a tensor (N, C, H, W), whose dimensions are all at least 1, as [image][channel]: the
// number of singular values above max(H, W) eps times the map's largest, eps = 2^-23. Fails with InvalidArgument for
// any other shape, and for values that are not finite.
absl::StatusOr<std::vector<int64_t>> MapRanks(const Tensor& maps);

}  // namespace privdnn
