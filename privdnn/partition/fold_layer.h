// A layer and the affine nodes around it as numbers. Internal to the partition (nn/partition.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "privdnn/partition/partition.h"

namespace privdnn {

// The neurons of a node with weights (Conv, Gemm, MatMul); nullopt for any other.
std::optional<int64_t> LayerNeurons(const Graph& graph, const Node& node);

// The value that a node transforms: its first input that isn't an initializer.
const std::string& DataInput(const Graph& graph, const Node& node);

// In a constant that is added to or multiplied with a value of `rank` dimensions, the axis that belongs to the value's
// channels (axis 1); nullopt if it has none.
std::optional<size_t> ChannelAxisOfConstant(const Tensor& constant, size_t rank);

// Whether a FoldedLayer can hold the layer by itself; otherwise an InvalidArgument that names the node and why.
absl::Status CheckLiftable(const Shapes& shapes, const Node& node);

// The layer by itself; CheckLiftable has passed. A frame has no numbers, `weights` and `bias` are empty: enough to see
// what folds.
FoldedLayer LayerFrame(const Graph& graph, const Shapes& shapes, const Node& node);
FoldedLayer LayerNumbers(const Graph& graph, const Shapes& shapes, const Node& node);

// Folds a node that reads the layer's output, or one that computes its input, into a layer or into a frame; the result
// is the same function, for any input. False, and the layer is as it was, if that can't be done.
bool FoldBehind(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer);
bool FoldInFront(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer);

}  // namespace privdnn
