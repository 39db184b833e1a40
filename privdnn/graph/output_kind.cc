#include "privdnn/graph/output_kind.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "privdnn/graph/edit.h"

namespace privdnn {
namespace {

constexpr const char* kMetadata = "privdnn.output";
constexpr std::array<std::pair<OutputKind, const char*>, 5> kNames{{{OutputKind::kClasses, "classes"},
                                                                    {OutputKind::kBinary, "binary"},
                                                                    {OutputKind::kMultiLabel, "multi-label"},
                                                                    {OutputKind::kRegression, "regression"},
                                                                    {OutputKind::kMap, "map"}}};

// Numbers an image of an output that is (N), (N, K) or (N, K, 1, 1); nothing for a map.
std::optional<int64_t> Columns(const std::vector<int64_t>& shape) {
  if (shape.size() == 1) return 1;
  if (std::any_of(shape.begin() + 2, shape.end(), [](int64_t d) { return d != 1; })) return std::nullopt;
  return shape[1];
}

// Whether a value is what a Sigmoid computes, seen through what only changes its shape.
bool IsSigmoid(const Graph& graph, const std::string& value) {
  const Node* node = graph.Producer(value);
  while (node != nullptr &&
         (std::holds_alternative<op::Flatten>(node->op) || std::holds_alternative<op::Reshape>(node->op))) {
    node = graph.Producer(node->inputs[0]);
  }
  return node != nullptr &&
         (std::holds_alternative<op::Sigmoid>(node->op) || std::holds_alternative<op::HardSigmoid>(node->op));
}

OutputKind KindByGraph(const Graph& graph) {
  const ValueInfo& output = graph.outputs[0];
  const auto columns = Columns(output.shape);
  if (!columns) return OutputKind::kMap;
  const bool sigmoid = IsSigmoid(graph, output.name);
  if (*columns == 1) return sigmoid ? OutputKind::kBinary : OutputKind::kRegression;
  return sigmoid ? OutputKind::kMultiLabel : OutputKind::kClasses;
}

}  // namespace

std::string OutputKindName(OutputKind kind) {
  return std::ranges::find(kNames, kind, &std::pair<OutputKind, const char*>::first)->second;
}

absl::StatusOr<OutputKind> FindOutputKind(const Graph& graph) {
  if (graph.outputs.empty()) return InvalidArgument("the network has no output");
  const auto said = graph.metadata.find(kMetadata);
  if (said == graph.metadata.end()) return KindByGraph(graph);
  const auto named = std::ranges::find_if(kNames, [&](const auto& entry) { return said->second == entry.second; });
  if (named != kNames.end()) return named->first;
  return InvalidArgument(
      "metadata {} is '{}', which is no kind of output (classes, binary, multi-label, regression, map)", kMetadata,
      said->second);
}

absl::StatusOr<Graph> WithScores(const Graph& graph, OutputKind kind) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  if (graph.outputs.empty()) return InvalidArgument("the network has no output");
  const ValueInfo output = graph.outputs[0];
  const auto columns = Columns(output.shape);
  const auto refused = [&](const std::string& why) {
    return InvalidArgument("the network's output '{}' of shape ({}) {}", output.name, fmt::join(output.shape, ", "),
                           why);
  };
  if (!columns || kind == OutputKind::kMap) {
    return refused("holds a map for each image; predictions of one label or a row of numbers are supported");
  }
  if (kind == OutputKind::kBinary && *columns != 1) return refused("is not one number an image, as a binary output is");
  if (kind == OutputKind::kClasses && *columns < 2) return refused("has no scores of two classes or more");
  GraphEditor back(graph);
  if (output.shape.size() == 1) {
    back.AddBehind("as_column", op::Reshape{{0, 1}}, {output.name}, {-1, 1});
  } else if (output.shape.size() > 2) {
    back.AddBehind("as_row", op::Flatten{1}, {output.name}, {-1, *columns});
  }
  const bool probabilities = kind == OutputKind::kBinary || kind == OutputKind::kMultiLabel;
  if (probabilities && !IsSigmoid(graph, output.name))
    back.AddBehind("probability", op::Sigmoid{}, {back.output()}, {-1, *columns});
  if (kind == OutputKind::kBinary) {
    const std::string p = back.output();
    back.AddBehind("other", op::Sub{}, {back.AddConstant("one", {{1}, {1.0f}}), p}, {-1, 1});
    back.AddBehind("scores", op::Concat{1}, {back.output(), p}, {-1, 2});
    kind = OutputKind::kClasses;
  }
  Graph result = std::move(back).Take();
  result.metadata.erase(kMetadata);
  if (KindByGraph(result) != kind) result.metadata[kMetadata] = OutputKindName(kind);
  return result;
}

}  // namespace privdnn
