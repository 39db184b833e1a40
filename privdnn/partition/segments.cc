// FindLayers, FindSegments, FindQuadraticPair.
#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "privdnn/partition/copies.h"
#include "privdnn/partition/fold_layer.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// Two layers with a square between them: first -> square -> front -> second.
struct Pair {
  size_t first;               // index into the layers
  size_t square;              // node
  std::vector<size_t> front;  // nodes, in execution order
};

// Who writes and who reads a value. Made once: a graph may have many nodes.
class Finder {
 public:
  Finder(const Graph& graph, const Shapes& shapes) : graph_(graph), shapes_(shapes), layers_(FindLayers(graph)) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const std::string& value : graph.nodes[i].inputs) readers_[value].push_back(i);
      producers_[graph.nodes[i].output] = i;
    }
    for (const ValueInfo& output : graph.outputs) outputs_.insert(output.name);
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!CheckLiftable(shapes, graph.nodes[layers_[i].node]).ok()) continue;
      const auto next = OnlyReader(LastValue(layers_[i].node, Behind(layers_[i])));
      if (next && std::holds_alternative<op::Square>(graph.nodes[*next].op)) squares_[*next] = i;
    }
  }

  const std::vector<Layer>& layers() const { return layers_; }

  // The nodes that fold into a layer from behind, along single readers.
  std::vector<size_t> Behind(const Layer& layer) const {
    FoldedLayer frame = LayerFrame(graph_, shapes_, graph_.nodes[layer.node]);
    std::vector<size_t> behind;
    auto next = OnlyReader(graph_.nodes[layer.node].output);
    while (next && FoldBehind(graph_, shapes_, graph_.nodes[*next], frame)) {
      behind.push_back(*next);
      next = OnlyReader(graph_.nodes[*next].output);
    }
    return behind;
  }

  // The pair that ends in `second`, if it reads the square of a layer through nothing but what folds.
  std::optional<Pair> FindPair(const Layer& second) const {
    const Node& node = graph_.nodes[second.node];
    if (!CheckLiftable(shapes_, node).ok()) return std::nullopt;
    FoldedLayer frame = LayerFrame(graph_, shapes_, node);
    Pair pair{};
    auto at = producers_.find(node.inputs[0]);
    for (; at != producers_.end(); at = producers_.find(DataInput(graph_, graph_.nodes[at->second]))) {
      if (const auto square = squares_.find(at->second); square != squares_.end()) {
        pair.first = square->second;
        pair.square = at->second;
        std::reverse(pair.front.begin(), pair.front.end());
        return pair;
      }
      if (!FoldInFront(graph_, shapes_, graph_.nodes[at->second], frame)) return std::nullopt;
      pair.front.push_back(at->second);
    }
    return std::nullopt;
  }

  // Whether a value is read by a node other than `reader`, or leaves the graph.
  bool IsReadOutside(const std::string& value, size_t reader) const {
    const auto it = readers_.find(value);
    return outputs_.contains(value) ||
           std::any_of(it->second.begin(), it->second.end(), [&](size_t node) { return node != reader; });
  }

  // A weight that is read in two places would stay, whole, in what the user gets. A number that all neurons share
  // belongs to none of them.
  absl::Status CheckUnshared(size_t index) const {
    const Node& node = graph_.nodes[index];
    for (const std::string& input : node.inputs) {
      const auto weight = graph_.initializers.find(input);
      const size_t places = readers_.at(input).size();
      if (weight == graph_.initializers.end() || places == 1) continue;
      const bool arithmetic = !LayerNeurons(graph_, node) && !std::holds_alternative<op::BatchNormalization>(node.op);
      if (arithmetic && weight->second.size() == 1 && shapes_.at(node.output)[1] > 1) continue;
      return InvalidArgument(
          "node '{}': weight '{}' is read in {} places, by {} too; a network that applies a weight repeatedly can't "
          "keep it secret",
          node.name, input, places, OtherReader(input, index));
    }
    return absl::OkStatus();
  }

  std::string OtherReader(const std::string& weight, size_t index) const {
    for (const size_t reader : readers_.at(weight)) {
      if (reader != index) return fmt::format("node '{}'", graph_.nodes[reader].name);
    }
    return "itself";
  }

  const std::string& LastValue(size_t node, const std::vector<size_t>& behind) const {
    return graph_.nodes[behind.empty() ? node : behind.back()].output;
  }

 private:
  std::optional<size_t> OnlyReader(const std::string& value) const {
    const auto it = readers_.find(value);
    if (it == readers_.end() || it->second.size() != 1 || outputs_.contains(value)) return std::nullopt;
    return it->second[0];
  }

  const Graph& graph_;
  const Shapes& shapes_;
  const std::vector<Layer> layers_;
  std::unordered_map<std::string, std::vector<size_t>> readers_;  // once for each time they do
  std::unordered_map<std::string, size_t> producers_;
  std::unordered_set<std::string> outputs_;
  std::unordered_map<size_t, size_t> squares_;  // node -> index of the layer whose folded output it squares
};

// {C, H, W} of a value of 4 dimensions or 2.
std::vector<int64_t> ImageShape(const std::vector<int64_t>& shape) {
  return shape.size() == 2 ? std::vector<int64_t>{shape[1], 1, 1}
                           : std::vector<int64_t>{shape.begin() + 1, shape.end()};
}

class SegmentBuilder {
 public:
  SegmentBuilder(const Graph& graph, const Shapes& shapes, const Finder& finder, const Selection& selection)
      : graph_(graph), shapes_(shapes), finder_(finder), selection_(selection) {}

  absl::StatusOr<Segment> Build(const Layer& layer, const std::optional<Pair>& pair) const {
    PRIVDNN_RETURN_IF_ERROR(CheckLiftable(shapes_, graph_.nodes[layer.node]));
    Segment s;
    s.layer_number = layer.number;
    s.neurons = Neurons(layer.number);
    s.input = graph_.nodes[layer.node].inputs[0];
    s.layer = LayerNumbers(graph_, shapes_, graph_.nodes[layer.node]);
    if (pair) PRIVDNN_RETURN_IF_ERROR(AddFirst(*pair, layer, s));
    s.layer_nodes.push_back(layer.node);
    const auto behind = finder_.Behind(layer);
    for (const size_t i : behind) FoldBehind(graph_, shapes_, graph_.nodes[i], s.layer);
    s.layer_nodes.insert(s.layer_nodes.end(), behind.begin(), behind.end());
    s.output = finder_.LastValue(layer.node, behind);
    s.input_shape = ImageShape(shapes_.at(s.input));
    s.output_shape = ImageShape(shapes_.at(s.output));
    std::vector<size_t> inside = s.first_nodes;
    inside.insert(inside.end(), s.layer_nodes.begin(), s.layer_nodes.end());
    for (const size_t i : inside) PRIVDNN_RETURN_IF_ERROR(finder_.CheckUnshared(i));
    PRIVDNN_RETURN_IF_ERROR(CheckFoldedNotCopied(graph_, inside));
    return s;
  }

 private:
  std::vector<int64_t> Neurons(int64_t layer) const {
    const auto it = selection_.layers.find(layer);
    return it == selection_.layers.end() ? std::vector<int64_t>() : it->second;
  }

  absl::Status AddFirst(const Pair& pair, const Layer& second, Segment& s) const {
    const Layer& first = finder_.layers()[pair.first];
    s.first_number = first.number;
    s.first_neurons = Neurons(first.number);
    PRIVDNN_RETURN_IF_ERROR(CheckPlaintextNeurons(first, second, s));
    s.input = graph_.nodes[first.node].inputs[0];
    s.first = LayerNumbers(graph_, shapes_, graph_.nodes[first.node]);
    const auto behind = finder_.Behind(first);
    for (const size_t i : behind) FoldBehind(graph_, shapes_, graph_.nodes[i], *s.first);
    s.first_nodes = {first.node};
    s.first_nodes.insert(s.first_nodes.end(), behind.begin(), behind.end());
    s.square = pair.square;
    s.square_output = graph_.nodes[pair.square].output;
    s.square_shape = ImageShape(shapes_.at(s.square_output));
    // From the weights to the square: each fold changes what the next one meets.
    for (size_t i = pair.front.size(); i-- > 0;) FoldInFront(graph_, shapes_, graph_.nodes[pair.front[i]], s.layer);
    s.layer_nodes = pair.front;
    std::vector<size_t> path = pair.front;
    path.push_back(second.node);
    bool outside = finder_.IsReadOutside(s.square_output, path[0]);
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      outside = outside || finder_.IsReadOutside(graph_.nodes[path[i]].output, path[i + 1]);
    }
    if (outside) s.shortcut = s.first_neurons;
    return absl::OkStatus();
  }

  absl::Status CheckPlaintextNeurons(const Layer& first, const Layer& second, const Segment& s) const {
    const auto core1 = static_cast<int64_t>(s.first_neurons.size()), core2 = static_cast<int64_t>(s.neurons.size());
    if (core1 < first.neurons || core2 == second.neurons) return absl::OkStatus();
    return InvalidArgument(
        "selection: all {} neurons of layer {} ('{}') are chosen but only {} of {} of layer {} ('{}'): the others "
        "would have nothing to read; choose all of layer {} or leave a neuron of layer {}",
        first.neurons, first.number, graph_.nodes[first.node].name, core2, second.neurons, second.number,
        graph_.nodes[second.node].name, second.number, first.number);
  }

  const Graph& graph_;
  const Shapes& shapes_;
  const Finder& finder_;
  const Selection& selection_;
};

}  // namespace

std::vector<Layer> FindLayers(const Graph& graph) {
  std::vector<Layer> layers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto neurons = LayerNeurons(graph, graph.nodes[i]);
    if (neurons) layers.push_back({static_cast<int64_t>(layers.size()) + 1, i, *neurons});
  }
  return layers;
}

absl::StatusOr<std::vector<Segment>> FindSegments(const Graph& graph, const Selection& selection) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(graph, selection));
  if (selection.layers.empty()) return InvalidArgument("selection: no neuron is chosen, there is nothing to encrypt");
  const Finder finder(graph, shapes);
  const auto layer = [&](int64_t number) -> const Layer& { return finder.layers()[static_cast<size_t>(number - 1)]; };

  std::map<int64_t, Pair> pairs;  // by the second layer
  std::set<int64_t> firsts;
  for (const auto& [number, neurons] : selection.layers) {
    auto pair = finder.FindPair(layer(number));
    if (!pair) continue;
    const int64_t first = finder.layers()[pair->first].number;
    if (pairs.contains(first) || !firsts.insert(first).second) continue;
    pairs.emplace(number, *std::move(pair));
  }

  // In order of the first node of each: whatever a segment's input is computed from comes before that.
  std::map<int64_t, Segment> segments;
  const SegmentBuilder builder(graph, shapes, finder, selection);
  for (const auto& [number, neurons] : selection.layers) {
    if (firsts.contains(number)) continue;
    const auto pair = pairs.find(number);
    const bool quadratic = pair != pairs.end();
    PRIVDNN_ASSIGN_OR_RETURN(Segment segment,
                             builder.Build(layer(number), quadratic ? std::optional(pair->second) : std::nullopt));
    const int64_t start = quadratic ? segment.first_number : number;
    segments.emplace(start, std::move(segment));
  }
  PRIVDNN_RETURN_IF_ERROR(CheckNotCopied(graph, finder.layers(), selection));
  std::vector<Segment> result;
  for (auto& [start, segment] : segments) result.push_back(std::move(segment));
  return result;
}

absl::StatusOr<std::pair<Layer, Layer>> FindQuadraticPair(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  const Finder finder(graph, shapes);
  for (const Layer& layer : finder.layers()) {
    if (const auto pair = finder.FindPair(layer)) return std::pair(finder.layers()[pair->first], layer);
  }
  return NotFound(
      "graph '{}': none of its {} layers (Conv, Gemm, MatMul) reads the square of another through nothing but "
      "BatchNormalization, unpadded AveragePool, constants, Pad, Dropout and Flatten: there is no quadratic segment",
      graph.name, finder.layers().size());
}

std::string CoreNeuronsText(const Segment& s) {
  const std::string layer =
      fmt::format("{} of {} neurons of layer {}", s.neurons.size(), s.layer.outputs, s.layer_number);
  if (!s.first) return layer;
  return fmt::format("{} of {} neurons of layer {}, {}", s.first_neurons.size(), s.first->outputs, s.first_number,
                     layer);
}

}  // namespace privdnn
