// Which neurons are core, where they sit in a graph, and the graphs that remain when they are taken out. (Ren et al.,
// PoPETs 2024(3), section 4: "separation" and "partial encryption".)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace privdnn::nn {

// The core neurons: output-channel indices of the first and the second affine layer of a quadratic segment, ascending,
// without repetitions.
struct Selection {
  std::vector<int64_t> layer1, layer2;
  bool operator==(const Selection&) const = default;
};

// "1:0,3;2:5" or the JSON of a selection file, {"1": [0, 3], "2": [5]}. Indices are sorted; a repetition, a negative
// index or another layer is an InvalidArgument that names it.
absl::StatusOr<Selection> ParseSelection(const std::string& text);
// The JSON form.
std::string FormatSelection(const Selection& selection);

// Two affine layers with a square between them: what the encrypted path replaces. Nodes by index into Graph::nodes.
//   input -> conv1 -> [bn1] -> [pool1] -> square -> conv2 -> [bn2] -> [pool2] -> output
struct QuadraticSegment {
  std::string input,
      output;  // values of the graph; `output` is what the encrypted path computes, before any activation
  size_t conv1, square, conv2;
  std::optional<size_t> bn1, pool1, bn2, pool2;
  std::vector<int64_t> input_shape, output_shape;  // {C, H, W}
  int64_t neurons1, neurons2;                      // output channels of conv1 and conv2
};

// The first quadratic segment of the graph. NotFound, saying what was looked for and where the search ended, if there
// is none; InvalidArgument for a segment of a shape that lifting can't take (groups, padded pools), naming the node.
absl::StatusOr<QuadraticSegment> FindQuadraticSegment(const Graph& graph);

// InvalidArgument if an index names a neuron that isn't there, if layer 2 has no core neuron, or if every layer-1
// neuron is core but not every layer-2 neuron (a plaintext layer-2 neuron would have nothing to read).
absl::Status CheckSelection(const QuadraticSegment& segment, const Selection& selection);

// The network an authorised user evaluates (accuracy A_s): the same graph with the weights from core layer-1 neurons to
// plaintext layer-2 neurons set to zero.
absl::StatusOr<Graph> Separate(const Graph& graph, const QuadraticSegment& segment, const Selection& selection);

// Name of the additional graph input of PlaintextRest: shape (N, |layer2|, H, W), in the order of selection.layer2.
inline constexpr char kSegmentInput[] = "privdnn_segment_0";

// The network without its core neurons' weights: plaintext layer-1 neurons, the plaintext layer-2 neurons that read
// only them, and everything after the segment, into which the values of the core layer-2 neurons enter as a further
// input. Fed with the decrypted values it computes what Separate() computes; fed with zeros, what an unauthorised user
// has (A_r).
absl::StatusOr<Graph> PlaintextRest(const Graph& graph, const QuadraticSegment& segment, const Selection& selection);

}  // namespace privdnn::nn
