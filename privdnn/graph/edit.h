// Puts nodes in front of a graph and behind it. Not installed.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

class GraphEditor {
 public:
  // The graph must have an input and an output.
  explicit GraphEditor(Graph graph);

  const Graph& graph() const { return graph_; }
  // The shape of the first input.
  const std::vector<int64_t>& input_shape() const { return graph_.inputs[0].shape; }
  // The name of the first output.
  const std::string& output() const { return graph_.outputs[0].name; }

  // Lets the first input, under its name, be a value of `shape`; what reads it now reads op(input[, constant]).
  void AddInFront(const std::string& name, Op op, std::vector<int64_t> shape,
                  std::optional<Tensor> constant = std::nullopt);
  // Makes op(inputs), of `shape`, the first output.
  void AddBehind(const std::string& name, Op op, std::vector<std::string> inputs, std::vector<int64_t> shape);
  // Adds an initializer and returns its name.
  std::string AddConstant(const std::string& name, Tensor tensor);
  // If only Transpose nodes by `permutation` read the first input, drops them and lets their readers read the input.
  // Returns whether it did.
  bool DropTransposes(const std::vector<int64_t>& permutation);
  // Exchanges the graph for one with the same names.
  void Replace(Graph graph) { graph_ = std::move(graph); }
  void SetInputShape(std::vector<int64_t> shape) { graph_.inputs[0].shape = std::move(shape); }

  Graph Take() && { return std::move(graph_); }

 private:
  std::string Unique(std::string name);
  Graph graph_;
  std::set<std::string> names_;
};

}  // namespace privdnn
