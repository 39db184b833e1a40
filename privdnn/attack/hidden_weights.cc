#include "privdnn/attack/hidden_weights.h"

#include <algorithm>
#include <bit>
#include <set>

namespace privdnn {
namespace {

// Each weight gets a number of its own in place of its value, which the partition copies, cuts to zero or leaves out,
// but never computes with. The smallest normal float is the first; the 2^31 values that a graph has at most stay
// finite.
constexpr uint32_t kFirstNumber = 0x00800000;
float Numbered(size_t i) { return std::bit_cast<float>(kFirstNumber + static_cast<uint32_t>(i)); }
size_t NumberOf(float value) { return std::bit_cast<uint32_t>(value) - kFirstNumber; }

}  // namespace

int64_t CountFlags(const WeightFlags& flags) {
  int64_t count = 0;
  for (const auto& [name, values] : flags) count += std::count(values.begin(), values.end(), true);
  return count;
}

absl::StatusOr<HiddenWeights> FindHiddenWeights(const Graph& graph, const Selection& selection) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, selection));
  Graph numbered = graph;
  size_t count = 0;
  for (auto& [name, tensor] : numbered.initializers) {
    for (float& value : tensor.values) value = Numbered(count++);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(numbered, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(numbered, segments));
  std::vector<bool> visible(count);
  for (const auto& [name, tensor] : rest.initializers) {
    for (const float value : tensor.values) {
      if (value != 0) visible[NumberOf(value)] = true;  // 0: of a channel that a filter in a group no longer reads
    }
  }

  std::set<std::string> read;
  for (const Node& node : graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  HiddenWeights hidden;
  for (const auto& [name, tensor] : numbered.initializers) {
    if (!read.contains(name)) continue;
    const std::vector<float>& kept = separated.initializers.at(name).values;
    std::vector<bool> core(kept.size()), cut(kept.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      cut[i] = kept[i] == 0;
      core[i] = !cut[i] && !visible[NumberOf(tensor.values[i])];
    }
    const auto any = [](const std::vector<bool>& flags) { return std::ranges::find(flags, true) != flags.end(); };
    if (any(core)) hidden.core.emplace(name, std::move(core));
    if (any(cut)) hidden.cut.emplace(name, std::move(cut));
  }
  return hidden;
}

}  // namespace privdnn
