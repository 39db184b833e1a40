// ParseSelection, FormatSelection, CheckSelection.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

constexpr char kForms[] = R"("1:0,3;2:5-9;fc1:all" or {"1": [0, 3], "fc1": "all"})";
constexpr char kReportMember[] = "selection";

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// "5-9"
std::optional<std::pair<int64_t, int64_t>> ParseRange(std::string_view text) {
  const size_t dash = text.find('-', 1);
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = ParseInteger(text.substr(0, dash)), last = ParseInteger(text.substr(dash + 1));
  return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

// Foreign text goes into messages shortened.
std::string Quote(std::string_view text) {
  constexpr size_t kMax = 60;
  return text.size() <= kMax ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, kMax));
}

std::string DescribeLayers(const Graph& graph, const std::vector<Layer>& layers) {
  constexpr size_t kMax = 20;
  if (layers.empty()) return "the graph has none";
  std::string text = "there are ";
  for (size_t i = 0; i < std::min(layers.size(), kMax); ++i) {
    const Layer& layer = layers[i];
    text += fmt::format("{}{} ({}, {} neurons)", i == 0 ? "" : ", ", layer.number, Quote(graph.nodes[layer.node].name),
                        layer.neurons);
  }
  return layers.size() <= kMax ? text : text + fmt::format(" and {} more", layers.size() - kMax);
}

// Collects neurons and refuses what isn't there and what comes twice at once: a short text may ask for any number of
// them.
class Collector {
 public:
  explicit Collector(const Graph& graph) : graph_(graph), layers_(FindLayers(graph)) {}

  absl::StatusOr<Layer> FindNumber(int64_t number) const {
    if (number >= 1 && number <= static_cast<int64_t>(layers_.size())) return layers_[static_cast<size_t>(number - 1)];
    return InvalidArgument("selection: no layer {}; {}", number, DescribeLayers(graph_, layers_));
  }
  // A number before a name.
  absl::StatusOr<Layer> Find(std::string_view name) const {
    if (const auto number = ParseInteger(name)) {
      auto layer = FindNumber(*number);
      if (layer.ok()) return layer;
    }
    const auto named = std::find_if(layers_.begin(), layers_.end(),
                                    [&](const Layer& layer) { return graph_.nodes[layer.node].name == name; });
    if (named != layers_.end()) return *named;
    return InvalidArgument("selection: no layer {}; {}", Quote(name), DescribeLayers(graph_, layers_));
  }

  // The same for "*", all layers, and for a range of numbers such as 9-16.
  absl::StatusOr<std::vector<Layer>> FindAll(std::string_view name) const {
    if (name == "*") return layers_;
    const auto range = ParseRange(name);
    const auto one = Find(name);
    if (one.ok() || !range) {
      PRIVDNN_RETURN_IF_ERROR(one.status());
      return std::vector<Layer>{*one};
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Layer first, FindNumber(range->first));
    PRIVDNN_ASSIGN_OR_RETURN(const Layer last, FindNumber(range->second));
    if (last.number < first.number) {
      return InvalidArgument("selection: the range of layers {}-{} is empty", first.number, last.number);
    }
    return std::vector<Layer>(layers_.begin() + (first.number - 1), layers_.begin() + last.number);
  }

  absl::Status Add(const Layer& layer, int64_t first, int64_t last) {
    for (const int64_t neuron : {first, last}) {
      if (neuron >= 0 && neuron < layer.neurons) continue;
      return InvalidArgument("selection: layer {} has neurons 0 to {}, not {}", layer.number, layer.neurons - 1,
                             neuron);
    }
    if (last < first)
      return InvalidArgument("selection: layer {}: the range {}-{} is empty", layer.number, first, last);
    for (int64_t neuron = first; neuron <= last; ++neuron) {
      if (chosen_[layer.number].insert(neuron).second) continue;
      return InvalidArgument("selection: layer {}: neuron {} is named twice", layer.number, neuron);
    }
    return absl::OkStatus();
  }

  Selection Take() const {
    Selection selection;
    for (const auto& [layer, neurons] : chosen_) selection.layers[layer].assign(neurons.begin(), neurons.end());
    return selection;
  }

 private:
  const Graph& graph_;
  const std::vector<Layer> layers_;
  std::map<int64_t, std::set<int64_t>> chosen_;
};

// "0", "5-9", "all"
absl::Status AddPart(const Layer& layer, std::string_view part, Collector& collector) {
  if (part == "all") return collector.Add(layer, 0, layer.neurons - 1);
  const auto neuron = ParseInteger(part);
  if (neuron) return collector.Add(layer, *neuron, *neuron);
  if (const auto range = ParseRange(part)) return collector.Add(layer, range->first, range->second);
  return InvalidArgument("selection: layer {}: {} is not a neuron, a range such as 5-9, or all", layer.number,
                         Quote(part));
}

// Calls `use` with each part of `text` between separators; nothing for an empty text.
template <typename Use>
absl::Status ForEachPart(std::string_view text, char separator, const Use& use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    PRIVDNN_RETURN_IF_ERROR(use(Trimmed(text.substr(0, end))));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return absl::OkStatus();
}

absl::Status ReadShort(std::string_view text, Collector& collector) {
  return ForEachPart(Trimmed(text), ';', [&](std::string_view entry) -> absl::Status {
    if (entry.empty()) return absl::OkStatus();  // behind the last semicolon, or a line of its own
    const size_t colon = entry.rfind(':');       // names of nodes may have colons of their own
    if (colon == std::string_view::npos) {
      return InvalidArgument("selection: {} is not LAYER:NEURON,NEURON,...; write {}", Quote(entry), kForms);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto layers, collector.FindAll(Trimmed(entry.substr(0, colon))));
    if (Trimmed(entry.substr(colon + 1)).empty()) {
      return InvalidArgument("selection: {} names no neurons; write {}", Quote(entry), kForms);
    }
    return ForEachPart(Trimmed(entry.substr(colon + 1)), ',', [&](std::string_view part) -> absl::Status {
      for (const Layer& layer : layers) PRIVDNN_RETURN_IF_ERROR(AddPart(layer, part, collector));
      return absl::OkStatus();
    });
  });
}

absl::Status ReadJsonNeuron(const Layer& layer, const nlohmann::json& index, Collector& collector) {
  if (!index.is_number_integer()) {
    // dump() calls itself for each level of nesting, which the text may have any number of, and throws for what isn't
    // UTF-8.
    const std::string what = index.is_number() ? index.dump() : index.type_name();
    return InvalidArgument("selection: layer {}: {} is not an integer", layer.number, what);
  }
  if (index.is_number_unsigned() && index.get<uint64_t>() > uint64_t{INT64_MAX}) {
    return InvalidArgument("selection: layer {} has neurons 0 to {}, not {}", layer.number, layer.neurons - 1,
                           index.get<uint64_t>());
  }
  return collector.Add(layer, index.get<int64_t>(), index.get<int64_t>());
}

absl::Status ReadJsonNeurons(const Layer& layer, const nlohmann::json& neurons, Collector& collector) {
  if (neurons.is_string() && neurons.get_ref<const std::string&>() == "all") {
    return collector.Add(layer, 0, layer.neurons - 1);
  }
  if (!neurons.is_array()) {
    return InvalidArgument("selection: layer {} is neither a list of neurons nor \"all\"", layer.number);
  }
  for (const auto& index : neurons) PRIVDNN_RETURN_IF_ERROR(ReadJsonNeuron(layer, index, collector));
  return absl::OkStatus();
}

absl::Status ReadJson(const std::string& text, Collector& collector) {
  // The parser keeps the last of several equal keys and says nothing. Keys of the object, and of the one in its member
  // "selection", if it is a report.
  std::set<std::string> keys, inner_keys;
  std::string key, twice, inner_twice;
  const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (event != nlohmann::json::parse_event_t::key || depth > 2) return true;
    const bool inner = depth == 2;
    if (inner && key != kReportMember) return true;
    const auto name = parsed.get<std::string>();
    if (!inner) key = name;
    if (!(inner ? inner_keys : keys).insert(name).second) (inner ? inner_twice : twice) = name;
    return true;
  };
  const auto json = nlohmann::json::parse(text, watch, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidArgument("selection: not a JSON object; write {}", kForms);
  // No layer's neurons are an object.
  const auto member = json.find(kReportMember);
  const bool report = member != json.end() && member->is_object();
  if (!twice.empty()) {
    return InvalidArgument("selection: {} {} is named twice", report ? "member" : "layer", Quote(twice));
  }
  if (report && !inner_twice.empty()) {
    return InvalidArgument("selection: layer {} is named twice", Quote(inner_twice));
  }
  for (const auto& [name, neurons] : (report ? *member : json).items()) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto layers, collector.FindAll(name));
    for (const Layer& layer : layers) PRIVDNN_RETURN_IF_ERROR(ReadJsonNeurons(layer, neurons, collector));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Selection> ParseSelection(const std::string& text, const Graph& graph) {
  Collector collector(graph);
  const size_t start = text.find_first_not_of(" \t\r\n");
  const bool json = start != std::string::npos && text[start] == '{';
  PRIVDNN_RETURN_IF_ERROR(json ? ReadJson(text, collector) : ReadShort(text, collector));
  return collector.Take();
}

std::string FormatSelection(const Selection& selection) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [layer, neurons] : selection.layers) json[std::to_string(layer)] = neurons;
  return json.dump();
}

absl::Status CheckSelection(const Graph& graph, const Selection& selection) {
  Collector collector(graph);
  for (const auto& [number, neurons] : selection.layers) {
    PRIVDNN_ASSIGN_OR_RETURN(const Layer layer, collector.FindNumber(number));
    if (neurons.empty()) return InvalidArgument("selection: layer {} has an empty list of neurons", number);
    for (const int64_t neuron : neurons) PRIVDNN_RETURN_IF_ERROR(collector.Add(layer, neuron, neuron));
    if (!std::is_sorted(neurons.begin(), neurons.end())) {
      return InvalidArgument("selection: the neurons of layer {} do not ascend", number);
    }
  }
  return absl::OkStatus();
}

}  // namespace privdnn
