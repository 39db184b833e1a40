// Folds a layer and the affine nodes around it into numbers. Internal to the partition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "privdnn/partition/partition.h"

namespace privdnn {

// Returns the number of neurons of a node with weights (Conv, Gemm, MatMul); nullopt for any other node.
std::optional<int64_t> LayerNeurons(const Graph& graph, const Node& node);
// Returns the axes of the weights of a Conv, Gemm or MatMul: that of the outputs, and that of the inputs.
std::pair<size_t, size_t> WeightAxes(const Op& op);

// Returns the value that a node transforms: its first input that isn't an initializer.
const std::string& DataInput(const Graph& graph, const Node& node);

// Takes a constant that is added to, or multiplied by, a value of `rank` dimensions. Returns the constant's axis that
// corresponds to the value's channels (axis 1); nullopt if there is none.
std::optional<size_t> ChannelAxisOfConstant(const Tensor& constant, size_t rank);

// y[c] = factor[c] x[c] + shift[c]
struct ChannelMap {
  std::vector<double> factor, shift;
};
// Returns what a node does to the channels (axis 1) of its data, if it is affine in each.
std::optional<ChannelMap> AsChannelMap(const Graph& graph, const Shapes& shapes, const Node& node);

// Checks whether a FoldedLayer can hold the layer alone. If not, fails with InvalidArgument, naming the node and the
// reason.
absl::Status CheckLiftable(const Shapes& shapes, const Node& node);

// Return the layer alone. CheckLiftable must have passed. A frame has no numbers: its `weights` and `bias` are empty.
// It suffices to find out what folds.
FoldedLayer LayerFrame(const Graph& graph, const Shapes& shapes, const Node& node);
FoldedLayer LayerNumbers(const Graph& graph, const Shapes& shapes, const Node& node);

// Fold a node into a layer or a frame: FoldBehind a node that reads the layer's output, FoldInFront one that computes
// its input. The result is the same function for every input. If that is impossible, return false and leave the layer
// unchanged.
bool FoldBehind(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer);
bool FoldInFront(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer);

}  // namespace privdnn
