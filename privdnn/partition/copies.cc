#include "privdnn/partition/copies.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

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

// For each index of an axis a sum over its values, in any order.
std::vector<uint64_t> Sums(const Tensor& tensor, size_t axis) {
  size_t inner = 1;
  for (size_t i = axis + 1; i < tensor.shape.size(); ++i) inner *= static_cast<size_t>(tensor.dim(i));
  const auto extent = static_cast<size_t>(tensor.dim(axis));
  std::vector<uint64_t> sums(extent);
  size_t at = 0;
  for (size_t outer = 0; outer < tensor.values.size() / (extent * inner); ++outer) {
    for (uint64_t& sum : sums) {
      for (size_t i = 0; i < inner; ++i) sum += Mix(std::bit_cast<uint32_t>(tensor.values[at++] + 0.0f) + 1);
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
  std::unordered_map<uint64_t, size_t> sums;  // how many neurons have it

  int64_t fan_in() const { return weights->size() / weights->dim(axis); }
};

bool SaysSomething(const Core& core, int64_t neuron) {
  const Tensor& w = *core.weights;
  int64_t inner = 1;
  for (size_t i = core.axis + 1; i < w.shape.size(); ++i) inner *= w.dim(i);
  const auto least = std::min(kLeastDistinct, static_cast<size_t>(core.fan_in()));
  std::set<float> distinct;
  for (int64_t start = neuron * inner; start < w.size() && distinct.size() < least; start += w.dim(core.axis) * inner) {
    const auto first = w.values.begin() + start;
    distinct.insert(first, first + inner);
  }
  return least > 1 && distinct.size() >= least;
}

Core FindCore(const Graph& graph, const Layer& layer, const std::vector<int64_t>& neurons) {
  const Node& node = graph.nodes[layer.node];
  Core core{&node, &graph.initializers.at(node.inputs[1]), WeightAxes(node.op).first, neurons, {}};
  const std::vector<uint64_t> sums = Sums(*core.weights, core.axis);
  for (const int64_t neuron : neurons) {
    if (SaysSomething(core, neuron)) ++core.sums[sums[static_cast<size_t>(neuron)]];
  }
  return core;
}

// How many neurons of a layer have their weights in slices of a constant along an axis, slices in `hidden` left out.
size_t CountCopies(const Core& core, const Tensor& constant, size_t axis, const std::vector<int64_t>& hidden) {
  const std::vector<uint64_t> sums = Sums(constant, axis);
  std::unordered_set<uint64_t> found;
  for (size_t i = 0; i < sums.size(); ++i) {
    if (!std::ranges::binary_search(hidden, static_cast<int64_t>(i))) found.insert(sums[i]);
  }
  size_t copies = 0;
  for (const uint64_t sum : found) {
    if (const auto own = core.sums.find(sum); own != core.sums.end()) copies += own->second;
  }
  return copies;
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
    cores.emplace(graph.nodes[layer.node].inputs[1], FindCore(graph, layer, neurons));
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

}  // namespace privdnn
