#include "privdnn/graph/normalization.h"

#include "privdnn/graph/shapes.h"

namespace privdnn {

Normalization Normalization::Inverse() const {
  Normalization inverse;
  for (size_t c = 0; c < mean.size(); ++c) {
    inverse.mean.push_back(-mean[c] / deviation[c]);
    inverse.deviation.push_back(1 / deviation[c]);
  }
  return inverse;
}

namespace {

// The one node that reads the graph's input, if it can take the normalisation.
absl::StatusOr<size_t> FindFirstConvolution(const Graph& graph, size_t channels) {
  PRIVDNN_RETURN_IF_ERROR(CheckOneInput(graph));
  const ValueInfo& input = graph.inputs[0];
  const std::vector<size_t> consumers = graph.Consumers(input.name);
  if (consumers.size() != 1 || (!graph.outputs.empty() && graph.outputs[0].name == input.name)) {
    return InvalidArgument("{} nodes read the graph's input '{}', normalisation needs 1", consumers.size(), input.name);
  }
  const Node& node = graph.nodes[consumers[0]];
  const auto* conv = std::get_if<op::Conv>(&node.op);
  auto error = [&](const absl::Status& status) { return NodeError(node.name, OpName(node.op), status); };
  if (conv == nullptr)
    return error(InvalidArgument("reads the graph's input; normalisation can be folded into a Conv only"));
  if (conv->window.pads != std::array<int64_t, 4>{}) {
    return error(InvalidArgument("is padded: normalisation cannot be folded into it"));
  }
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (graph.Consumers(node.inputs[i]).size() != 1) {
      return error(
          InvalidArgument("shares '{}' with another node: normalisation cannot be folded into it", node.inputs[i]));
    }
  }
  if (input.shape[1] != static_cast<int64_t>(channels)) {
    return InvalidArgument("the graph's input has {} channels, the data {}", input.shape[1], channels);
  }
  return consumers[0];
}

}  // namespace

absl::StatusOr<Graph> FoldNormalization(const Graph& graph, const Normalization& normalization) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  PRIVDNN_ASSIGN_OR_RETURN(const size_t index, FindFirstConvolution(graph, normalization.mean.size()));
  Graph folded = graph;
  Node& node = folded.nodes[index];
  Tensor& weights = folded.initializers.at(node.inputs[1]);
  const auto filters = static_cast<size_t>(weights.dim(0)), inputs = static_cast<size_t>(weights.dim(1));
  if (node.inputs.size() == 2) {
    std::string name = node.name + ".bias";
    while (folded.initializers.contains(name) || folded.Producer(name) != nullptr || name == folded.inputs[0].name)
      name += "_";
    folded.initializers[name] = Tensor::Zeros({weights.dim(0)});
    node.inputs.push_back(name);
  }
  Tensor& bias = folded.initializers.at(node.inputs[2]);
  const auto taps = static_cast<size_t>(weights.dim(2) * weights.dim(3));
  const size_t filters_per_group = filters / static_cast<size_t>(std::get<op::Conv>(node.op).groups);
  for (size_t f = 0; f < filters; ++f) {
    double shift = 0;
    for (size_t c = 0; c < inputs; ++c) {
      const size_t channel = f / filters_per_group * inputs + c;
      for (size_t t = 0; t < taps; ++t) {
        float& w = weights.values[(f * inputs + c) * taps + t];
        const double scaled = static_cast<double>(w) / normalization.deviation[channel];
        shift += scaled * normalization.mean[channel];
        w = static_cast<float>(scaled);
      }
    }
    bias.values[f] = static_cast<float>(static_cast<double>(bias.values[f]) - shift);
  }
  return folded;
}

std::array<int64_t, 4> FirstPadding(const Graph& graph) {
  if (graph.inputs.size() != 1) return {};
  const std::vector<size_t> consumers = graph.Consumers(graph.inputs[0].name);
  if (consumers.size() != 1) return {};
  const auto* conv = std::get_if<op::Conv>(&graph.nodes[consumers[0]].op);
  return conv == nullptr ? std::array<int64_t, 4>{} : conv->window.pads;
}

Graph WithFirstPadding(Graph graph, const std::array<int64_t, 4>& pads) {
  const std::array<int64_t, 4> before = FirstPadding(graph);
  if (before == pads) return graph;
  ValueInfo& input = graph.inputs[0];
  std::get<op::Conv>(graph.nodes[graph.Consumers(input.name)[0]].op).window.pads = pads;
  input.shape[2] += before[0] + before[2] - pads[0] - pads[2];
  input.shape[3] += before[1] + before[3] - pads[1] - pads[3];
  return graph;
}

}  // namespace privdnn
