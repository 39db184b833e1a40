#include "privdnn/onnx/order.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace privdnn {
namespace {

enum class State : uint8_t { kNew, kOpen, kDone };

// A walk from readers to what they read, depth first. Nodes that wait for what they read are open.
class Walk {
 public:
  explicit Walk(const onnx::GraphProto& graph) : graph_(graph), states_(static_cast<size_t>(graph.node_size())) {
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const std::string& output : graph.node(i).output()) {
        if (!output.empty()) producers_.emplace(output, i);
      }
    }
  }

  absl::Status From(int node) {
    if (state(node) == State::kNew) Open(node);
    while (!open_.empty()) {
      auto& [reader, next_input] = open_.back();
      const onnx::NodeProto& proto = graph_.node(reader);
      if (next_input == proto.input_size()) {
        state(reader) = State::kDone;
        order_.push_back(reader);
        open_.pop_back();
        continue;
      }
      const auto producer = producers_.find(proto.input(next_input++));
      if (producer == producers_.end()) continue;
      if (state(producer->second) == State::kOpen) return Cycle(producer->second);
      if (state(producer->second) == State::kNew) Open(producer->second);
    }
    return absl::OkStatus();
  }

  std::vector<int> Take() && { return std::move(order_); }

 private:
  struct OpenNode {
    int node, next_input;
  };
  State& state(int node) { return states_[static_cast<size_t>(node)]; }
  void Open(int node) {
    state(node) = State::kOpen;
    open_.push_back({node, 0});
  }

  absl::Status Cycle(int first) const {
    constexpr std::ptrdiff_t kNamed = 8;
    const auto begin = std::ranges::find(open_, first, &OpenNode::node);
    std::vector<std::string> names;
    for (auto it = begin; it != open_.end() && it - begin < kNamed; ++it) {
      names.push_back(fmt::format("'{}'", NameOf(graph_.node(it->node))));
    }
    const std::ptrdiff_t count = open_.end() - begin;
    return InvalidArgument("{} nodes read each other's outputs in a cycle: {}{}", count, fmt::join(names, ", "),
                           count > kNamed ? ", ..." : "");
  }

  const onnx::GraphProto& graph_;
  std::unordered_map<std::string_view, int> producers_;  // of several, which are refused later, the first
  std::vector<State> states_;
  std::vector<OpenNode> open_;
  std::vector<int> order_;
};

}  // namespace

absl::StatusOr<std::vector<int>> ExecutionOrder(const onnx::GraphProto& graph) {
  Walk walk(graph);
  for (int i = 0; i < graph.node_size(); ++i) PRIVDNN_RETURN_IF_ERROR(walk.From(i));
  return std::move(walk).Take();
}

std::string NameOf(const onnx::NodeProto& node) {
  return node.name().empty() && node.output_size() > 0 ? "-> " + node.output(0) : node.name();
}

}  // namespace privdnn
