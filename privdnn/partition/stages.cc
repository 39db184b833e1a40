// Names of what PlaintextRest adds, and SplitStages.
#include <algorithm>
#include <charconv>
#include <set>

#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// As many as the largest model file holds (kMaxModelBytes).
constexpr int64_t kMaxCopiedValues = int64_t{1} << 28;

constexpr std::string_view kSegment = "privdnn_segment_", kShortcut = "privdnn_shortcut_", kFeed = "privdnn_feed_";

// k in prefix + k, as the names are written; nullopt for any other name.
std::optional<size_t> NumberBehind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  size_t k = 0;
  const auto result = std::from_chars(name.data(), name.data() + name.size(), k);
  if (result.ec != std::errc() || fmt::format("{}", k) != name) return std::nullopt;
  return k;
}

std::optional<size_t> SegmentOfInput(std::string_view name) {
  const auto k = NumberBehind(kSegment, name);
  return k ? k : NumberBehind(kShortcut, name);
}

// Every segment has its input, and no input or feed belongs to a segment that isn't there.
absl::Status CheckNames(const Graph& rest, size_t segments) {
  std::set<size_t> present;
  for (const ValueInfo& input : rest.inputs) {
    if (const auto k = NumberBehind(kSegment, input.name)) present.insert(*k);
    const auto k = SegmentOfInput(input.name);
    if (k && *k >= segments) {
      return InvalidArgument("graph '{}': input '{}' belongs to no segment; there are {}", rest.name, input.name,
                             segments);
    }
  }
  for (const ValueInfo& output : rest.outputs) {
    const auto k = NumberBehind(kFeed, output.name);
    if (k && *k >= segments) {
      return InvalidArgument("graph '{}': output '{}' belongs to no segment; there are {}", rest.name, output.name,
                             segments);
    }
  }
  if (present.size() == segments) return absl::OkStatus();
  return InvalidArgument("graph '{}': has the inputs of {} segments, needs those of {}", rest.name, present.size(),
                         segments);
}

class Splitter {
 public:
  Splitter(const Graph& rest, const Shapes& shapes, size_t segments)
      : rest_(rest), shapes_(shapes), segments_(segments), stage_of_(rest.nodes.size(), segments) {
    for (size_t i = 0; i < rest.nodes.size(); ++i) producers_[rest.nodes[i].output] = i;
  }

  absl::StatusOr<std::vector<Graph>> Split() && {
    for (size_t k = 0; k < segments_; ++k) Claim(k);
    std::vector<Graph> stages(segments_ + 1);
    for (size_t k = 0; k < stages.size(); ++k) stages[k].name = fmt::format("{} stage {}", rest_.name, k);
    for (size_t i = 0; i < rest_.nodes.size(); ++i) {
      PRIVDNN_RETURN_IF_ERROR(AddNode(rest_.nodes[i], stage_of_[i], stages));
    }
    for (const ValueInfo& output : rest_.outputs) {
      const auto k = NumberBehind(kFeed, output.name);
      Give(output.name, k ? *k : segments_, stages);
    }
    return stages;
  }

 private:
  // Puts what feed k is computed from, as far as no earlier stage has it, into stage k.
  void Claim(size_t k) {
    std::vector<std::string> wanted = {FeedOutputName(k)};
    while (!wanted.empty()) {
      const auto producer = producers_.find(wanted.back());
      wanted.pop_back();
      if (producer == producers_.end() || stage_of_[producer->second] != segments_) continue;
      stage_of_[producer->second] = k;
      const Node& node = rest_.nodes[producer->second];
      wanted.insert(wanted.end(), node.inputs.begin(), node.inputs.end());
    }
  }

  absl::Status AddNode(const Node& node, size_t k, std::vector<Graph>& stages) {
    for (const std::string& value : node.inputs) {
      if (const auto segment = SegmentOfInput(value); segment && *segment >= k) {
        return InvalidArgument("node '{}': reads '{}' for the input of segment {}, which comes first", node.name, value,
                               k);
      }
      const auto constant = rest_.initializers.find(value);
      if (constant != rest_.initializers.end()) {
        if (stages[k].initializers.insert(*constant).second) copied_ += constant->second.size();
        // A weight that several stages read is copied; a small file must not make many large ones.
        if (copied_ > kMaxCopiedValues) {
          return InvalidArgument("node '{}': stages hold more than {} weights between them", node.name,
                                 kMaxCopiedValues);
        }
      } else {
        Take(value, k, stages);
      }
    }
    stages[k].nodes.push_back(node);
    return absl::OkStatus();
  }

  // Makes a value of the graph available to stage k.
  void Take(const std::string& value, size_t k, std::vector<Graph>& stages) {
    const auto producer = producers_.find(value);
    if (producer != producers_.end() && stage_of_[producer->second] == k) return;
    if (!taken_.emplace(k, value).second) return;
    stages[k].inputs.push_back(Info(value));
    if (producer != producers_.end()) Give(value, stage_of_[producer->second], stages);
  }

  // Makes a value an output of stage k.
  void Give(const std::string& value, size_t k, std::vector<Graph>& stages) {
    const auto producer = producers_.find(value);
    if (producer == producers_.end() || stage_of_[producer->second] != k) Take(value, k, stages);
    if (given_.emplace(k, value).second) stages[k].outputs.push_back(Info(value));
  }

  ValueInfo Info(const std::string& value) const {
    std::vector<int64_t> shape = shapes_.at(value);
    shape[0] = -1;
    return {value, std::move(shape)};
  }

  const Graph& rest_;
  const Shapes& shapes_;
  const size_t segments_;
  std::vector<size_t> stage_of_;  // of each node
  std::map<std::string, size_t> producers_;
  std::set<std::pair<size_t, std::string>> taken_, given_;
  int64_t copied_ = 0;  // values of initializers
};

}  // namespace

std::string SegmentInputName(size_t k) { return fmt::format("{}{}", kSegment, k); }
std::string ShortcutInputName(size_t k) { return fmt::format("{}{}", kShortcut, k); }
std::string FeedOutputName(size_t k) { return fmt::format("{}{}", kFeed, k); }
bool IsSegmentInput(const std::string& name) { return SegmentOfInput(name).has_value(); }

absl::StatusOr<std::vector<Graph>> SplitStages(const Graph& rest, size_t segments) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(rest));
  PRIVDNN_RETURN_IF_ERROR(CheckNames(rest, segments));
  return Splitter(rest, shapes, segments).Split();
}

}  // namespace privdnn
