#include "privdnn/attack/trainable.h"

#include <algorithm>

#include "privdnn/graph/edit.h"
#include "privdnn/graph/shapes.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// The value that `node`, a Concat of (1 - p, p) with p = Sigmoid(z), is made of: z; empty for any other node.
std::string BinaryLogit(const Graph& graph, const Node& node) {
  if (!std::holds_alternative<op::Concat>(node.op) || node.inputs.size() != 2) return "";
  const Node *other = graph.Producer(node.inputs[0]), *p = graph.Producer(node.inputs[1]);
  const bool is_other = other && std::holds_alternative<op::Sub>(other->op) && other->inputs[1] == node.inputs[1];
  const bool is_p = p && std::holds_alternative<op::Sigmoid>(p->op);
  return is_other && is_p ? p->inputs[0] : "";
}

// Without the Softmax or the Sigmoid at its end.
absl::StatusOr<Graph> WithLogits(const Graph& graph) {
  const Node* last = graph.Producer(graph.outputs[0].name);
  if (last == nullptr) return graph;
  if (std::holds_alternative<op::Softmax>(last->op)) return Extract(graph, {last->inputs[0]});
  const std::string logit = BinaryLogit(graph, *last);
  if (logit.empty()) return graph;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph inner, Extract(graph, {logit}));
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
