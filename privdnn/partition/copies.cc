#include "privdnn/partition/copies.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>

#include "privdnn/partition/fold_layer.h"

namespace privdnn {
namespace {

constexpr size_t kLeastDistinct = 5;

// A mixer of 64 bits: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Copies may be rounded: to 16-bit floats of either kind, which changes nothing of a value that is rounded already.
using Rounding = float (*)(float);

// Rounds to nearest, to a fraction without the last `bits` of a float's 23.
template <int bits>
float RoundFraction(float v) {
  const auto word = std::bit_cast<uint32_t>(v);
  const uint32_t half = (1u << (bits - 1)) - 1 + ((word >> bits) & 1);
  return std::bit_cast<float>((word + half) & ~((1u << bits) - 1));
}
// To IEEE 754's binary16; what is too large for it stays.
float ToHalf(float v) {
  constexpr float kLeastNormal = 0x1p-14f, kUlpIsLeast = 0.75f;  // whose last bit counts 2^-24
  return std::fabs(v) < kLeastNormal ? (v + kUlpIsLeast) - kUlpIsLeast : RoundFraction<13>(v);
}
float ToBfloat(float v) { return RoundFraction<16>(v); }
float AsItIs(float v) { return v; }
constexpr Rounding kRoundings[] = {AsItIs, ToHalf, ToBfloat};

// For each index of an axis a sum over its rounded values, in any order.
std::vector<uint64_t> Sums(const Tensor& tensor, size_t axis, Rounding round) {
  size_t inner = 1;
  for (size_t i = axis + 1; i < tensor.shape.size(); ++i) inner *= static_cast<size_t>(tensor.dim(i));
  const auto extent = static_cast<size_t>(tensor.dim(axis));
  std::vector<uint64_t> sums(extent);
  size_t at = 0;
  for (size_t outer = 0; outer < tensor.values.size() / (extent * inner); ++outer) {
    for (uint64_t& sum : sums) {
      for (size_t i = 0; i < inner; ++i) sum += Mix(std::bit_cast<uint32_t>(round(tensor.values[at++]) + 0.0f) + 1);
    }
  }
  return sums;
}

// The chosen neurons of a layer.
struct Core {
  const Node* node;
  const Tensor* weights;
  size_t axis;  // of the neurons
  std::vector<int64_t> neurons;
  // By rounding: neurons of each sum.
  std::array<std::unordered_map<uint64_t, std::vector<int64_t>>, std::size(kRoundings)> sums = {};

  int64_t fan_in() const { return weights->size() / weights->dim(axis); }
};

// The weights of a neuron, or any slice of a constant along an axis, in order.
std::vector<float> SliceOf(const Tensor& w, size_t axis, int64_t index) {
  int64_t inner = 1;
  for (size_t i = axis + 1; i < w.shape.size(); ++i) inner *= w.dim(i);
  std::vector<float> values;
  for (int64_t start = index * inner; start < w.size(); start += w.dim(axis) * inner) {
    values.insert(values.end(), w.values.begin() + start, w.values.begin() + start + inner);
  }
  return values;
}

// Whether weights, rounded like this, are enough to tell a neuron from others. Rounded ones of dead neurons are all
// alike.
bool SaysSomething(const std::vector<float>& weights, Rounding round) {
  const bool exact = round == AsItIs;
  const size_t least = exact ? std::min(kLeastDistinct, weights.size()) : kLeastDistinct;
  std::set<float> distinct;
  float largest = 0;
  for (const float w : weights) {
    distinct.insert(round(w));
    largest = std::max(largest, std::fabs(w));
  }
  constexpr float kLeastNormalHalf = 0x1p-14f;
  return least > 1 && distinct.size() >= least && (exact || largest >= kLeastNormalHalf);
}

Core FindCore(const Graph& graph, const Layer& layer, const std::vector<int64_t>& neurons) {
  const Node& node = graph.nodes[layer.node];
  Core core{&node, &graph.initializers.at(node.inputs[1]), WeightAxes(node.op).first, neurons};
  for (size_t r = 0; r < std::size(kRoundings); ++r) {
    const std::vector<uint64_t> sums = Sums(*core.weights, core.axis, kRoundings[r]);
    for (const int64_t neuron : neurons) {
      if (SaysSomething(SliceOf(*core.weights, core.axis, neuron), kRoundings[r]))
        core.sums[r][sums[static_cast<size_t>(neuron)]].push_back(neuron);
    }
  }
  return core;
}

// How many neurons of a core have their weights in slices of a constant along an axis, slices in `hidden` left out.
size_t CountCopies(const Core& core, const Tensor& constant, size_t axis, const std::vector<int64_t>& hidden) {
  std::set<int64_t> found;
  for (size_t r = 0; r < std::size(kRoundings); ++r) {
    const std::vector<uint64_t> sums = Sums(constant, axis, kRoundings[r]);
    for (size_t i = 0; i < sums.size(); ++i) {
      const auto own = core.sums[r].find(sums[i]);
      if (own == core.sums[r].end() || std::ranges::binary_search(hidden, static_cast<int64_t>(i))) continue;
      found.insert(own->second.begin(), own->second.end());
    }
  }
  return found.size();
}

// No neuron of the layer that stays plaintext may have the weights of one that doesn't, in the same order.
absl::Status CheckTwins(const Core& core, int64_t layer) {
  std::map<std::vector<float>, int64_t> chosen;
  for (const int64_t neuron : core.neurons) {
    std::vector<float> weights = SliceOf(*core.weights, core.axis, neuron);
    if (weights.size() >= kLeastDistinct && SaysSomething(weights, AsItIs)) chosen.emplace(std::move(weights), neuron);
  }
  for (int64_t neuron = 0; !chosen.empty() && neuron < core.weights->dim(core.axis); ++neuron) {
    if (std::ranges::binary_search(core.neurons, neuron)) continue;
    const auto twin = chosen.find(SliceOf(*core.weights, core.axis, neuron));
    if (twin == chosen.end()) continue;
    return InvalidArgument(
        "layer {}: neuron {}, which is not chosen, has the weights of neuron {}, which is: choose both or neither",
        layer, neuron, twin->second);
  }
  return absl::OkStatus();
}

bool HasOneValue(const Tensor& tensor) {
  return std::ranges::adjacent_find(tensor.values, std::not_equal_to<>()) == tensor.values.end();
}

}  // namespace

absl::Status CheckFoldedNotCopied(const Graph& graph, const std::vector<size_t>& inside) {
  // Whose constants are folded: by their values.
  std::map<std::vector<float>, size_t> folded;
  for (const size_t index : inside) {
    const Node& node = graph.nodes[index];
    const bool layer = LayerNeurons(graph, node).has_value();
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const auto constant = graph.initializers.find(node.inputs[i]);
      if (constant == graph.initializers.end() || (layer && i == 1) || HasOneValue(constant->second)) continue;
      folded.emplace(constant->second.values, index);
    }
  }
  for (size_t index = 0; index < graph.nodes.size() && !folded.empty(); ++index) {
    if (std::ranges::find(inside, index) != inside.end()) continue;
    for (const std::string& input : graph.nodes[index].inputs) {
      const auto constant = graph.initializers.find(input);
      if (constant == graph.initializers.end()) continue;
      const auto found = folded.find(constant->second.values);
      if (found == folded.end()) continue;
      return InvalidArgument(
          "node '{}': its constant has the values of '{}', which node '{}' reads; a network that applies it repeatedly "
          "can't keep it secret",
          graph.nodes[found->second].name, input, graph.nodes[index].name);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNotCopied(const Graph& graph, const std::vector<Layer>& layers, const Selection& selection) {
  std::unordered_map<std::string, Core> cores;  // by their weights
  for (const auto& [number, neurons] : selection.layers) {
    const Layer& layer = layers[static_cast<size_t>(number - 1)];
    const auto [core, added] = cores.emplace(graph.nodes[layer.node].inputs[1], FindCore(graph, layer, neurons));
    PRIVDNN_RETURN_IF_ERROR(CheckTwins(core->second, number));
  }
  for (const Node& reader : graph.nodes) {
    for (const std::string& input : reader.inputs) {
      const auto constant = graph.initializers.find(input);
      if (constant == graph.initializers.end() || constant->second.size() < 2) continue;
      const auto encrypted = cores.find(input);
      for (const auto& [own, core] : cores) {
        for (size_t axis = 0; own != input && axis < constant->second.shape.size(); ++axis) {
          if (constant->second.size() != core.fan_in() * constant->second.dim(axis)) continue;
          if (encrypted != cores.end() && axis != encrypted->second.axis) continue;
          const auto hidden = encrypted == cores.end() ? std::vector<int64_t>() : encrypted->second.neurons;
          const size_t copies = CountCopies(core, constant->second, axis, hidden);
          if (copies == 0 || 2 * copies < core.neurons.size()) continue;
          return InvalidArgument(
              "node '{}': the weights of {} of its {} chosen neurons stand in '{}' too, which node '{}' reads; a "
              "network that applies a weight repeatedly can't keep it secret",
              core.node->name, copies, core.neurons.size(), input, reader.name);
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHidden(const Graph& graph, const Selection& selection) {
  const std::vector<Layer> layers = FindLayers(graph);
  std::vector<size_t> inside;
  for (const auto& [number, neurons] : selection.layers) {
    const size_t index = layers[static_cast<size_t>(number - 1)].node;
    const Node& node = graph.nodes[index];
    inside.push_back(index);
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const std::vector<size_t> readers = graph.Consumers(node.inputs[i]);
      if (!graph.initializers.contains(node.inputs[i]) || readers.size() < 2) continue;
      const size_t other = readers[0] == index ? readers[1] : readers[0];
      return InvalidArgument(
          "node '{}': node '{}' reads its constant '{}' too; a network that applies it repeatedly can't keep it secret",
          node.name, graph.nodes[other].name, node.inputs[i]);
    }
  }
  PRIVDNN_RETURN_IF_ERROR(CheckFoldedNotCopied(graph, inside));
  return CheckNotCopied(graph, layers, selection);
}

}  // namespace privdnn
