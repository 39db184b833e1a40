#include "privdnn/attack/obfuscate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <span>

#include "privdnn/attack/retrain.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

constexpr int64_t kMaxKernel = 15;
constexpr int64_t kCalibrationBatch = 100;

// Whether a layer's weights have its neurons in the second dimension.
bool NeuronsInColumns(const Node& node) {
  const auto* gemm = std::get_if<op::Gemm>(&node.op);
  return std::holds_alternative<op::MatMul>(node.op) || (gemm != nullptr && !gemm->trans_b);
}

Tensor Transposed(const Tensor& matrix) {
  Tensor result = Tensor::Zeros({matrix.dim(1), matrix.dim(0)});
  for (int64_t i = 0; i < matrix.dim(0); ++i) {
    for (int64_t j = 0; j < matrix.dim(1); ++j) {
      result.values[static_cast<size_t>(j * matrix.dim(0) + i)] =
          matrix.values[static_cast<size_t>(i * matrix.dim(1) + j)];
    }
  }
  return result;
}

// What takes a node's place: with the same input and output.
struct NewLayer {
  Node node;
  Tensor weights;
  std::optional<Tensor> bias;
};

void Apply(const NewLayer& layer, size_t at, Graph& graph) {
  graph.nodes[at] = layer.node;
  graph.initializers[layer.node.inputs[1]] = layer.weights;
  if (layer.bias) graph.initializers[layer.node.inputs[2]] = *layer.bias;
}

// The bias of a layer, a number a neuron; nullopt if it has none and can't have one.
std::optional<std::vector<double>> Bias(const Graph& graph, const Node& node, int64_t neurons) {
  if (std::holds_alternative<op::MatMul>(node.op)) return std::nullopt;
  std::vector<double> bias(static_cast<size_t>(neurons));
  if (node.inputs.size() < 3) return bias;
  const std::vector<float>& values = graph.initializers.at(node.inputs[2]).values;
  const auto* gemm = std::get_if<op::Gemm>(&node.op);
  const double factor = gemm == nullptr ? 1 : gemm->beta;
  for (size_t f = 0; f < bias.size(); ++f) bias[f] = factor * values[values.size() == 1 ? 0 : f];
  return bias;
}

std::string FreshName(const Graph& graph, std::string name) {
  while (graph.initializers.contains(name) || graph.Producer(name) != nullptr) name += "_";
  return name;
}

// Secret kernels of neurons[i] over neurons[j]: values[(i * per_output + j) * side * side + y * side + x], where j
// counts all neurons, or is 0 and means i.
struct SecretKernels {
  int64_t side;
  bool mix;
  std::vector<double> values;
};

// Weights (F, C, h, w) with rows of core neurons composed with the kernels, others in the middle.
Tensor Compose(const Tensor& weights, const std::vector<int64_t>& neurons, const SecretKernels& secret,
               const std::array<int64_t, 2>& strides) {
  const int64_t channels = weights.dim(1), height = weights.dim(2), width = weights.dim(3), side = secret.side;
  Tensor result =
      Tensor::Zeros({weights.dim(0), channels, height + strides[0] * (side - 1), width + strides[1] * (side - 1)});
  // Adds `factor` times row `from`, moved by (y, x) steps of the output, to row `to`.
  const auto add = [&](int64_t from, int64_t to, int64_t y, int64_t x, double factor) {
    for (int64_t line = 0; line < channels * height; ++line) {
      const int64_t c = line / height, a = line % height + strides[0] * y;
      const float* source = &weights.values[static_cast<size_t>((from * channels * height + line) * width)];
      const int64_t start = ((to * channels + c) * result.dim(2) + a) * result.dim(3) + strides[1] * x;
      for (int64_t b = 0; b < width; ++b) {
        result.values[static_cast<size_t>(start + b)] += static_cast<float>(factor * source[b]);
      }
    }
  };
  for (int64_t f = 0; f < weights.dim(0); ++f) {
    if (!std::ranges::binary_search(neurons, f)) add(f, f, (side - 1) / 2, (side - 1) / 2, 1);
  }
  auto factor = secret.values.begin();
  for (const int64_t to : neurons) {
    for (const int64_t from : secret.mix ? neurons : std::vector<int64_t>{to}) {
      for (int64_t place = 0; place < side * side; ++place) add(from, to, place / side, place % side, *factor++);
    }
  }
  return result;
}

// Of each channel of a value, over images and positions.
struct Moments {
  std::vector<double> mean, deviation;
};

absl::StatusOr<Moments> MeasureMoments(const Graph& graph, const std::string& value, const ImageSet& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph part, Extract(graph, {value}));
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(part));
  std::vector<double> sums, squares;
  double count = 0;
  for (int64_t begin = 0; begin < images.count; begin += kCalibrationBatch) {
    const int64_t end = std::min(begin + kCalibrationBatch, images.count);
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run({{part.inputs[0].name, images.Batch(begin, end)}}));
    const Tensor& batch = outputs.at(value);
    const auto channels = static_cast<size_t>(batch.dim(1));
    const size_t positions = batch.values.size() / static_cast<size_t>(batch.dim(0)) / channels;
    sums.resize(channels);
    squares.resize(channels);
    for (size_t i = 0; i < batch.values.size(); ++i) {
      const double v = batch.values[i];
      sums[i / positions % channels] += v;
      squares[i / positions % channels] += v * v;
    }
    count += static_cast<double>(end - begin) * static_cast<double>(positions);
  }
  Moments moments;
  for (size_t c = 0; c < sums.size(); ++c) {
    moments.mean.push_back(sums[c] / count);
    moments.deviation.push_back(std::sqrt(std::max(0.0, squares[c] / count - moments.mean[c] * moments.mean[c])));
  }
  return moments;
}

// Node `at` with its core neurons composed with secret kernels, at the mean and deviation that they had.
absl::StatusOr<NewLayer> ComposeLayer(const Graph& graph, size_t at, const std::vector<int64_t>& neurons,
                                      const SecretKernels& secret, const ImageSet& calibration) {
  const Node& node = graph.nodes[at];
  NewLayer layer{node, graph.initializers.at(node.inputs[1]), std::nullopt};
  const bool columns = NeuronsInColumns(node);
  if (columns) layer.weights = Transposed(layer.weights);
  const std::vector<int64_t> shape = layer.weights.shape;
  layer.weights.shape.resize(4, 1);
  auto* conv = std::get_if<op::Conv>(&layer.node.op);
  layer.weights =
      Compose(layer.weights, neurons, secret, conv == nullptr ? std::array<int64_t, 2>{1, 1} : conv->window.strides);
  if (conv != nullptr) {
    Window& window = conv->window;
    window.kernel = {layer.weights.dim(2), layer.weights.dim(3)};
    for (size_t i = 0; i < 4; ++i) window.pads[i] += window.strides[i % 2] * (secret.side - 1) / 2;
  } else {
    layer.weights.shape = shape;
  }
  auto bias = Bias(graph, node, shape[0]);

  // Measured without what comes before or behind, which isn't obfuscated yet.
  Graph changed = graph;
  NewLayer raw = layer;
  if (columns) raw.weights = Transposed(raw.weights);
  Apply(raw, at, changed);
  PRIVDNN_ASSIGN_OR_RETURN(const Moments before, MeasureMoments(graph, node.output, calibration));
  PRIVDNN_ASSIGN_OR_RETURN(const Moments after, MeasureMoments(changed, node.output, calibration));
  const size_t row = layer.weights.values.size() / static_cast<size_t>(shape[0]);
  for (const int64_t neuron : neurons) {
    const auto f = static_cast<size_t>(neuron);
    const double scale = after.deviation[f] > 0 ? before.deviation[f] / after.deviation[f] : 1;
    for (float& weight : std::span(layer.weights.values).subspan(f * row, row)) {
      weight = static_cast<float>(weight * scale);
    }
    if (bias) (*bias)[f] = before.mean[f] - scale * (after.mean[f] - (*bias)[f]);
  }
  if (columns) layer.weights = Transposed(layer.weights);
  if (bias) {
    if (node.inputs.size() < 3) layer.node.inputs.push_back(FreshName(graph, node.inputs[1] + ".bias"));
    if (auto* gemm = std::get_if<op::Gemm>(&layer.node.op)) gemm->beta = 1;
    layer.bias = Tensor{{shape[0]}, std::vector<float>(bias->begin(), bias->end())};
  }
  return layer;
}

// The nodes that a value reaches; with `stop_at`, no further than those.
std::set<size_t> Reached(const Graph& graph, const std::string& value, const std::set<size_t>& stop_at) {
  std::set<std::string> values{value};
  std::set<size_t> nodes;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (std::ranges::none_of(node.inputs, [&](const std::string& input) { return values.contains(input); })) continue;
    nodes.insert(i);
    if (!stop_at.contains(i)) values.insert(node.output);
  }
  return nodes;
}

absl::StatusOr<SecretKernels> DrawKernels(const Node& node, const Segment& segment, const ObfuscateOptions& options,
                                          RandomSource& random) {
  const auto* spread = std::get_if<op::Conv>(&node.op);
  const bool conv = spread != nullptr;
  if (conv && (spread->groups != 1 || spread->window.dilations != Window{}.dilations)) {
    return InvalidArgument("layer {} ('{}'): a Conv with groups or dilations is not composed with secret kernels",
                           segment.layer_number, node.name);
  }
  SecretKernels secret{conv ? options.kernel : 1, options.mix, {}};
  const size_t neurons = segment.neurons.size();
  if (secret.side == 1 && (!secret.mix || neurons == 1)) {
    return InvalidArgument(
        "layer {} ('{}', {}) has {} core neuron{} and no kernel to compose them with{}: nothing but signs would change",
        segment.layer_number, node.name, conv ? "kernel 1" : "fully connected", neurons, neurons == 1 ? "" : "s",
        neurons == 1 ? "" : ", and is not to mix them");
  }
  secret.values = SymmetricUniforms<double>(
      neurons * (secret.mix ? neurons : 1) * static_cast<size_t>(secret.side * secret.side), random);
  return secret;
}

}  // namespace

absl::StatusOr<ObfuscatedNetwork> Obfuscate(const Graph& graph, const Selection& selection, const ImageSet& calibration,
                                            const ObfuscateOptions& options, RandomSource& random) {
  if (options.kernel < 1 || options.kernel > kMaxKernel || options.kernel % 2 == 0) {
    return InvalidArgument("secret kernels of side {}: must be odd, from 1 to {}", options.kernel, kMaxKernel);
  }
  if (calibration.count < 1) return InvalidArgument("there is no image to measure outputs on");
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  const std::vector<Layer> layers = FindLayers(graph);
  std::set<size_t> layer_nodes, own_nodes;
  for (const Layer& layer : layers) layer_nodes.insert(layer.node);
  for (const Segment& segment : segments) {
    own_nodes.insert(segment.first_nodes.begin(), segment.first_nodes.end());
    own_nodes.insert(segment.layer_nodes.begin(), segment.layer_nodes.end());
  }

  ObfuscatedNetwork network{separated, {}, {}, 0};
  std::set<size_t> trained;
  WeightFlags renewed;
  for (const Segment& segment : segments) {
    const size_t at = layers[static_cast<size_t>(segment.layer_number - 1)].node;
    const Node& node = separated.nodes[at];
    const std::set<size_t> behind = Reached(separated, segment.output, {});
    if (std::ranges::none_of(behind, [&](size_t i) { return layer_nodes.contains(i); })) {
      return InvalidArgument(
          "layer {} ('{}'): there is no layer behind it that could learn to read other neurons; leave it out of the "
          "selection",
          segment.layer_number, node.name);
    }
    trained.insert(behind.begin(), behind.end());
    for (const size_t i : Reached(separated, segment.output, layer_nodes)) {
      if (!options.renew || !layer_nodes.contains(i) || own_nodes.contains(i)) continue;
      for (const std::string& input : separated.nodes[i].inputs) {
        const auto weights = separated.initializers.find(input);
        if (weights == separated.initializers.end()) continue;
        renewed[input] = std::vector<bool>(weights->second.values.size(), true);
      }
    }
    PRIVDNN_ASSIGN_OR_RETURN(const SecretKernels secret, DrawKernels(node, segment, options, random));
    PRIVDNN_ASSIGN_OR_RETURN(const NewLayer layer, ComposeLayer(separated, at, segment.neurons, secret, calibration));
    Apply(layer, at, network.graph);
    ObfuscatedLayer report{segment.layer_number,
                           static_cast<int64_t>(segment.neurons.size()),
                           static_cast<int64_t>(secret.values.size()),
                           {1, 1},
                           {1, 1}};
    if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
      report.kernel_before.assign(conv->window.kernel.begin(), conv->window.kernel.end());
      report.kernel_after = {layer.weights.dim(2), layer.weights.dim(3)};
    }
    network.layers.push_back(std::move(report));
  }
  std::array<uint64_t, 1> seed{};
  random.Fill(std::span<uint64_t>(seed));
  network.graph = Reinitialize(std::move(network.graph), renewed, seed[0]);
  network.renewed = CountFlags(renewed);
  for (size_t i = 0; i < network.graph.nodes.size(); ++i) {
    if (trained.contains(i)) continue;
    for (const std::string& input : network.graph.nodes[i].inputs) {
      if (network.graph.initializers.contains(input)) network.rates[input] = {0};
    }
  }
  return network;
}

}  // namespace privdnn
