// Normalises a network's input as part of its first convolution.
#pragma once

#include <array>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// x -> (x - mean) / deviation, for each channel.
struct Normalization {
  std::vector<double> mean, deviation;

  // Returns the map that undoes this one.
  Normalization Inverse() const;
};

// Returns the graph g' with g'(x) = g((x - mean) / deviation). Changes the weights and the bias of the convolution that
// reads the graph's only input: w' = w / deviation, b' = b - sum w' mean. Exact except for rounding, and only possible
// without padding: fails, naming the node, if the input goes anywhere but into one unpadded convolution with weights of
// its own.
absl::StatusOr<Graph> FoldNormalization(const Graph& graph, const Normalization& normalization);

// Returns the padding (top, left, bottom, right) of the convolution that is the only reader of the graph's only input;
// zeros if there is no such convolution.
std::array<int64_t, 4> FirstPadding(const Graph& graph);
// Returns the graph with that convolution's padding replaced by `pads`, and its input enlarged or reduced by the
// difference. For zero `pads`, the new graph computes on images with a border of zeros what the old one computed on the
// images.
Graph WithFirstPadding(Graph graph, const std::array<int64_t, 4>& pads);

}  // namespace privdnn
