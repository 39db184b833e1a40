#include "privdnn/onnx/sharing.h"

#include <algorithm>
#include <functional>
#include <set>

namespace privdnn {
namespace {

// A place that reads an initializer: an input of a node.
using Place = std::string*;

bool IsWeights(const Node& node, size_t input) {
  if (std::holds_alternative<op::MatMul>(node.op)) return true;
  return input == 1 &&
         (std::holds_alternative<op::Conv>(node.op) || std::holds_alternative<op::ConvTranspose>(node.op) ||
          std::holds_alternative<op::Gemm>(node.op));
}

bool HasOneValue(const Tensor& tensor) {
  return std::ranges::adjacent_find(tensor.values, std::not_equal_to<>()) == tensor.values.end();
}

std::set<std::string> AllValues(const Graph& graph) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : graph.initializers) names.insert(name);
  for (const ValueInfo& input : graph.inputs) names.insert(input.name);
  for (const Node& node : graph.nodes) names.insert(node.output);
  return names;
}

}  // namespace

absl::Status SeparateInitializers(Graph& graph, ConstantBudget& budget) {
  std::map<std::string, std::vector<Place>> readers;
  std::set<std::string> weights;
  for (Node& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!graph.initializers.contains(node.inputs[i])) continue;
      readers[node.inputs[i]].push_back(&node.inputs[i]);
      if (IsWeights(node, i)) weights.insert(node.inputs[i]);
    }
  }
  std::set<std::string> names = AllValues(graph);
  for (const auto& [name, places] : readers) {
    const Tensor& tensor = graph.initializers.at(name);
    if (places.size() == 1 || (weights.contains(name) && !HasOneValue(tensor))) continue;
    for (size_t i = 1, suffix = 2; i < places.size(); ++i) {
      PRIVDNN_RETURN_IF_ERROR(Annotate(budget.Take(tensor.size(), sizeof(float)),
                                       fmt::format("initializer '{}', read in {} places", name, places.size())));
      std::string copy;
      do copy = fmt::format("{}_{}", name, suffix++);
      while (!names.insert(copy).second);
      graph.initializers[copy] = tensor;
      *places[i] = copy;
    }
  }
  return absl::OkStatus();
}

}  // namespace privdnn
