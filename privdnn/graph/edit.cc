#include "privdnn/graph/edit.h"

#include <algorithm>

namespace privdnn {

GraphEditor::GraphEditor(Graph graph) : graph_(std::move(graph)) {
  for (const Node& node : graph_.nodes) names_.insert({node.name, node.output});
  for (const auto& [name, tensor] : graph_.initializers) names_.insert(name);
  for (const ValueInfo& input : graph_.inputs) names_.insert(input.name);
}

void GraphEditor::AddInFront(const std::string& name, Op op, std::vector<int64_t> shape,
                             std::optional<Tensor> constant) {
  ValueInfo& input = graph_.inputs[0];
  Node node{Unique(name), std::move(op), {input.name}, Unique(input.name + "_" + name)};
  if (constant) node.inputs.push_back(AddConstant(name + "_values", *std::move(constant)));
  for (Node& reader : graph_.nodes) std::ranges::replace(reader.inputs, input.name, node.output);
  graph_.nodes.insert(graph_.nodes.begin(), std::move(node));
  input.shape = std::move(shape);
}

void GraphEditor::AddBehind(const std::string& name, Op op, std::vector<std::string> inputs,
                            std::vector<int64_t> shape) {
  graph_.nodes.push_back({Unique(name), std::move(op), std::move(inputs), Unique(output() + "_" + name)});
  graph_.outputs[0] = {graph_.nodes.back().output, std::move(shape)};
}

std::string GraphEditor::AddConstant(const std::string& name, Tensor tensor) {
  std::string unique = Unique(name);
  graph_.initializers.emplace(unique, std::move(tensor));
  return unique;
}

bool GraphEditor::DropTransposes(const std::vector<int64_t>& permutation) {
  const std::string input = graph_.inputs[0].name;
  const auto drops = [&](const Node& node) -> bool {
    const auto* transpose = std::get_if<op::Transpose>(&node.op);
    const bool leaves = std::ranges::find(graph_.outputs, node.output, &ValueInfo::name) != graph_.outputs.end();
    return transpose != nullptr && node.inputs[0] == input && transpose->permutation == permutation && !leaves;
  };
  std::set<std::string> dropped;
  for (const Node& node : graph_.nodes) {
    if (std::ranges::find(node.inputs, input) == node.inputs.end()) continue;
    if (!drops(node)) return false;
    dropped.insert(node.output);
  }
  std::erase_if(graph_.nodes, drops);
  for (Node& node : graph_.nodes) {
    std::ranges::replace_if(
        node.inputs, [&](const std::string& value) { return dropped.contains(value); }, input);
  }
  return true;
}

std::string GraphEditor::Unique(std::string name) {
  while (!names_.insert(name).second) name += "_";
  return name;
}

}  // namespace privdnn
