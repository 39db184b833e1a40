#include "privdnn/attack/retrain.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <span>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

template <typename... Ops>
bool IsAny(const Op& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}

bool IsArithmetic(const Op& op) { return IsAny<op::Add, op::Sub, op::Mul, op::Div>(op); }

// Whether what a layer gives goes, through nothing but what is affine or keeps signs, into a rectifier.
bool LeadsToRectifier(const Graph& graph, std::string value) {
  for (;;) {
    const std::vector<size_t> readers = graph.Consumers(value);
    if (readers.empty()) return false;
    const Node& node = graph.nodes[readers[0]];
    if (IsAny<op::Relu, op::LeakyRelu, op::PRelu, op::ThresholdedRelu, op::Elu, op::Gelu, op::Clip, op::HardSwish>(
            node.op)) {
      return true;
    }
    const bool passes = IsArithmetic(node.op) ||
                        IsAny<op::BatchNormalization, op::AveragePool, op::MaxPool, op::Flatten, op::Reshape, op::Pad,
                              op::Dropout, op::Concat, op::Gather, op::Transpose, op::Slice, op::FakeQuantize>(node.op);
    if (!passes) return false;
    value = node.output;
  }
}

// Every value that makes a network this one: what layers and batch normalisation read, and constants behind the first
// layer that aren't one number for all neurons. What stands in front of it prepares images, and single numbers are part
// of operators.
WeightFlags AllWeights(const Graph& graph) {
  WeightFlags all;
  std::set<size_t> layers;
  for (const Layer& layer : FindLayers(graph)) layers.insert(layer.node);
  std::set<std::string> behind;  // values behind a layer
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool weighted =
        layers.contains(i) ||
        IsAny<op::BatchNormalization, op::LayerNormalization, op::GroupNormalization, op::PRelu, op::ConvTranspose>(
            node.op);
    const bool follows = std::ranges::any_of(node.inputs, [&](const auto& input) { return behind.contains(input); });
    if (layers.contains(i) || follows) behind.insert(node.output);
    for (const std::string& input : node.inputs) {
      const auto tensor = graph.initializers.find(input);
      if (tensor == graph.initializers.end()) continue;
      const bool constant = IsArithmetic(node.op) && follows && tensor->second.size() > 1;
      if (weighted || constant) all[input] = std::vector<bool>(tensor->second.values.size(), true);
    }
  }
  return all;
}

}  // namespace

Graph Reinitialize(Graph graph, const WeightFlags& which, uint64_t seed) {
  const auto replace = [&](const std::string& name, const auto& value_of) {
    const auto flags = which.find(name);
    if (flags == which.end()) return;
    std::vector<float>& values = graph.initializers.at(name).values;
    for (size_t i = 0; i < values.size(); ++i) {
      if (flags->second[i]) values[i] = value_of(i);
    }
  };
  const std::vector<Layer> layers = FindLayers(graph);
  auto layer = layers.begin();
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& node = graph.nodes[index];
    if (layer != layers.end() && layer->node == index) {
      const Tensor& weights = graph.initializers.at(node.inputs[1]);
      const double fan_in = static_cast<double>(weights.size()) / static_cast<double>(layer->neurons);
      DeterministicRandom random(seed, static_cast<uint64_t>(layer->number) + 1);
      for (size_t i = 1; i < node.inputs.size(); ++i) {
        const bool rectified = i == 1 && LeadsToRectifier(graph, node.output);
        const auto bound = static_cast<float>(std::sqrt((rectified ? 6 : 1) / fan_in));
        const auto initializer = graph.initializers.find(node.inputs[i]);
        if (initializer == graph.initializers.end()) continue;  // a bias that is computed
        const auto uniform = SymmetricUniforms<float>(initializer->second.values.size(), random);
        replace(node.inputs[i], [&](size_t at) { return bound * uniform[at]; });
      }
      ++layer;
    } else if (std::holds_alternative<op::BatchNormalization>(node.op)) {
      for (const size_t i : {1, 4}) replace(node.inputs[i], [](size_t) { return 1.0f; });  // scale, variance
      for (const size_t i : {2, 3}) replace(node.inputs[i], [](size_t) { return 0.0f; });  // shift, mean
    } else if (IsAny<op::LayerNormalization, op::GroupNormalization>(node.op)) {
      replace(node.inputs[1], [](size_t) { return 1.0f; });
      if (node.inputs.size() > 2) replace(node.inputs[2], [](size_t) { return 0.0f; });
    } else if (std::holds_alternative<op::PRelu>(node.op)) {
      replace(node.inputs[1], [](size_t) { return 0.25f; });  // PyTorch's
    } else if (std::holds_alternative<op::ConvTranspose>(node.op)) {
      const double fan_in = static_cast<double>(graph.initializers.at(node.inputs[1]).size()) /
                            static_cast<double>(graph.initializers.at(node.inputs[1]).dim(1));
      DeterministicRandom random(seed, (uint64_t{1} << 32) + index);
      for (size_t i = 1; i < node.inputs.size(); ++i) {
        const auto uniform = SymmetricUniforms<float>(graph.initializers.at(node.inputs[i]).values.size(), random);
        replace(node.inputs[i], [&](size_t at) { return uniform[at] / static_cast<float>(std::sqrt(fan_in)); });
      }
    } else if (IsArithmetic(node.op)) {
      const bool factor = IsAny<op::Mul, op::Div>(node.op);
      for (const std::string& input : node.inputs) replace(input, [&](size_t) { return factor ? 1.0f : 0.0f; });
    }
  }
  return graph;
}

AttackNetwork ScratchNetwork(const Graph& graph, uint64_t seed) {
  const WeightFlags all = AllWeights(graph);
  return {Reinitialize(graph, all, seed), {}, graph.ParameterCount(), CountFlags(all)};
}

absl::StatusOr<AttackNetwork> RecoverNetwork(const Graph& graph, const Selection& selection,
                                             const RecoverOptions& options) {
  if (!(options.known_rate >= 0 && options.known_rate <= 1)) {
    return InvalidArgument("known weights at {} of the learning rate: must be in [0, 1]", options.known_rate);
  }
  PRIVDNN_ASSIGN_OR_RETURN(HiddenWeights hidden, FindHiddenWeights(graph, selection));
  if (options.knows_cut) hidden.cut.clear();
  AttackNetwork network{Reinitialize(graph, hidden.core, options.seed),
                        {},
                        graph.ParameterCount(),
                        CountFlags(hidden.core) + CountFlags(hidden.cut)};
  for (auto& [name, tensor] : network.graph.initializers) {
    const auto core = hidden.core.find(name), cut = hidden.cut.find(name);
    std::vector<float>& rates = network.rates[name];
    if (core == hidden.core.end() && cut == hidden.cut.end()) {
      rates = {static_cast<float>(options.known_rate)};
      continue;
    }
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const bool is_cut = cut != hidden.cut.end() && cut->second[i];
      const bool is_core = core != hidden.core.end() && core->second[i];
      if (is_cut) tensor.values[i] = 0;
      rates.push_back(is_cut || is_core ? 1 : static_cast<float>(options.known_rate));
    }
  }
  return network;
}

absl::StatusOr<AttackNetwork> TransplantNetwork(const Graph& from, const Graph& into, const Selection& selection,
                                                const RecoverOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const HiddenWeights stolen, FindHiddenWeights(from, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const HiddenWeights missing, FindHiddenWeights(into, selection));
  PRIVDNN_ASSIGN_OR_RETURN(AttackNetwork network, RecoverNetwork(into, selection, options));
  for (const auto& [name, flags] : missing.core) {
    const auto same = stolen.core.find(name);
    if (same == stolen.core.end() || same->second != flags) {
      return InvalidArgument("'{}' has other core neurons in the two networks, or another shape", name);
    }
    const std::vector<float>& values = from.initializers.at(name).values;
    for (size_t i = 0; i < flags.size(); ++i) {
      if (flags[i]) network.graph.initializers.at(name).values[i] = values[i];
    }
  }
  return network;
}

absl::StatusOr<ImageSet> DrawSamples(const ImageSet& set, int64_t count, uint64_t seed) {
  if (count < 1 || count > set.count) {
    return InvalidArgument("{} samples of {} images: needs 1 or more, and no more than there are", count, set.count);
  }
  std::vector<int64_t> order(static_cast<size_t>(set.count));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 engine(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[engine() % i]);
  return set.Pick(std::span(order).first(static_cast<size_t>(count)));
}

absl::StatusOr<TrainResult> Retrain(const AttackNetwork& network, const ImageSet& samples, const ImageSet& held_out,
                                    TrainOptions options, const ProgressFn& progress) {
  options.rates = network.rates;
  return Train(network.graph, samples, held_out, options, progress);
}

}  // namespace privdnn
