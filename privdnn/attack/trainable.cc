#include "privdnn/attack/trainable.h"

#include <algorithm>

#include "privdnn/graph/edit.h"
#include "privdnn/graph/shapes.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// The node that a value comes from, changes of shape left out.
const Node* Source(const Graph& graph, const std::string& value) {
  const Node* node = graph.Producer(value);
  while (node && (std::holds_alternative<op::Flatten>(node->op) || std::holds_alternative<op::Reshape>(node->op))) {
    node = graph.Producer(node->inputs[0]);
  }
  return node;
}

// What reads the node's result reads its input.
Graph Without(Graph graph, const Node& node) {
  const std::string from = node.output, to = node.inputs[0];
  for (Node& reader : graph.nodes) std::ranges::replace(reader.inputs, from, to);
  for (ValueInfo& output : graph.outputs) {
    if (output.name == from) output.name = to;
  }
  return graph;
}

// The probability p of a Concat of (1 - p, p), as WithScores makes it; empty for anything else.
std::string Probability(const Graph& graph, const Node& node) {
  if (!std::holds_alternative<op::Concat>(node.op) || node.inputs.size() != 2) return "";
  const Node* other = graph.Producer(node.inputs[0]);
  const bool is_other = other && std::holds_alternative<op::Sub>(other->op) && other->inputs[1] == node.inputs[1];
  return is_other ? node.inputs[1] : "";
}

// Without the Softmax or the Sigmoid at its end.
absl::StatusOr<Graph> WithLogits(const Graph& graph) {
  const Node* last = Source(graph, graph.outputs[0].name);
  if (last == nullptr) return graph;
  if (std::holds_alternative<op::Softmax>(last->op)) {
    const Graph without = Without(graph, *last);
    return Extract(without, {without.outputs[0].name});
  }
  const std::string p = Probability(graph, *last);
  const Node* sigmoid = p.empty() ? nullptr : Source(graph, p);
  if (sigmoid == nullptr || !std::holds_alternative<op::Sigmoid>(sigmoid->op)) return graph;
  const std::string logit = p == sigmoid->output ? sigmoid->inputs[0] : p;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph inner, Extract(Without(graph, *sigmoid), {logit}));
  GraphEditor editor(inner);
  const std::string second = editor.AddConstant("second", {{1, 2}, {0.0f, 1.0f}});
  editor.AddBehind("logits", op::Mul{}, {logit, second}, {-1, 2});
  return std::move(editor).Take();
}

}  // namespace

absl::StatusOr<Graph> Trainable(const Graph& graph, const std::vector<int64_t>& picture) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph logits, WithLogits(graph));
  const std::vector<int64_t>& shape = logits.inputs[0].shape;
  const std::vector<int64_t> reads(shape.begin() + 1, shape.end());
  if (reads == picture) return logits;
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t wanted, ElementCount(reads));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t given, ElementCount(picture));
  if (wanted != given) {
    return InvalidArgument("images are {}, the network reads {}", fmt::join(picture, "x"), fmt::join(reads, "x"));
  }
  std::vector<int64_t> target = {0};
  target.insert(target.end(), reads.begin(), reads.end());
  std::vector<int64_t> pictures = {-1};
  pictures.insert(pictures.end(), picture.begin(), picture.end());
  GraphEditor editor(logits);
  editor.AddInFront("as_read", op::Reshape{target}, pictures);
  return std::move(editor).Take();
}

}  // namespace privdnn
