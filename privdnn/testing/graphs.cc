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

namespace {

// x (4, 9, 8) -> m4 (8, 3, 3), with m1 (6, 3, 3) on the way.
void AddWindows(Graph& g) {
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
  };
}

// m4 (8, 3, 3) -> m19 (8, 3, 3)
void AddElementwise(Graph& g) {
  g.initializers["divisors"] = {{8, 1, 1}, {1, 2, 0.5f, -1, 3, 0.25f, -0.5f, 4}};
  g.initializers["bounds"] = PatternTensor({8, 1, 1}, 12);
  const std::vector<Node> nodes = {
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
  };
  g.nodes.insert(g.nodes.end(), nodes.begin(), nodes.end());
}

// m19 (8, 3, 3) -> e14 (8, 3, 3)
void AddActivations(Graph& g) {
  g.initializers["slopes"] = PatternTensor({8, 1, 1}, 12);
  const std::vector<Node> nodes = {
      {"prelu", op::PRelu{}, {"m19", "slopes"}, "e1"},
      {"elu", op::Elu{0.5f}, {"e1"}, "e2"},
      {"selu", op::Selu{1.5f, 1.25f}, {"e2"}, "e3"},
      {"gelu", op::Gelu{true}, {"e3"}, "e4"},
      {"softsign", op::Softsign{}, {"e4"}, "e5"},
      {"erf", op::Erf{}, {"e5"}, "e6"},
      {"neg", op::Neg{}, {"e6"}, "e7"},
      {"softplus", op::Softplus{}, {"e7"}, "e8"},  // positive
      {"log", op::Log{}, {"e8"}, "e9"},
      {"exp", op::Exp{}, {"e9"}, "e10"},
      {"pow", op::Pow{-1.5f}, {"e10"}, "e11"},
      {"reciprocal", op::Reciprocal{}, {"e11"}, "e12"},
      {"threshold", op::ThresholdedRelu{0.5f}, {"e12"}, "e13"},
      {"abs", op::Abs{}, {"e13"}, "e14"},
  };
  g.nodes.insert(g.nodes.end(), nodes.begin(), nodes.end());
}

// e14 (8, 3, 3) -> h9 (8, 3, 3)
void AddSampling(Graph& g) {
  auto& init = g.initializers;
  init["wt"] = PatternTensor({8, 2, 3, 2}, 13);
  init["bt"] = PatternTensor({4}, 14);
  init["gn_scale"] = PatternTensor({4}, 15);
  init["gn_bias"] = PatternTensor({4}, 16);
  init["in_scale"] = PatternTensor({4}, 25);
  init["in_bias"] = PatternTensor({4}, 26);
  init["ln_scale"] = PatternTensor({7, 5}, 17);
  init["wd"] = PatternTensor({8, 1, 2, 2}, 18);
  using Resize = op::Resize;
  const std::vector<Node> nodes = {
      {"transposed", op::ConvTranspose{{{3, 2}, {2, 2}, {1, 1, 0, 1}, {1, 2}}, 2, {1, 0}}, {"e14", "wt", "bt"}, "h1"},
      {"layer_norm", op::LayerNormalization{2, 1e-3f}, {"h1", "ln_scale"}, "h2"},  // (4, 7, 5)
      {"group_norm", op::GroupNormalization{2, 1e-3f}, {"h2", "gn_scale", "gn_bias"}, "h3"},
      {"instance_norm", op::GroupNormalization{4, 1e-3f}, {"h3", "in_scale", "in_bias"}, "h4"},
      {"lrn", op::LRN{3, 0.5f, 0.75f, 2}, {"h4"}, "h5"},
      {"linear", Resize{Resize::Mode::kLinear, Resize::Coordinates::kHalfPixel, {}, {4, 9, 6}, {}}, {"h5"}, "h6"},
      {"nearest",
       Resize{
           Resize::Mode::kNearest, Resize::Coordinates::kAsymmetric, Resize::Rounding::kFloor, {8, 9, 9}, {2, 1, 1.5f}},
       {"h6"},
       "h7"},
      {"dilated", op::Conv{{{2, 2}, {1, 1}, {0, 1, 1, 0}, {3, 4}}, 8}, {"h7", "wd"}, "h8"},  // (8, 7, 6)
      {"dilated_max", op::MaxPool{{{2, 2}, {2, 1}, {1, 0, 0, 0}, {2, 3}}}, {"h8"}, "h9"},    // (8, 3, 3)
  };
  g.nodes.insert(g.nodes.end(), nodes.begin(), nodes.end());
}

// h9 (8, 3, 3) -> t18 (8, 3, 3): tokens, with one more, and products of values.
void AddTokens(Graph& g) {
  g.initializers["token"] = PatternTensor({1, 1, 8}, 19);
  const std::vector<Node> nodes = {
      {"maps", op::Reshape{{0, 8, 9}}, {"h9"}, "t1"},
      {"turned", op::Transpose{{0, 2, 1}}, {"t1"}, "t2"},  // (9, 8)
      {"tokens", op::Concat{1}, {"token", "t2"}, "t3"},    // (10, 8)
      {"sums", op::ReduceSum{{2}, true}, {"t3"}, "t4"},
      {"largest", op::ReduceMax{{2}, true}, {"t3"}, "t5"},
      {"smallest", op::ReduceMin{{-1}, true}, {"t3"}, "t6"},
      {"pair", op::Concat{2}, {"t4", "t5", "t6"}, "t7"},  // (10, 3)
      {"log_shares", op::LogSoftmax{1}, {"t7"}, "t8"},    // (10, 3)
      {"keys", op::Transpose{{0, 2, 1}}, {"t8"}, "t9"},   // (3, 10)
      {"product", op::MatMul{}, {"t9", "t3"}, "t10"},     // (3, 8)
      {"tripled", op::Gather{1, {0, 1, 2, 0, 1, 2, 2, 1, 0}}, {"t10"}, "t11"},
      {"slice", op::Slice{1, 1, 9, 3}, {"t11"}, "t12"},       // (3, 8)
      {"together", op::MatMul{}, {"t2", "t1"}, "t13"},        // (9, 9)
      {"rows", op::Slice{1, 0, 3, 1}, {"t13"}, "t14"},        // (3, 9)
      {"columns", op::Transpose{{0, 2, 1}}, {"t12"}, "t15"},  // (8, 3)
      {"mixed", op::MatMul{}, {"t15", "t14"}, "t16"},         // (8, 9)
      {"bounded", op::Tanh{}, {"t16"}, "t17"},
      {"map", op::Reshape{{0, 8, 3, 3}}, {"t17"}, "t18"},
  };
  g.nodes.insert(g.nodes.end(), nodes.begin(), nodes.end());
}

// m1 (6, 3, 3) and t18 (8, 3, 3) -> y (6)
void AddHead(Graph& g) {
  auto& init = g.initializers;
  init["w3"] = PatternTensor({5, 72}, 8);
  init["b3"] = PatternTensor({5}, 9);
  init["w4"] = PatternTensor({5, 6}, 10);
  op::Gemm gemm;
  gemm.alpha = 0.1f;
  gemm.beta = 2;
  gemm.trans_b = true;
  const std::vector<Node> nodes = {
      {"concat", op::Concat{1}, {"m1", "t18"}, "k1"},                        // (14, 3, 3)
      {"gather", op::Gather{-3, {13, 0, -2, 3, 4, 5, 6, 0}}, {"k1"}, "k2"},  // (8, 3, 3)
      {"reshape", op::Reshape{{0, -1, 9}}, {"k2"}, "k3"},                    // (8, 9)
      {"flatten", op::Flatten{1}, {"k3"}, "f1"},                             // (72)
      {"gemm", gemm, {"f1", "w3", "b3"}, "g1"},                              // (5)
      {"matmul", op::MatMul{}, {"g1", "w4"}, "g2"},                          // (6)
      {"softmax", op::Softmax{-1}, {"g2"}, "y"},
  };
  g.nodes.insert(g.nodes.end(), nodes.begin(), nodes.end());
}

}  // namespace

Graph EveryOperatorGraph() {
  Graph g;
  g.name = "every operator";
  g.inputs = {{"x", {-1, 4, 9, 8}}};
  g.outputs = {{"y", {-1, 6}}};
  g.initializers["unused"] = PatternTensor({2, 3}, 11);
  AddWindows(g);
  AddElementwise(g);
  AddActivations(g);
  AddSampling(g);
  AddTokens(g);
  AddHead(g);
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
