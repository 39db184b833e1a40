// Selects core neurons, finds them in a graph, and builds the graphs that remain without them. (Ren et al., PoPETs
// 2024(3), section 4: "separation" and "partial encryption".)
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// A layer is a node with weights: Conv, Gemm, or MatMul by an initializer. Layers are numbered from 1 in execution
// order. All functions here take graphs that InferShapes accepts.
struct Layer {
  int64_t number;
  size_t node;      // index into Graph::nodes
  int64_t neurons;  // output channels or output features
};
std::vector<Layer> FindLayers(const Graph& graph);

// The core neurons: maps layer numbers to output-channel indices. Indices ascend without repetition; no list is empty.
struct Selection {
  std::map<int64_t, std::vector<int64_t>> layers;
  bool operator==(const Selection&) const = default;
};

// Parses "1:0,3;2:5-9;fc1:all", or the JSON of a selection file, which writes the same as
//   {"1": [0, 3], "2": [5, 6, 7, 8, 9], "fc1": "all"}
// Ranges are for text only. Also accepts a JSON report that holds such an object as "selection":
//   {"model": "model.onnx", "selection": {"1": [0, 3]}, "accuracy": 98.8}
// A layer is given by its number or by its node's name, several by a range of numbers ("9-16:all") or all by "*". A
// name may contain colons: it ends at the last colon of its entry. Blanks around names, neurons and entries don't
// count. An empty list selects nothing. Sorts the indices. Fails with InvalidArgument if an index is repeated, or if an
// index or a layer doesn't exist; the error names it and lists what exists.
absl::StatusOr<Selection> ParseSelection(const std::string& text, const Graph& graph);
// Returns the JSON form, with layers by number.
std::string FormatSelection(const Selection& selection);
// Checks a selection made by a program. Returns the errors of ParseSelection, and an error for a list that is empty or
// does not ascend.
absl::Status CheckSelection(const Graph& graph, const Selection& selection);

// A layer as numbers: a convolution, in doubles, and an optional average pool after it. Affine nodes around the layer
// are folded in. After the layer, these are batch normalisation, arithmetic with constants (one number, or one per
// channel), Dropout, and one unpadded average pool, as long as each value has one reader and isn't an output of the
// graph. Before the layer, between the square and the second layer of a quadratic segment, these are the same nodes,
// any number of pools, zero padding and Flatten, as long as folding is exact. A fully connected layer then becomes a
// convolution whose kernel covers the whole map. A fully connected layer that reads L values has C = L and H = W = 1.
struct FoldedLayer {
  int64_t outputs = 1, inputs = 1;  // all neurons of the layer; channels read
  Window window;                    // never dilated: groups and dilations are zeros among the weights
  std::vector<double> weights;      // [outputs][inputs][kernel height][kernel width]
  std::vector<double> bias;         // [outputs]
  Window pool;                      // average pool after the layer, never padded
};

// The computation of one round trip. A linear segment is one layer and the affine nodes after it. A quadratic segment
// is two layers with a square between them:
//   input -> first -> square -> layer -> output
struct Segment {
  std::string input;                 // a value of the graph
  std::vector<int64_t> input_shape;  // {C, H, W}
  std::optional<FoldedLayer> first;  // only in a quadratic segment
  FoldedLayer layer;
  std::string output;                 // a value of the graph: the result of `layer` and its pool, before any activation
  std::vector<int64_t> output_shape;  // {C, H, W}, of all the layer's neurons
  int64_t first_number = 0, layer_number = 0;  // as in Selection; first_number 0 in a linear segment
  std::vector<int64_t> first_neurons;          // core neurons of `first`, may be empty
  std::vector<int64_t> neurons;                // core neurons of `layer`: the encrypted outputs
  // Core neurons of `first` whose squares are also read outside the segment (a shortcut): all of first_neurons or none.
  // Their squares are additional encrypted outputs and follow those of `layer`. The nodes between the square and
  // `layer` neither pool nor scale them.
  std::vector<int64_t> shortcut;
  std::vector<int64_t> square_shape;  // {C, H, W} of the square, of all neurons of `first`
  std::string square_output;          // the value of the graph that holds it

  // The nodes of both layers and of the square: indices into Graph::nodes, in execution order.
  std::vector<size_t> first_nodes, layer_nodes;
  size_t square = 0;
};

// Finds the segments of a selection. They are in the order of their first nodes, so the input of each depends only on
// the results of earlier ones. Layers are assigned in execution order. A core layer becomes the second layer of a
// quadratic segment if it reads the square of another layer, with only foldable nodes between, and that other layer is
// neither the second of a quadratic segment nor the first of another. The other layer then belongs to the segment, core
// or not. Every other core layer becomes a linear segment. Folding stops where it would no longer be exact; the nodes
// from there on are plaintext. Fails with InvalidArgument, naming the node and the reason, if a layer can't be lifted
// (values of more dimensions, very many zeros between groups, a weight read in several places), or if all neurons of a
// first layer are chosen but not all of the second (a plaintext neuron would have nothing to read). Fails with
// InvalidArgument for an empty selection, too.
absl::StatusOr<std::vector<Segment>> FindSegments(const Graph& graph, const Selection& selection);

// What FindSegments checks of weights, for other ways to encrypt: fails with InvalidArgument, naming the node and the
// reason, if weights or biases of chosen neurons are read in several places, or stand in another constant too, or if a
// neuron of their layer that isn't chosen has the same ones. The selection must be valid (CheckSelection).
absl::Status CheckHidden(const Graph& graph, const Selection& selection);

// Returns which neurons of a segment are core, for people: "2 of 6 neurons of layer 1, 13 of 16 neurons of layer 2".
std::string CoreNeuronsText(const Segment& segment);
// Returns the first two layers that could form a quadratic segment, (first, second). Fails with NotFound, saying what
// was looked for, if there are none.
absl::StatusOr<std::pair<Layer, Layer>> FindQuadraticPair(const Graph& graph);

// Returns the network that an authorised user evaluates (accuracy A_s): the same graph, with the weights from core
// neurons of `first` to plaintext neurons of `layer` set to zero in every quadratic segment. Here and below, `segments`
// must come from FindSegments for this graph.
absl::StatusOr<Graph> Separate(const Graph& graph, const std::vector<Segment>& segments);

// Return the names of the additional inputs and outputs of PlaintextRest, for segment k = 0, 1, ...:
//   "privdnn_segment_k"   input, (N, |neurons|, H, W) or, after a fully connected layer, (N, |neurons|)
//   "privdnn_shortcut_k"  input, (N, |shortcut|, H, W) of the square; only if there is a shortcut
//   "privdnn_feed_k"      output, the segment's input; only if that isn't an input of the graph
std::string SegmentInputName(size_t k);
std::string ShortcutInputName(size_t k);
std::string FeedOutputName(size_t k);
// Returns whether a name is a segment input or a shortcut input.
bool IsSegmentInput(const std::string& name);

// Returns the network without the core neurons' weights. It holds the plaintext neurons and everything between and
// after the segments; decrypted values enter as additional inputs. In a quadratic segment, plaintext neurons of `layer`
// read only plaintext neurons of `first`. With the decrypted values as inputs, this network computes the same as
// Separate(); with zeros, it computes what an unauthorised user gets (A_r). The graph's own inputs and outputs stay
// unchanged, even if an input is no longer read. Fails with InvalidArgument if a value of the graph has one of the
// names above.
absl::StatusOr<Graph> PlaintextRest(const Graph& graph, const std::vector<Segment>& segments);

// Extracts the part of `graph` that computes the values `outputs`. The new graph's outputs are these values, in order;
// its inputs are the inputs of `graph` that they need. Fails with InvalidArgument if no node writes one of the values.
absl::StatusOr<Graph> Extract(const Graph& graph, const std::vector<std::string>& outputs);

// Splits a rest network into segments + 1 stages, at the points where it waits for the owner. Stage k computes
// "privdnn_feed_k" and outputs any values that later stages need. The last stage computes the graph's own outputs. The
// inputs of a stage are inputs of `rest` or outputs of earlier stages, with the same names. Only stages after stage k
// read the owner's answer for segment k. If a segment reads an input of the graph, its stage may have no nodes; such a
// stage is not a valid graph and must not be run. `segments` is the number of segments. `rest` may be untrusted: fails
// with InvalidArgument if it isn't a rest network of that many segments.
absl::StatusOr<std::vector<Graph>> SplitStages(const Graph& rest, size_t segments);

}  // namespace privdnn
