// Which neurons are core, where they sit in a graph, and the graphs that remain when they are taken out. (Ren et al.,
// PoPETs 2024(3), section 4: "separation" and "partial encryption".)
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// A node with weights, Conv, Gemm or MatMul by an initializer: what a selection counts. Layers are numbered from 1 in
// execution order. Graphs are those that InferShapes accepts.
struct Layer {
  int64_t number;
  size_t node;      // index into Graph::nodes
  int64_t neurons;  // output channels or output features
};
std::vector<Layer> FindLayers(const Graph& graph);

// The core neurons: for layers by number, output-channel indices, ascending, without repetitions, never an empty list.
struct Selection {
  std::map<int64_t, std::vector<int64_t>> layers;
  bool operator==(const Selection&) const = default;
};

// "1:0,3;2:5-9;fc1:all" or the JSON of a selection file, {"1": [0, 3], "2": [5], "fc1": "all"}. A layer is named by its
// number or else by its node's name (of which only the last colon of an entry is no part); an empty list is the same as
// no mention; a JSON report with such an object as "selection" stands for that. Indices are sorted. A repetition, an
// index or a layer that isn't there (with what there is) is an InvalidArgument that names it.
absl::StatusOr<Selection> ParseSelection(const std::string& text, const Graph& graph);
// The JSON form, layers by number.
std::string FormatSelection(const Selection& selection);
// The ParseSelection errors for a selection made by a program, and one for a list that is empty or does not ascend.
absl::Status CheckSelection(const Graph& graph, const Selection& selection);

// A layer as numbers: a convolution, in doubles, then perhaps an average pool. What is affine around it is folded in.
// Behind it that is batch normalisation, arithmetic with constants (one number, or one a channel), Dropout, and one
// unpadded average pool, as long as each value has one reader and isn't an output of the graph. In front, between a
// square and the second layer of a quadratic segment, it is the same, any number of pools, zero padding and Flatten, as
// far as that is exact; a fully connected layer then is a convolution whose kernel is the whole map. One that reads L
// values has C = L and H = W = 1.
struct FoldedLayer {
  int64_t outputs = 1, inputs = 1;  // all neurons of the layer; channels read
  std::array<int64_t, 2> kernel{1, 1}, strides{1, 1};
  std::array<int64_t, 4> pads{0, 0, 0, 0};                // top, left, bottom, right
  std::vector<double> weights;                            // [outputs][inputs][kernel height][kernel width]
  std::vector<double> bias;                               // [outputs]
  std::array<int64_t, 2> pool{1, 1}, pool_strides{1, 1};  // average pool behind the layer, never padded
};

// What one round trip computes. A linear segment is one layer with what is affine behind it. A quadratic segment is
// two, with a square between them:
//   input -> first -> square -> layer -> output
struct Segment {
  std::string input;                 // a value of the graph
  std::vector<int64_t> input_shape;  // {C, H, W}
  std::optional<FoldedLayer> first;  // of a quadratic segment, and of no other
  FoldedLayer layer;
  std::string output;                 // a value of the graph: what `layer` and its pool give, before any activation
  std::vector<int64_t> output_shape;  // {C, H, W}, of all the layer's neurons
  int64_t first_number = 0, layer_number = 0;  // as in Selection; first_number 0 in a linear segment
  std::vector<int64_t> first_neurons;          // core neurons of `first`, may be empty
  std::vector<int64_t> neurons;                // core neurons of `layer`: the encrypted outputs
  // Core neurons of `first` whose squares are read outside the segment too (a shortcut): all of first_neurons or none.
  // Their squares are further encrypted outputs, behind those of `layer`. They are neither pooled nor scaled by what
  // stands between the square and `layer`.
  std::vector<int64_t> shortcut;
  std::vector<int64_t> square_shape;  // {C, H, W} of the square, of all neurons of `first`
  std::string square_output;          // the value of the graph that holds it

  // Nodes, by index into Graph::nodes, in execution order: those of each side and the square.
  std::vector<size_t> first_nodes, layer_nodes;
  size_t square = 0;
};

// The segments of a selection in the order of their first nodes: each one's input depends on the results of earlier
// ones only. A core layer becomes the second of a quadratic segment if it reads, through nothing but what folds, the
// square of a layer that is itself neither the second of a quadratic segment nor the first of another; then that layer
// belongs to the segment, core or not. Layers choose in execution order. Every other core layer becomes linear, and
// folding ends where it is no longer exact: the nodes from there on are plaintext. InvalidArgument, naming the node and
// why, for a layer that can't be lifted (groups, values of more dimensions, a weight read in several places), for all
// neurons of a first layer chosen but not all of the second (a plaintext neuron would have nothing to read), and for an
// empty selection.
absl::StatusOr<std::vector<Segment>> FindSegments(const Graph& graph, const Selection& selection);
// The first two layers that could be a quadratic segment, (first, second). NotFound, saying what was looked for, if
// there are none.
absl::StatusOr<std::pair<Layer, Layer>> FindQuadraticPair(const Graph& graph);

// The network an authorised user evaluates (accuracy A_s): the same graph with the weights from core neurons of `first`
// to plaintext neurons of `layer` set to zero, for every quadratic segment. `segments`, here and below, are what
// FindSegments gave for this graph.
absl::StatusOr<Graph> Separate(const Graph& graph, const std::vector<Segment>& segments);

// Names of additional inputs and outputs of PlaintextRest, for segment k = 0, 1, ...:
//   "privdnn_segment_k"   input, (N, |neurons|, H, W) or, behind a fully connected layer, (N, |neurons|)
//   "privdnn_shortcut_k"  input, (N, |shortcut|, H, W) of the square; only if there is a shortcut
//   "privdnn_feed_k"      output, the segment's input; only if that isn't an input of the graph
std::string SegmentInputName(size_t k);
std::string ShortcutInputName(size_t k);
std::string FeedOutputName(size_t k);
// Whether a name is one of the first two.
bool IsSegmentInput(const std::string& name);

// The network without its core neurons' weights: plaintext neurons (those of a quadratic segment's `layer` read only
// plaintext neurons of `first`), and everything between and behind the segments, into which decrypted values enter as
// further inputs. Fed with the decrypted values it computes what Separate() computes; fed with zeros, what an
// unauthorised user has (A_r). The graph's own inputs and outputs stay as they are, even if an input is no longer read.
// InvalidArgument if a value of the graph has one of the names above.
absl::StatusOr<Graph> PlaintextRest(const Graph& graph, const std::vector<Segment>& segments);

// What the values `outputs` are computed from, as a graph of its own: its outputs are these, in order, its inputs those
// of `graph` that are needed. InvalidArgument if a value is not one that a node writes.
absl::StatusOr<Graph> Extract(const Graph& graph, const std::vector<std::string>& outputs);

// A rest network cut where it waits for the owner, into segments + 1 stages: stage k computes "privdnn_feed_k" (and
// gives whatever of its work later stages need), the last one the graph's own outputs. Inputs of a stage are inputs of
// `rest` or outputs of earlier stages, by the same names; what the owner answers for segment k is read only behind
// stage k. A stage without nodes, for a segment that reads an input of the graph, is no valid graph and isn't to be
// run. `segments`: how many there are. `rest` may come from foreign bytes: InvalidArgument if it isn't a rest network
// of so many segments.
absl::StatusOr<std::vector<Graph>> SplitStages(const Graph& rest, size_t segments);

}  // namespace privdnn
