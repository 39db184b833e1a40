#include "privdnn/testing/networks.h"

#include <algorithm>
#include <cmath>

namespace privdnn {

NetworkBuilder::NetworkBuilder(std::vector<int64_t> image_shape, uint64_t seed) : at("image"), random_(seed) {
  image_shape.insert(image_shape.begin(), -1);
  graph.name = "network";
  graph.inputs = {{"image", std::move(image_shape)}};
}

Tensor NetworkBuilder::Random(std::vector<int64_t> shape, double low, double high) {
  Tensor tensor = Tensor::Zeros(std::move(shape));
  std::uniform_real_distribution<double> value(low, high);
  for (float& v : tensor.values) v = static_cast<float>(value(random_));
  return tensor;
}

std::vector<int64_t> NetworkBuilder::Shape() const {
  Graph probe = graph;
  probe.outputs = graph.inputs;  // any valid output does
  return InferShapes(probe).value().at(at);
}

Window NetworkBuilder::RandomWindow(int64_t kernel, int64_t stride, int64_t pad) {
  const auto shape = Shape();
  Window window;
  for (size_t i = 0; i < 2; ++i) {
    window.kernel[i] = Int(1, std::min(kernel, shape[i + 2]));
    window.strides[i] = Int(1, stride);
    window.pads[i] = Int(0, pad);
    window.pads[i + 2] = Int(0, pad);
  }
  return window;
}

std::string NetworkBuilder::Append(Op op, std::vector<Tensor> parameters, std::vector<std::string> more_inputs) {
  Node node;
  node.name = fmt::format("{}{}", OpName(op), graph.nodes.size());
  node.op = std::move(op);
  node.inputs = {at};
  node.output = node.name + ".out";
  for (size_t i = 0; i < parameters.size(); ++i) {
    node.inputs.push_back(fmt::format("{}.{}", node.name, i + 1));
    graph.initializers[node.inputs.back()] = std::move(parameters[i]);
  }
  node.inputs.insert(node.inputs.end(), more_inputs.begin(), more_inputs.end());
  at = node.output;
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().name;
}

std::string NetworkBuilder::Conv(int64_t neurons, const Window& window, bool bias, int64_t groups) {
  const int64_t inputs = Shape()[1] / groups;
  const double bound = 2 / std::sqrt(static_cast<double>(inputs * window.kernel[0] * window.kernel[1]));
  std::vector<Tensor> parameters = {Random({neurons, inputs, window.kernel[0], window.kernel[1]}, -bound, bound)};
  if (bias) parameters.push_back(Random({neurons}));
  return Append(op::Conv{window, groups}, std::move(parameters));
}

std::string NetworkBuilder::Gemm(int64_t neurons) {
  const int64_t inputs = Shape()[1];
  op::Gemm gemm;
  gemm.alpha = Flip() ? 1 : 0.5f;
  gemm.beta = Flip() ? 1 : -2.0f;
  gemm.trans_b = Flip();
  const double bound = 2 / std::sqrt(static_cast<double>(inputs));
  std::vector<int64_t> shape = {inputs, neurons};
  if (gemm.trans_b) std::swap(shape[0], shape[1]);
  std::vector<Tensor> parameters = {Random(shape, -bound, bound)};
  const std::vector<std::vector<int64_t>> forms = {{neurons}, {1, neurons}, {}, {1}, {1, 1}};
  const auto form = static_cast<size_t>(Int(0, 6));
  if (form < forms.size()) parameters.push_back(Random(forms[form]));
  return Append(gemm, std::move(parameters));
}

std::string NetworkBuilder::MatMul(int64_t neurons) {
  const int64_t inputs = Shape()[1];
  const double bound = 2 / std::sqrt(static_cast<double>(inputs));
  return Append(op::MatMul{}, {Random({inputs, neurons}, -bound, bound)});
}

std::string NetworkBuilder::BatchNorm() {
  const int64_t channels = Shape()[1];
  return Append(op::BatchNormalization{1e-3f},
                {Random({channels}), Random({channels}), Random({channels}), Random({channels}, 0.5, 2)});
}

std::string NetworkBuilder::Arithmetic() {
  const auto shape = Shape();
  std::vector<std::vector<int64_t>> forms = {{}, {1}, {shape[1]}};
  if (shape.size() == 4) forms.back() = {shape[1], 1, 1};
  if (shape.size() == 4) forms.push_back({1, shape[1], 1, 1});
  const std::vector<int64_t> form = forms[static_cast<size_t>(Int(0, static_cast<int64_t>(forms.size()) - 1))];
  const auto kind = Int(0, 3);
  if (kind == 3) return Append(op::Div{}, {Random(form, 0.5, 2)});
  const std::string name = Append(kind == 0   ? Op(op::Add{})
                                  : kind == 1 ? Op(op::Sub{})
                                              : Op(op::Mul{}),
                                  {Random(form)});
  if (Flip()) std::swap(graph.nodes.back().inputs[0], graph.nodes.back().inputs[1]);
  return name;
}

Graph NetworkBuilder::Finish() {
  auto shape = Shape();
  shape[0] = -1;
  graph.outputs = {{at, std::move(shape)}};
  return graph;
}

namespace {

// Nodes that are affine in each channel, and one that may make maps smaller.
void AddAffine(NetworkBuilder& b) {
  const bool map = b.Shape().size() == 4;
  if (b.Int(0, 5) == 0) b.Append(op::Dropout{});
  for (int64_t i = b.Int(0, 2); i > 0; --i) {
    switch (b.Int(0, map ? 3 : 1)) {
      case 0:
        b.BatchNorm();
        break;
      case 1:
        b.Arithmetic();
        break;
      default:
        b.Pool(b.RandomWindow(3, 2, 0));
    }
  }
}

// A pool whose windows tile the map, so that padding behind it is exact.
void AddTilingPool(NetworkBuilder& b) {
  const auto shape = b.Shape();
  const int64_t side = shape[2] % 2 == 0 && shape[3] % 2 == 0 ? 2 : 1;
  b.Pool({{side, side}, {side, side}, {}});
}

void AddActivation(NetworkBuilder& b) {
  if (b.Int(0, 4) == 0) {
    b.Append(op::Relu{});
  } else {
    b.Append(op::Square{});
  }
}

// Two convolutions of one value, added: a square before them is read twice.
void AddBranches(NetworkBuilder& b) {
  const int64_t neurons = b.Int(1, 4);
  if (b.Flip()) AddTilingPool(b);
  const std::string start = b.at;
  b.Conv(neurons, {{3, 3}, {2, 2}, {1, 1, 1, 1}});
  if (b.Flip()) b.BatchNorm();
  const std::string left = b.at;
  b.at = start;
  b.Conv(neurons, {{1, 1}, {2, 2}, {}}, false);
  b.Append(op::Add{}, {}, {left});
}

// Holes in the window where it fits; each channel alone, or pairs of groups.
void AddSpreadConvolution(NetworkBuilder& b, Window window) {
  const auto shape = b.Shape();
  for (size_t i = 0; i < 2; ++i) {
    if (b.Flip() && 2 * window.kernel[i] - 1 <= shape[i + 2]) window.dilations[i] = 2;
  }
  const int64_t groups = b.Flip() ? shape[1] : shape[1] % 2 == 0 ? 2 : 1;
  b.Conv(groups * b.Int(1, 2), window, b.Flip(), groups);
}

void AddConvolution(NetworkBuilder& b, bool spread) {
  if (b.Int(0, 3) == 0) AddTilingPool(b);
  if (b.Int(0, 3) == 0) b.Append(op::Pad{{0, 0, b.Int(0, 1), 1, 0, 0, 1, b.Int(0, 1)}, 0});
  const Window window = b.RandomWindow(3, 2, 1);
  if (spread) return AddSpreadConvolution(b, window);
  b.Conv(b.Int(1, 4), window, b.Flip());
}

}  // namespace

Graph RandomNetwork(uint64_t seed, bool spread) {
  NetworkBuilder b({1, 1, 1}, seed);
  b.graph.inputs[0].shape = {-1, b.Int(1, 3), b.Int(6, 12), b.Int(6, 12)};
  for (int64_t layers = b.Int(1, 3); layers > 0; --layers) {
    if (b.Int(0, 3) == 0) {
      AddBranches(b);
    } else {
      AddConvolution(b, spread);
    }
    AddAffine(b);
    AddActivation(b);
    if (b.Int(0, 3) == 0) AddAffine(b);
  }
  if (b.Flip()) {
    b.Append(op::Flatten{1});
  } else {
    b.Append(op::Reshape{{0, -1}});
  }
  for (int64_t layers = b.Int(1, 2); layers > 0; --layers) {
    if (b.Flip()) {
      b.Gemm(b.Int(1, 5));
    } else {
      b.MatMul(b.Int(1, 5));
    }
    AddAffine(b);
    if (layers > 1) AddActivation(b);
  }
  return b.Finish();
}

Selection RandomSelection(const Graph& graph, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto layers = FindLayers(graph);
  Selection selection;
  while (selection.layers.empty()) {
    for (const Layer& layer : layers) {
      if (random() % 2 == 0) continue;
      const bool all = random() % 3 == 0;
      std::vector<int64_t> neurons;
      for (int64_t i = 0; i < layer.neurons; ++i) {
        if (all || random() % 2 == 0) neurons.push_back(i);
      }
      if (!neurons.empty()) selection.layers[layer.number] = std::move(neurons);
    }
  }
  return selection;
}

}  // namespace privdnn
