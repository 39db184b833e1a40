// Inputs of mean 0 and variance 1, as part of a network's first convolution.
#pragma once

#include <array>
#include <vector>

#include "privdnn/data/dataset.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// x -> (x - mean) / deviation, for each channel.
struct Normalization {
  std::vector<double> mean, deviation;

  // Of all pixels of a set, on the scale [0, 1]. A channel without variation gets deviation 1.
  static Normalization Of(const ImageSet& set);
  // (x - mean) / deviation undone.
  Normalization Inverse() const;
};

// The graph g' with g'(x) = g((x - mean) / deviation), by changing the weights and the bias of the convolution that
// reads the graph's only input: w' = w / deviation, b' = b - sum w' mean. Exact but for rounding, and only without
// padding: an error, naming the node, if the input goes anywhere but into one unpadded convolution with weights of its
// own.
absl::StatusOr<Graph> FoldNormalization(const Graph& graph, const Normalization& normalization);

// The padding (top, left, bottom, right) of the convolution that alone reads the graph's only input; zeros if there is
// none such.
std::array<int64_t, 4> FirstPadding(const Graph& graph);
// The graph with that convolution's padding replaced by `pads`, and its input made larger or smaller by the difference:
// without padding it computes on images with a border of zeros what it computed on the images.
Graph WithFirstPadding(Graph graph, const std::array<int64_t, 4>& pads);

}  // namespace privdnn
