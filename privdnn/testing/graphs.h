// Graphs for tests.
#pragma once

#include "privdnn/graph/graph.h"

namespace privdnn {

// Values from a fixed formula in (-1, 1), different for each `salt`.
Tensor PatternTensor(std::vector<int64_t> shape, int salt);

// A valid graph with every operator, odd sides, asymmetric pads, groups, a residual, an unused initializer and a scalar
// one. Input "x" of shape (N, 4, 9, 8); output "y" of shape (N, 6).
Graph EveryOperatorGraph();

// One node between input "x" of shape (N, ...image_shape) and output "y" of shape (N, ...output_shape).
Graph SingleNodeGraph(std::vector<int64_t> image_shape, Op op, std::map<std::string, Tensor> parameters,
                      std::vector<std::string> inputs, std::vector<int64_t> output_shape);

}  // namespace privdnn
