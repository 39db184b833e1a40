// Separate and PlaintextRest.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "privdnn/partition/fold_layer.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

std::vector<int64_t> Complement(const std::vector<int64_t>& chosen, int64_t count) {
  std::vector<int64_t> rest;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::binary_search(chosen.begin(), chosen.end(), i)) rest.push_back(i);
  }
  return rest;
}

// The slices `indices` of `tensor` along `axis`.
Tensor TakeSlices(const Tensor& tensor, size_t axis, const std::vector<int64_t>& indices) {
  Tensor out;
  out.shape = tensor.shape;
  out.shape[axis] = static_cast<int64_t>(indices.size());
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < axis; ++i) outer *= tensor.shape[i];
  for (size_t i = axis + 1; i < tensor.shape.size(); ++i) inner *= tensor.shape[i];
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t index : indices) {
      const auto* from = tensor.values.data() + (o * tensor.shape[axis] + index) * inner;
      out.values.insert(out.values.end(), from, from + inner);
    }
  }
  return out;
}

// Drops what no node reads. A secret weight must not ride along unused.
void DropUnusedInitializers(Graph& graph) {
  std::set<std::string> used;
  for (const auto& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(graph.initializers, [&](const auto& entry) { return !used.contains(entry.first); });
}

// Drops nodes that no output needs.
void DropUnusedNodes(Graph& graph) {
  std::set<std::string> needed;
  for (const ValueInfo& output : graph.outputs) needed.insert(output.name);
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!needed.contains(node->output)) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

size_t LayerNode(const Graph& graph, const Segment& segment) {
  for (const size_t i : segment.layer_nodes) {
    if (LayerNeurons(graph, graph.nodes[i])) return i;
  }
  return segment.layer_nodes[0];  // never: every segment has its layer
}

// Channels of a square as what a layer behind it reads: a flattened channel is `area` features.
std::vector<int64_t> Spread(const std::vector<int64_t>& channels, int64_t area) {
  std::vector<int64_t> features;
  for (const int64_t c : channels) {
    for (int64_t i = 0; i < area; ++i) features.push_back(c * area + i);
  }
  return features;
}

int64_t Groups(const Op& op) {
  const auto* conv = std::get_if<op::Conv>(&op);
  return conv == nullptr ? 1 : conv->groups;
}

// The first of the channels that output `f` of a layer reads.
int64_t FirstChannel(const Op& op, const Tensor& weights, int64_t f) {
  const auto [output_axis, input_axis] = WeightAxes(op);
  return f / (weights.dim(output_axis) / Groups(op)) * weights.dim(input_axis);
}

void ZeroWeights(const std::vector<int64_t>& outputs, const std::vector<int64_t>& inputs, const Op& op,
                 Tensor& weights) {
  const auto [output_axis, input_axis] = WeightAxes(op);
  int64_t taps = 1;
  for (size_t i = 2; i < weights.shape.size(); ++i) taps *= weights.dim(i);
  const int64_t output_stride = output_axis == 0 ? weights.dim(1) : 1,
                input_stride = input_axis == 0 ? weights.dim(1) : 1;
  for (const int64_t f : outputs) {
    const int64_t first = FirstChannel(op, weights, f);
    for (const int64_t c : inputs) {
      if (c < first || c >= first + weights.dim(input_axis)) continue;
      std::fill_n(weights.values.begin() + (f * output_stride + (c - first) * input_stride) * taps, taps, 0.0f);
    }
  }
}

// Builds the plaintext rest from the graph's nodes in order. A value of which only plaintext channels are left has a
// name of its own; decrypted channels join it under the old name.
class RestBuilder {
 public:
  RestBuilder(const Graph& graph, const Shapes& shapes, const std::vector<Segment>& segments)
      : graph_(graph), shapes_(shapes), segments_(segments) {
    rest_.name = graph.name;
    rest_.metadata = graph.metadata;
    rest_.inputs = graph.inputs;
    rest_.outputs = graph.outputs;
    rest_.initializers = graph.initializers;
    for (const Node& node : graph.nodes) node_names_.insert(node.name);
    for (const auto& [value, shape] : shapes) values_.insert(value);
  }

  absl::StatusOr<Graph> Build() && {
    for (size_t k = 0; k < segments_.size(); ++k) PRIVDNN_RETURN_IF_ERROR(Reserve(k));
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto owner = owners_.find(i);
      if (owner == owners_.end()) {
        rest_.nodes.push_back(graph_.nodes[i]);
      } else {
        AddSegmentNode(owner->second, i);
      }
    }
    for (size_t k = 0; k < segments_.size(); ++k) AddFeed(k);
    DropUnusedNodes(rest_);
    DropUnusedInitializers(rest_);
    PRIVDNN_RETURN_IF_ERROR(InferShapes(rest_).status());
    return std::move(rest_);
  }

 private:
  enum class Part { kFirst, kSquare, kFront, kLayer, kBehind };
  struct Owner {
    size_t segment;
    Part part;
  };

  // Inputs and names of segment k.
  absl::Status Reserve(size_t k) {
    const Segment& s = segments_[k];
    for (const std::string& name : {SegmentInputName(k), ShortcutInputName(k), FeedOutputName(k)}) {
      if (!values_.insert(name).second) {
        return InvalidArgument("graph '{}': value '{}' has a name that the partition needs", graph_.name, name);
      }
    }
    const auto add_input = [&](const std::string& name, const std::string& like, size_t channels) {
      std::vector<int64_t> shape = shapes_.at(like);
      shape[0] = -1;
      shape[1] = static_cast<int64_t>(channels);
      rest_.inputs.push_back({name, std::move(shape)});
    };
    add_input(SegmentInputName(k), s.output, s.neurons.size());
    if (!s.shortcut.empty()) add_input(ShortcutInputName(k), s.square_output, s.shortcut.size());

    const size_t layer = LayerNode(graph_, s);
    for (const size_t i : s.first_nodes) owners_[i] = {k, Part::kFirst};
    if (s.first) owners_[s.square] = {k, Part::kSquare};
    for (const size_t i : s.layer_nodes) {
      owners_[i] = {k, i < layer ? Part::kFront : i == layer ? Part::kLayer : Part::kBehind};
    }
    return absl::OkStatus();
  }

  void AddSegmentNode(const Owner& owner, size_t index) {
    const Segment& s = segments_[owner.segment];
    const Node& node = graph_.nodes[index];
    const bool front = owner.part == Part::kFirst || owner.part == Part::kSquare || owner.part == Part::kFront;
    if (front && s.first_neurons.empty()) {
      rest_.nodes.push_back(node);
      return;
    }
    // What is read outside needs all channels of the square.
    if (owner.part == Part::kFront && !s.shortcut.empty()) rest_.nodes.push_back(node);

    const auto plain = Complement(front ? s.first_neurons : s.neurons, front ? s.first->outputs : s.layer.outputs);
    if (!plain.empty()) AddPlaintext(s, owner.part, node, plain);
    if (owner.part == Part::kSquare && !s.shortcut.empty()) {
      Merge(ShortcutInputName(owner.segment), node.output, s.shortcut, plain);
    }
    if (index != s.layer_nodes.back()) return;
    Merge(SegmentInputName(owner.segment), node.output, s.neurons, plain);
    plaintext_.erase(node.output);  // the next segment may read this output, and needs all of it
  }

  // The node with only its plaintext channels.
  void AddPlaintext(const Segment& s, Part part, const Node& node, const std::vector<int64_t>& plain) {
    Node out = node;
    const bool has_weights = LayerNeurons(graph_, node).has_value();
    if (has_weights) {
      const auto [output_axis, input_axis] = WeightAxes(node.op);
      Tensor weights = TakeSlices(graph_.initializers.at(node.inputs[1]), output_axis, plain);
      const bool some = part == Part::kLayer && !s.first_neurons.empty();  // of the channels that the layer reads
      if (Groups(node.op) > 1) {
        SeparateGroups(some ? s.first_neurons : std::vector<int64_t>(), plain, weights, out);
      } else if (some) {
        const auto channels = Complement(s.first_neurons, s.first->outputs);
        weights = TakeSlices(weights, input_axis, Spread(channels, FeaturesPerChannel(s, node.inputs[0])));
      }
      out.inputs[1] = AddInitializer(node.inputs[1], std::move(weights));
      if (node.inputs.size() > 2) out.inputs[2] = AddChannels(node.inputs[2], 2, plain);
    } else {
      const std::string& data = DataInput(graph_, node);
      const auto channels = part == Part::kFront ? Spread(plain, FeaturesPerChannel(s, data)) : plain;
      for (std::string& input : out.inputs) {
        if (!graph_.initializers.contains(input)) continue;
        const bool norm = std::holds_alternative<op::BatchNormalization>(node.op);
        input = AddChannels(input, norm ? 2 : shapes_.at(data).size(), channels);
      }
      // Its target may count the channels that are gone.
      if (std::holds_alternative<op::Reshape>(node.op)) out.op = op::Flatten{1};
    }
    for (std::string& input : out.inputs) input = PlaintextName(input);
    out.output = Unique(node.output + ".plaintext", values_);
    plaintext_[node.output] = out.output;
    if (part == Part::kFront) out.name = Unique(node.name + ".plaintext", node_names_);
    rest_.nodes.push_back(std::move(out));
  }

  // Turns `out`, a convolution in groups, into one in which each of the filters `plain` is a group of its own and reads
  // copies of its channels. Of channels that are `missing`, it has weights of zero.
  void SeparateGroups(const std::vector<int64_t>& missing, const std::vector<int64_t>& plain, Tensor& weights,
                      Node& out) {
    const Tensor& all = graph_.initializers.at(out.inputs[1]);
    const auto channels = Complement(missing, shapes_.at(out.inputs[0])[1]);
    const int64_t per_filter = all.dim(1), taps = all.dim(2) * all.dim(3);
    op::Gather copies{1, {}};
    auto w = weights.values.begin();
    for (const int64_t f : plain) {
      const int64_t first = FirstChannel(out.op, all, f);
      for (int64_t c = first; c < first + per_filter; ++c, w += taps) {
        const auto at = std::lower_bound(channels.begin(), channels.end(), c);
        const bool there = at != channels.end() && *at == c;
        copies.indices.push_back(there ? at - channels.begin() : 0);
        if (!there) std::fill_n(w, taps, 0.0f);
      }
    }
    std::string copied = Unique(out.inputs[0] + ".channels", values_);
    rest_.nodes.push_back(
        {Unique(out.name + ".channels", node_names_), std::move(copies), {PlaintextName(out.inputs[0])}, copied});
    out.inputs[0] = std::move(copied);
    std::get<op::Conv>(out.op).groups = static_cast<int64_t>(plain.size());
  }

  const std::string& PlaintextName(const std::string& value) const {
    const auto renamed = plaintext_.find(value);
    return renamed == plaintext_.end() ? value : renamed->second;
  }

  // How many features of a value behind the square belong to a channel of the square.
  int64_t FeaturesPerChannel(const Segment& s, const std::string& value) const {
    return shapes_.at(value)[1] / s.square_shape[0];
  }

  // `name` with the channels `kept`: that of a vector (rank 2), or of a constant for a value of `rank` dimensions.
  std::string AddChannels(const std::string& name, size_t rank, const std::vector<int64_t>& kept) {
    const Tensor& constant = graph_.initializers.at(name);
    const auto axis = ChannelAxisOfConstant(constant, rank);
    if (!axis || constant.size() == 1) return name;  // one number for all channels
    return AddInitializer(name, TakeSlices(constant, *axis, kept));
  }

  std::string AddInitializer(const std::string& name, Tensor tensor) {
    const std::string unique = Unique(name + ".plaintext", values_);
    rest_.initializers[unique] = std::move(tensor);
    return unique;
  }

  // `value` from the decrypted channels `core` and the plaintext channels, all in their old places.
  void Merge(const std::string& decrypted, const std::string& value, const std::vector<int64_t>& core,
             const std::vector<int64_t>& plain) {
    if (plain.empty()) {
      AddCopy(decrypted, decrypted, value);
      return;
    }
    std::vector<int64_t> position(core.size() + plain.size());
    for (size_t i = 0; i < core.size(); ++i) position[static_cast<size_t>(core[i])] = static_cast<int64_t>(i);
    for (size_t i = 0; i < plain.size(); ++i) {
      position[static_cast<size_t>(plain[i])] = static_cast<int64_t>(core.size() + i);
    }
    const std::string merged = Unique(value + ".merged", values_);
    rest_.nodes.push_back(
        {Unique(decrypted + ".merge", node_names_), op::Concat{1}, {decrypted, plaintext_.at(value)}, merged});
    rest_.nodes.push_back(
        {Unique(decrypted + ".order", node_names_), op::Gather{1, std::move(position)}, {merged}, value});
  }

  // `value` under another name, by a Reshape to the shape that it has.
  void AddCopy(const std::string& name, const std::string& value, const std::string& copy) {
    const auto known = shapes_.find(value);
    std::vector<int64_t> shape = known != shapes_.end() ? known->second : shapes_.at(copy);
    shape[0] = 0;
    rest_.nodes.push_back({Unique(name + ".copy", node_names_), op::Reshape{std::move(shape)}, {value}, copy});
  }

  void AddFeed(size_t k) {
    const std::string& input = segments_[k].input;
    const bool given = std::any_of(graph_.inputs.begin(), graph_.inputs.end(),
                                   [&](const ValueInfo& info) { return info.name == input; });
    if (given) return;
    AddCopy(FeedOutputName(k), input, FeedOutputName(k));
    std::vector<int64_t> shape = shapes_.at(input);
    shape[0] = -1;
    rest_.outputs.push_back({FeedOutputName(k), std::move(shape)});
  }

  static std::string Unique(std::string name, std::set<std::string>& taken) {
    while (!taken.insert(name).second) name += "_";
    return name;
  }

  const Graph& graph_;
  const Shapes& shapes_;
  const std::vector<Segment>& segments_;
  Graph rest_;
  std::unordered_map<size_t, Owner> owners_;                // nodes of segments
  std::unordered_map<std::string, std::string> plaintext_;  // value -> that of its plaintext channels
  std::set<std::string> node_names_, values_;
};

}  // namespace

absl::StatusOr<Graph> Separate(const Graph& graph, const std::vector<Segment>& segments) {
  Graph out = graph;
  for (const Segment& s : segments) {
    if (!s.first) continue;
    Node& layer = out.nodes[LayerNode(graph, s)];
    Tensor& weights = out.initializers.at(layer.inputs[1]);  // read nowhere else
    const auto [output_axis, input_axis] = WeightAxes(layer.op);
    const int64_t per_channel = Groups(layer.op) * weights.dim(input_axis) / s.first->outputs;
    ZeroWeights(Complement(s.neurons, s.layer.outputs), Spread(s.first_neurons, per_channel), layer.op, weights);
  }
  PRIVDNN_RETURN_IF_ERROR(InferShapes(out).status());
  return out;
}

absl::StatusOr<Graph> PlaintextRest(const Graph& graph, const std::vector<Segment>& segments) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  return RestBuilder(graph, shapes, segments).Build();
}

absl::StatusOr<Graph> Extract(const Graph& graph, const std::vector<std::string>& outputs) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  Graph out = graph;
  out.outputs.clear();
  for (const std::string& name : outputs) {
    if (graph.Producer(name) == nullptr) return InvalidArgument("graph '{}' computes no '{}'", graph.name, name);
    std::vector<int64_t> shape = shapes.at(name);
    shape[0] = -1;
    out.outputs.push_back({name, std::move(shape)});
  }
  DropUnusedNodes(out);
  DropUnusedInitializers(out);
  std::erase_if(out.inputs, [&](const ValueInfo& input) { return out.Consumers(input.name).empty(); });
  return out;
}

}  // namespace privdnn
