// Random two-layer models for tests: every mixture of strides, pads, pools, batch norms and biases that lifting takes.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include "privdnn/partition/partition.h"

namespace privdnn {

struct TestModelShape {
  int64_t channels = 1, height = 9, width = 9, neurons1 = 3, neurons2 = 4;
  Window conv1, pool1, conv2, pool2;  // pools of 1x1 are left out
  bool bn1 = false, bn2 = false, bias = true;
};

class TestModelBuilder {
 public:
  explicit TestModelBuilder(uint64_t seed) : random_(seed) {}

  int64_t Int(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  float Real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }

  Tensor RandomTensor(std::vector<int64_t> shape, float low, float high) {
    Tensor t = Tensor::Zeros(std::move(shape));
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
  Graph Build(const TestModelShape& s) {
    Graph g;
    g.name = "test";
    g.inputs = {{"input", {-1, s.channels, s.height, s.width}}};
    std::string at = Layer(g, "1", "input", s.channels, s.neurons1, s.conv1, s.bn1, s.bias, s.pool1);
    g.nodes.push_back({"square", op::Square{}, {at}, "squared"});
    at = Layer(g, "2", "squared", s.neurons1, s.neurons2, s.conv2, s.bn2, s.bias, s.pool2);
    g.nodes.push_back({"relu", op::Relu{}, {at}, "rectified"});
    g.nodes.push_back({"flatten", op::Flatten{1}, {"rectified"}, "flat"});
    int64_t h = s.height, w = s.width;
    for (const Window& win : {s.conv1, s.pool1, s.conv2, s.pool2}) {
      h = (h + win.pads[0] + win.pads[2] - win.kernel[0]) / win.strides[0] + 1;
      w = (w + win.pads[1] + win.pads[3] - win.kernel[1]) / win.strides[1] + 1;
    }
    g.outputs = {{"flat", {-1, s.neurons2 * h * w}}};
    return g;
  }

 private:
  Window RandomWindow(int64_t max_kernel, int64_t max_stride, int64_t max_pad) {
    Window w;
    w.kernel = {Int(1, max_kernel), Int(1, max_kernel)};
    w.strides = {Int(1, max_stride), Int(1, max_stride)};
    for (int64_t& p : w.pads) p = Int(0, max_pad);
    return w;
  }

  std::string Layer(Graph& g, const std::string& n, const std::string& from, int64_t inputs, int64_t outputs,
                    const Window& conv, bool bn, bool bias, const Window& pool) {
    g.initializers["w" + n] = RandomTensor({outputs, inputs, conv.kernel[0], conv.kernel[1]}, -1, 1);
    Node node{"conv" + n, op::Conv{conv, 1}, {from, "w" + n}, "u" + n};
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
          {"bn" + n, op::BatchNormalization{}, {at, "gamma" + n, "beta" + n, "mean" + n, "var" + n}, "n" + n});
      at = "n" + n;
    }
    if (pool.kernel != std::array<int64_t, 2>{1, 1} || pool.strides != std::array<int64_t, 2>{1, 1}) {
      g.nodes.push_back({"pool" + n, op::AveragePool{pool, false}, {at}, "p" + n});
      at = "p" + n;
    }
    return at;
  }

  std::mt19937_64 random_;
};

// A random proper selection of layers 1 and 2: some of layer 1, some of layer 2, never all of layer 1 without all of
// layer 2.
inline Selection RandomSelection(TestModelBuilder& builder, const Graph& graph) {
  const auto layers = FindLayers(graph);
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
  Selection s;
  if (!first.empty()) s.layers[1] = first;
  s.layers[2] = second;
  return s;
}

}  // namespace privdnn
