// Random two-layer models for tests: every mixture of strides, pads, pools, batch norms and biases that lifting takes.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include "nn/partition.h"

namespace privdnn {

struct TestModelShape {
  int64_t channels = 1, height = 9, width = 9, neurons1 = 3, neurons2 = 4;
  nn::Window conv1, pool1, conv2, pool2;  // pools of 1x1 are left out
  bool bn1 = false, bn2 = false, bias = true;
};

class TestModelBuilder {
 public:
  explicit TestModelBuilder(uint64_t seed) : random_(seed) {}

  int64_t Int(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  float Real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }

  nn::Tensor RandomTensor(std::vector<int64_t> shape, float low, float high) {
    nn::Tensor t = nn::Tensor::Zeros(std::move(shape));
    for (float& v : t.values) v = Real(low, high);
    return t;
  }

  TestModelShape RandomShape() {
    TestModelShape s;
    s.channels = Int(1, 2);
    s.height = Int(9, 14);
    s.width = Int(9, 14);
    s.neurons1 = Int(1, 4);
    s.neurons2 = Int(1, 4);
    s.conv1 = RandomWindow(3, 2, 1);
    s.pool1 = RandomWindow(2, 2, 0);
    s.conv2 = RandomWindow(2, 2, 1);
    s.pool2 = RandomWindow(2, 2, 0);
    s.bn1 = Int(0, 1) != 0;
    s.bn2 = Int(0, 1) != 0;
    s.bias = Int(0, 1) != 0;
    return s;
  }

  // input -> conv1 [bn] [pool] square conv2 [bn] [pool] -> relu -> flatten -> logits (3 classes)
  nn::Graph Build(const TestModelShape& s) {
    nn::Graph g;
    g.name = "test";
    g.inputs = {{"input", {-1, s.channels, s.height, s.width}}};
    std::string at = Layer(g, "1", "input", s.channels, s.neurons1, s.conv1, s.bn1, s.bias, s.pool1);
    g.nodes.push_back({"square", nn::Square{}, {at}, "squared"});
    at = Layer(g, "2", "squared", s.neurons1, s.neurons2, s.conv2, s.bn2, s.bias, s.pool2);
    g.nodes.push_back({"relu", nn::Relu{}, {at}, "rectified"});
    g.nodes.push_back({"flatten", nn::Flatten{1}, {"rectified"}, "flat"});
    int64_t h = s.height, w = s.width;
    for (const nn::Window& win : {s.conv1, s.pool1, s.conv2, s.pool2}) {
      h = (h + win.pads[0] + win.pads[2] - win.kernel[0]) / win.strides[0] + 1;
      w = (w + win.pads[1] + win.pads[3] - win.kernel[1]) / win.strides[1] + 1;
    }
    g.outputs = {{"flat", {-1, s.neurons2 * h * w}}};
    return g;
  }

 private:
  nn::Window RandomWindow(int64_t max_kernel, int64_t max_stride, int64_t max_pad) {
    nn::Window w;
    w.kernel = {Int(1, max_kernel), Int(1, max_kernel)};
    w.strides = {Int(1, max_stride), Int(1, max_stride)};
    for (int64_t& p : w.pads) p = Int(0, max_pad);
    return w;
  }

  std::string Layer(nn::Graph& g, const std::string& n, const std::string& from, int64_t inputs, int64_t outputs,
                    const nn::Window& conv, bool bn, bool bias, const nn::Window& pool) {
    g.initializers["w" + n] = RandomTensor({outputs, inputs, conv.kernel[0], conv.kernel[1]}, -1, 1);
    nn::Node node{"conv" + n, nn::Conv{conv, 1}, {from, "w" + n}, "u" + n};
    if (bias) {
      g.initializers["b" + n] = RandomTensor({outputs}, -1, 1);
      node.inputs.push_back("b" + n);
    }
    g.nodes.push_back(node);
    std::string at = "u" + n;
    if (bn) {
      g.initializers["gamma" + n] = RandomTensor({outputs}, -2, 2);
      g.initializers["beta" + n] = RandomTensor({outputs}, -1, 1);
      g.initializers["mean" + n] = RandomTensor({outputs}, -1, 1);
      g.initializers["var" + n] = RandomTensor({outputs}, 0.5, 2);
      g.nodes.push_back(
          {"bn" + n, nn::BatchNormalization{}, {at, "gamma" + n, "beta" + n, "mean" + n, "var" + n}, "n" + n});
      at = "n" + n;
    }
    if (pool.kernel != std::array<int64_t, 2>{1, 1} || pool.strides != std::array<int64_t, 2>{1, 1}) {
      g.nodes.push_back({"pool" + n, nn::AveragePool{pool, false}, {at}, "p" + n});
      at = "p" + n;
    }
    return at;
  }

  std::mt19937_64 random_;
};

// A random proper selection of layers 1 and 2: some of layer 1, some of layer 2, never all of layer 1 without all of
// layer 2.
inline nn::Selection RandomSelection(TestModelBuilder& builder, const nn::Graph& graph) {
  const auto layers = nn::FindLayers(graph);
  const int64_t neurons1 = layers[0].neurons, neurons2 = layers[1].neurons;
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < neurons2; ++i) {
    if (builder.Int(0, 1) != 0) second.push_back(i);
  }
  if (second.empty()) second.push_back(builder.Int(0, neurons2 - 1));
  for (int64_t i = 0; i < neurons1; ++i) {
    if (builder.Int(0, 1) != 0) first.push_back(i);
  }
  const bool all1 = static_cast<int64_t>(first.size()) == neurons1;
  if (all1 && static_cast<int64_t>(second.size()) < neurons2) first.pop_back();
  nn::Selection s;
  if (!first.empty()) s.layers[1] = first;
  s.layers[2] = second;
  return s;
}

}  // namespace privdnn
