#include "privdnn/testing/graphs.h"

#include <cmath>

namespace privdnn {

Tensor PatternTensor(std::vector<int64_t> shape, int salt) {
  Tensor tensor = Tensor::Zeros(std::move(shape));
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    tensor.values[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + 1.3 * salt));
  }
  return tensor;
}

Graph EveryOperatorGraph() {
  Graph g;
  g.name = "every operator";
  g.inputs = {{"x", {-1, 4, 9, 8}}};
  g.outputs = {{"y", {-1, 6}}};
  auto& init = g.initializers;
  init["w1"] = PatternTensor({6, 2, 3, 2}, 1);
  init["b1"] = PatternTensor({6}, 2);
  init["scale"] = PatternTensor({6}, 3);
  init["shift"] = PatternTensor({6}, 4);
  init["mean"] = PatternTensor({6}, 5);
  init["variance"] = {{6}, {1, 2, 0.5f, 1, 3, 0.25f}};
  init["w2"] = PatternTensor({6, 6, 1, 1}, 6);
  init["planes"] = PatternTensor({6, 1, 1}, 7);
  init["scalar"] = {{}, {0.125f}};
  init["one"] = {{1}, {1}};
  init["divisors"] = {{8, 1, 1}, {1, 2, 0.5f, -1, 3, 0.25f, -0.5f, 4}};
  init["bounds"] = PatternTensor({8, 1, 1}, 12);
  init["w3"] = PatternTensor({5, 72}, 8);
  init["b3"] = PatternTensor({5}, 9);
  init["w4"] = PatternTensor({5, 6}, 10);
  init["unused"] = PatternTensor({2, 3}, 11);
  op::Gemm gemm;
  gemm.alpha = 0.1f;
  gemm.beta = 2;
  gemm.trans_b = true;
  g.nodes = {
      {"quantize", op::FakeQuantize{0.0625f, 3, true}, {"x"}, "q1"},
      {"conv1", op::Conv{{{3, 2}, {2, 1}, {1, 0, 2, 1}}, 2}, {"q1", "w1", "b1"}, "c1"},            // (6, 5, 8)
      {"bn1", op::BatchNormalization{1e-3f}, {"c1", "scale", "shift", "mean", "variance"}, "n1"},  // (6, 5, 8)
      {"average", op::AveragePool{{{2, 2}, {1, 1}, {0, 0, 1, 1}}, true}, {"n1"}, "a1"},            // (6, 5, 8)
      {"square", op::Square{}, {"a1"}, "s1"},
      {"conv2", op::Conv{{{1, 1}, {1, 1}, {}}, 1}, {"s1", "w2"}, "c2"},
      {"residual", op::Add{}, {"c2", "a1"}, "r1"},
      {"relu", op::Relu{}, {"r1"}, "r2"},
      {"planes", op::Add{}, {"planes", "r2"}, "p1"},
      {"scalar", op::Add{}, {"p1", "scalar"}, "p2"},
      {"max", op::MaxPool{{{3, 3}, {2, 3}, {1, 1, 1, 1}}}, {"p2"}, "m1"},                  // (6, 3, 3)
      {"average2", op::AveragePool{{{3, 3}, {1, 1}, {1, 1, 1, 1}}, false}, {"m1"}, "m2"},  // (6, 3, 3)
      {"channels", op::Pad{{0, 2, 0, 0, 0, 0, 0, 0}, 0.5f}, {"m2"}, "m3"},                 // (8, 3, 3)
      {"negative", op::Sub{}, {"one", "m3"}, "m4"},
      {"sigmoid", op::Sigmoid{}, {"m4"}, "m5"},
      {"tanh", op::Tanh{}, {"m4"}, "m6"},
      {"gate", op::Mul{}, {"m5", "m6"}, "m7"},
      {"scaled", op::Div{}, {"m7", "divisors"}, "m8"},
      {"leaky", op::LeakyRelu{0.1f}, {"m8"}, "m9"},
      {"clip", op::Clip{-0.25f, 0.75f}, {"m9"}, "m10"},
      {"hard", op::HardSigmoid{0.3f, 0.4f}, {"m10"}, "m11"},
      {"swish", op::HardSwish{}, {"m11"}, "m12"},
      {"dropout", op::Dropout{0.25f}, {"m12"}, "m13"},
      {"upper", op::Max{}, {"m13", "bounds"}, "m14"},
      {"lower", op::Min{}, {"m14", "m4"}, "m15"},
      {"squares", op::Square{}, {"m15"}, "m16"},
      {"root", op::Sqrt{}, {"m16"}, "m17"},
      {"row_mean", op::ReduceMean{{-1, 2}, true}, {"m17"}, "m18"},
      {"centred", op::Sub{}, {"m17", "m18"}, "m19"},
      {"concat", op::Concat{1}, {"m1", "m19"}, "k1"},                        // (14, 3, 3)
      {"gather", op::Gather{-3, {13, 0, -2, 3, 4, 5, 6, 0}}, {"k1"}, "k2"},  // (8, 3, 3)
      {"reshape", op::Reshape{{0, -1, 9}}, {"k2"}, "k3"},                    // (8, 9)
      {"flatten", op::Flatten{1}, {"k3"}, "f1"},                             // (72)
      {"gemm", gemm, {"f1", "w3", "b3"}, "g1"},                              // (5)
      {"matmul", op::MatMul{}, {"g1", "w4"}, "g2"},                          // (6)
      {"softmax", op::Softmax{-1}, {"g2"}, "y"},
  };
  return g;
}

Graph SingleNodeGraph(std::vector<int64_t> image_shape, Op op, std::map<std::string, Tensor> parameters,
                      std::vector<std::string> inputs, std::vector<int64_t> output_shape) {
  image_shape.insert(image_shape.begin(), -1);
  output_shape.insert(output_shape.begin(), -1);
  Graph g;
  g.name = "single";
  g.inputs = {{"x", std::move(image_shape)}};
  g.outputs = {{"y", std::move(output_shape)}};
  g.initializers = std::move(parameters);
  g.nodes = {{"node", std::move(op), std::move(inputs), "y"}};
  return g;
}

}  // namespace privdnn
