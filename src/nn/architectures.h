// Networks of the paper (section 5.1), with freshly initialised weights.
#pragma once

#include "nn/graph.h"

namespace privdnn::nn {

// Names that BuildArchitecture takes: "lenet5-mnist".
std::vector<std::string> ArchitectureNames();

// LeNet-5 with squares: input (N,1,28,28) in [0,1]; conv 5x5x6, average pool 2, square, conv 5x5x16, average pool 2,
// square, flatten, fully connected 256-120-84-10 with ReLU. Weights by Kaiming-uniform as PyTorch's defaults, from
// `seed`.
absl::StatusOr<Graph> BuildArchitecture(const std::string& name, uint64_t seed);

}  // namespace privdnn::nn
