#include "nn/partition.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <unordered_map>

namespace privdnn::nn {
namespace {

absl::Status AddIndex(const std::string& layer, int64_t index, Selection& selection) {
  if (layer != "1" && layer != "2") return InvalidArgument("selection: layer '{}' is not 1 or 2", layer);
  if (index < 0) return InvalidArgument("selection: layer {}: neuron {} is negative", layer, index);
  (layer == "1" ? selection.layer1 : selection.layer2).push_back(index);
  return absl::OkStatus();
}

absl::StatusOr<Selection> ParseJsonSelection(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidArgument("selection: not a JSON object such as {{\"1\": [0], \"2\": [3]}}");
  Selection selection;
  for (const auto& [layer, indices] : json.items()) {
    if (!indices.is_array()) return InvalidArgument("selection: layer '{}' is not a list of neurons", layer);
    for (const auto& index : indices) {
      if (!index.is_number_integer()) {
        // dump() calls itself for each level of nesting, which the text may have any number of.
        const std::string what = index.is_structured() ? index.type_name() : index.dump();
        return InvalidArgument("selection: layer '{}': {} is not an integer", layer, what);
      }
      PRIVDNN_RETURN_IF_ERROR(AddIndex(layer, index.get<int64_t>(), selection));
    }
  }
  return selection;
}

// "1:0,3;2:5"
absl::StatusOr<Selection> ParseShortSelection(const std::string& text) {
  Selection selection;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(';', at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    const size_t colon = part.find(':');
    if (colon == std::string::npos) return InvalidArgument("selection: '{}' is not LAYER:NEURON,NEURON,...", part);
    const std::string layer = part.substr(0, colon);
    size_t from = colon + 1;
    while (from < part.size()) {
      const size_t to = std::min(part.find(',', from), part.size());
      int64_t index = 0;
      const auto result = std::from_chars(part.data() + from, part.data() + to, index);
      if (result.ec != std::errc() || result.ptr != part.data() + to) {
        return InvalidArgument("selection: layer {}: '{}' is not a neuron", layer, part.substr(from, to - from));
      }
      PRIVDNN_RETURN_IF_ERROR(AddIndex(layer, index, selection));
      from = to + 1;
    }
  }
  return selection;
}

absl::Status SortUnique(int layer, std::vector<int64_t>& indices) {
  std::sort(indices.begin(), indices.end());
  const auto twice = std::adjacent_find(indices.begin(), indices.end());
  if (twice != indices.end()) return InvalidArgument("selection: layer {}: neuron {} is named twice", layer, *twice);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Selection> ParseSelection(const std::string& text) {
  const bool json = text.find('{') != std::string::npos;
  PRIVDNN_ASSIGN_OR_RETURN(Selection selection, json ? ParseJsonSelection(text) : ParseShortSelection(text));
  PRIVDNN_RETURN_IF_ERROR(SortUnique(1, selection.layer1));
  PRIVDNN_RETURN_IF_ERROR(SortUnique(2, selection.layer2));
  return selection;
}

std::string FormatSelection(const Selection& selection) {
  nlohmann::json json;
  json["1"] = selection.layer1;
  json["2"] = selection.layer2;
  return json.dump();
}

namespace {

// Value -> the nodes that read it, once for each time they do. Made once: a graph may have many nodes.
using Readers = std::unordered_map<std::string, std::vector<size_t>>;

Readers FindReaders(const Graph& graph) {
  Readers readers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& value : graph.nodes[i].inputs) readers[value].push_back(i);
  }
  return readers;
}

// Walks from value to value along single readers.
class Walker {
 public:
  Walker(const Graph& graph, const Readers& readers, size_t node) : graph_(graph), readers_(readers), at_(node) {}

  // Index of the only node that reads the current node's output, if its operator is an Operator.
  template <typename Operator>
  std::optional<size_t> Take() {
    const auto next = readers_.find(graph_.nodes[at_].output);
    if (next == readers_.end() || next->second.size() != 1) return std::nullopt;
    if (!std::holds_alternative<Operator>(graph_.nodes[next->second[0]].op)) return std::nullopt;
    at_ = next->second[0];
    return at_;
  }
  const std::string& value() const { return graph_.nodes[at_].output; }

 private:
  const Graph& graph_;
  const Readers& readers_;
  size_t at_;
};

std::optional<QuadraticSegment> MatchAt(const Graph& graph, const Readers& readers, size_t conv) {
  if (!std::holds_alternative<Conv>(graph.nodes[conv].op)) return std::nullopt;
  QuadraticSegment s{};
  s.conv1 = conv;
  s.input = graph.nodes[conv].inputs[0];
  Walker walk(graph, readers, conv);
  s.bn1 = walk.Take<BatchNormalization>();
  s.pool1 = walk.Take<AveragePool>();
  const auto square = walk.Take<Square>();
  if (!square) return std::nullopt;
  s.square = *square;
  const auto conv2 = walk.Take<Conv>();
  if (!conv2) return std::nullopt;
  s.conv2 = *conv2;
  s.bn2 = walk.Take<BatchNormalization>();
  s.pool2 = walk.Take<AveragePool>();
  s.output = walk.value();
  return s;
}

// A weight of the segment that is read elsewhere too would stay in the plaintext rest, whole.
absl::Status CheckUnshared(const Graph& graph, const Readers& readers, const QuadraticSegment& s) {
  for (const auto& i : {std::optional(s.conv1), std::optional(s.conv2), s.bn1, s.bn2}) {
    if (!i) continue;
    const Node& node = graph.nodes[*i];
    for (size_t k = 1; k < node.inputs.size(); ++k) {
      const size_t places = readers.at(node.inputs[k]).size();
      if (places == 1) continue;
      return InvalidArgument("node '{}': weight '{}' is read in {} places; a secret weight must be read in one",
                             node.name, node.inputs[k], places);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLiftable(const Graph& graph, const Readers& readers, const QuadraticSegment& s) {
  for (const size_t i : {s.conv1, s.conv2}) {
    const auto& conv = std::get<Conv>(graph.nodes[i].op);
    if (conv.groups != 1)
      return InvalidArgument("node '{}': Conv with {} groups can't be lifted", graph.nodes[i].name, conv.groups);
  }
  for (const auto& i : {std::optional(s.conv1), std::optional(s.conv2), s.bn1, s.bn2}) {
    if (!i) continue;
    const Node& node = graph.nodes[*i];
    for (size_t k = 1; k < node.inputs.size(); ++k) {
      if (graph.initializers.contains(node.inputs[k])) continue;
      return InvalidArgument("node '{}': {} whose weight '{}' is computed can't be lifted", node.name, OpName(node.op),
                             node.inputs[k]);
    }
  }
  PRIVDNN_RETURN_IF_ERROR(CheckUnshared(graph, readers, s));
  for (const auto& i : {s.pool1, s.pool2}) {
    if (!i) continue;
    const auto& pool = std::get<AveragePool>(graph.nodes[*i].op);
    if (pool.window.pads != std::array<int64_t, 4>{0, 0, 0, 0}) {
      return InvalidArgument("node '{}': AveragePool with padding can't be lifted", graph.nodes[*i].name);
    }
  }
  return absl::OkStatus();
}

std::vector<int64_t> ImageShape(const std::vector<int64_t>& batched) { return {batched.begin() + 1, batched.end()}; }

}  // namespace

absl::StatusOr<QuadraticSegment> FindQuadraticSegment(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  const Readers readers = FindReaders(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    auto segment = MatchAt(graph, readers, i);
    if (!segment) continue;
    PRIVDNN_RETURN_IF_ERROR(CheckLiftable(graph, readers, *segment));
    segment->input_shape = ImageShape(shapes.at(segment->input));
    segment->output_shape = ImageShape(shapes.at(segment->output));
    segment->neurons1 = shapes.at(graph.nodes[segment->conv1].output)[1];
    segment->neurons2 = segment->output_shape[0];
    return *segment;
  }
  return NotFound(
      "graph '{}': none of its {} nodes starts Conv [BatchNormalization] [AveragePool] Square Conv: there is no "
      "quadratic segment to encrypt",
      graph.name, graph.nodes.size());
}

absl::Status CheckSelection(const QuadraticSegment& segment, const Selection& selection) {
  const auto check = [](int layer, const std::vector<int64_t>& indices, int64_t neurons) -> absl::Status {
    for (const int64_t i : indices) {
      if (i < 0 || i >= neurons) {
        return InvalidArgument("selection: layer {} has neurons 0 to {}, not {}", layer, neurons - 1, i);
      }
    }
    return absl::OkStatus();
  };
  PRIVDNN_RETURN_IF_ERROR(check(1, selection.layer1, segment.neurons1));
  PRIVDNN_RETURN_IF_ERROR(check(2, selection.layer2, segment.neurons2));
  if (selection.layer2.empty()) {
    return InvalidArgument("selection: no neuron of layer 2 is chosen; what is encrypted are the outputs of layer 2");
  }
  const bool all1 = static_cast<int64_t>(selection.layer1.size()) == segment.neurons1;
  const bool all2 = static_cast<int64_t>(selection.layer2.size()) == segment.neurons2;
  if (all1 && !all2) {
    return InvalidArgument(
        "selection: all {} neurons of layer 1 are chosen but only {} of {} of layer 2: the others would have nothing "
        "to "
        "read; choose all of layer 2 or leave a neuron of layer 1",
        segment.neurons1, selection.layer2.size(), segment.neurons2);
  }
  return absl::OkStatus();
}

namespace {

std::vector<int64_t> Complement(const std::vector<int64_t>& chosen, int64_t count) {
  std::vector<int64_t> rest;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::binary_search(chosen.begin(), chosen.end(), i)) rest.push_back(i);
  }
  return rest;
}

// The slices `indices` of `tensor` along `axis` (0 or 1).
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

// Keeps only the output channels `keep` of an affine node (Conv, BatchNormalization): every initializer but the data.
void KeepOutputs(Graph& graph, Node& node, const std::vector<int64_t>& keep) {
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const std::string kept = fmt::format("{}.plaintext.{}", node.output, i);
    graph.initializers[kept] = TakeSlices(graph.initializers.at(node.inputs[i]), 0, keep);
    node.inputs[i] = kept;
  }
}

// Drops what no node reads. A secret weight must not ride along unused.
void DropUnusedInitializers(Graph& graph) {
  std::set<std::string> used;
  for (const auto& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(graph.initializers, [&](const auto& entry) { return !used.contains(entry.first); });
}

// Where the merged layer-2 channels must go so that channel order is the original one: rest channels follow core ones.
std::vector<int64_t> OriginalOrder(const Selection& selection, int64_t neurons) {
  const auto rest = Complement(selection.layer2, neurons);
  std::vector<int64_t> position(static_cast<size_t>(neurons));
  for (size_t i = 0; i < selection.layer2.size(); ++i) position[selection.layer2[i]] = static_cast<int64_t>(i);
  for (size_t i = 0; i < rest.size(); ++i) position[rest[i]] = static_cast<int64_t>(selection.layer2.size() + i);
  return position;
}

}  // namespace

absl::StatusOr<Graph> Separate(const Graph& graph, const QuadraticSegment& segment, const Selection& selection) {
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(segment, selection));
  Graph out = graph;
  Node& conv2 = out.nodes[segment.conv2];
  const std::string name = conv2.inputs[1] + ".separated";
  Tensor weights = out.initializers.at(conv2.inputs[1]);
  const int64_t taps = weights.dim(2) * weights.dim(3);
  for (const int64_t f : Complement(selection.layer2, segment.neurons2)) {
    for (const int64_t c : selection.layer1) {
      std::fill_n(weights.values.begin() + (f * weights.dim(1) + c) * taps, taps, 0.0f);
    }
  }
  out.initializers[name] = std::move(weights);
  conv2.inputs[1] = name;
  DropUnusedInitializers(out);
  return out;
}

absl::StatusOr<Graph> PlaintextRest(const Graph& graph, const QuadraticSegment& segment, const Selection& selection) {
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(segment, selection));
  Graph out = graph;
  const auto rest1 = Complement(selection.layer1, segment.neurons1);
  const auto rest2 = Complement(selection.layer2, segment.neurons2);
  out.inputs.push_back(
      {kSegmentInput,
       {-1, static_cast<int64_t>(selection.layer2.size()), segment.output_shape[1], segment.output_shape[2]}});

  std::vector<size_t> members = {segment.conv1, segment.square, segment.conv2};
  for (const auto& i : {segment.bn1, segment.pool1, segment.bn2, segment.pool2}) {
    if (i) members.push_back(*i);
  }
  const size_t last = *std::max_element(members.begin(), members.end());

  std::vector<Node> merge;
  if (rest2.empty()) {
    // Everything is encrypted: the segment's nodes go, and the new input takes the place of their output.
    for (auto& node : out.nodes) {
      std::replace(node.inputs.begin(), node.inputs.end(), segment.output, std::string(kSegmentInput));
    }
    std::sort(members.rbegin(), members.rend());
    for (const size_t i : members) out.nodes.erase(out.nodes.begin() + static_cast<std::ptrdiff_t>(i));
  } else {
    KeepOutputs(out, out.nodes[segment.conv1], rest1);
    if (segment.bn1) KeepOutputs(out, out.nodes[*segment.bn1], rest1);
    KeepOutputs(out, out.nodes[segment.conv2], rest2);
    if (segment.bn2) KeepOutputs(out, out.nodes[*segment.bn2], rest2);
    Node& conv2 = out.nodes[segment.conv2];
    out.initializers[conv2.inputs[1]] = TakeSlices(out.initializers.at(conv2.inputs[1]), 1, rest1);
    const std::string plain = segment.output + ".plaintext", merged = segment.output + ".merged";
    out.nodes[last].output = plain;
    merge.push_back({"privdnn_merge", Concat{1}, {kSegmentInput, plain}, merged});
    merge.push_back({"privdnn_order", Gather{1, OriginalOrder(selection, segment.neurons2)}, {merged}, segment.output});
    out.nodes.insert(out.nodes.begin() + static_cast<std::ptrdiff_t>(last) + 1, merge.begin(), merge.end());
  }
  DropUnusedInitializers(out);
  PRIVDNN_RETURN_IF_ERROR(InferShapes(out).status());
  return out;
}

}  // namespace privdnn::nn
