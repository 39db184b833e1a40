// A neural network as data. This is the project's only graph type and holds no code. torch/executor.h runs it,
// onnx/onnx.h reads and writes it, lifting rewrites it.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Dense, row-major, 32-bit floats. A scalar has an empty shape.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;

  static Tensor Zeros(std::vector<int64_t> shape);
  int64_t dim(size_t axis) const { return shape[axis]; }
  int64_t size() const { return static_cast<int64_t>(values.size()); }
  bool operator==(const Tensor&) const = default;
};
// Returns the product of the dimensions. Fails if one is negative or the product exceeds 2^31.
absl::StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape);

// A sliding window over (height, width).
struct Window {
  std::array<int64_t, 2> kernel{1, 1};
  std::array<int64_t, 2> strides{1, 1};
  std::array<int64_t, 4> pads{0, 0, 0, 0};  // top, left, bottom, right
  bool operator==(const Window&) const = default;
};

// Operators, named as in ONNX; inputs in ONNX's order. Data is NCHW.
namespace op {
struct Conv {
  Window window;
  int64_t groups = 1;
  bool operator==(const Conv&) const = default;
};  // x, W[, B]
struct BatchNormalization {
  float epsilon = 1e-5f;
  bool operator==(const BatchNormalization&) const = default;
};  // x, scale, B, mean, var
struct AveragePool {
  Window window;
  bool count_include_pad = false;
  bool operator==(const AveragePool&) const = default;
};
struct MaxPool {
  Window window;
  bool operator==(const MaxPool&) const = default;
};
struct Relu {
  bool operator==(const Relu&) const = default;
};
struct LeakyRelu {  // x for x >= 0, alpha x below
  float alpha = 0.01f;
  bool operator==(const LeakyRelu&) const = default;
};
struct Clip {  // min <= max
  float min = std::numeric_limits<float>::lowest(), max = std::numeric_limits<float>::max();
  bool operator==(const Clip&) const = default;
};
struct Sigmoid {
  bool operator==(const Sigmoid&) const = default;
};
struct Tanh {
  bool operator==(const Tanh&) const = default;
};
struct HardSigmoid {  // alpha x + beta, clipped to [0, 1]
  float alpha = 0.2f, beta = 0.5f;
  bool operator==(const HardSigmoid&) const = default;
};
struct HardSwish {  // x HardSigmoid(x) with alpha 1/6 and beta 1/2
  bool operator==(const HardSwish&) const = default;
};
struct Square {
  bool operator==(const Square&) const = default;
};  // Mul(x, x) or Pow(x, 2) in ONNX
struct Flatten {
  int64_t axis = 1;
  bool operator==(const Flatten&) const = default;
};
struct Reshape {
  std::vector<int64_t> shape;
  bool operator==(const Reshape&) const = default;
};             // 0 copies, -1 infers
struct Gemm {  // y = alpha A' B' + beta C;  A, B[, C]
  float alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  bool operator==(const Gemm&) const = default;
};
struct MatMul {
  bool operator==(const MatMul&) const = default;
};
// Elementwise operators with NumPy's broadcasting, which must not move the batch. One operand may be an initializer.
struct Add {
  bool operator==(const Add&) const = default;
};
struct Sub {
  bool operator==(const Sub&) const = default;
};
struct Mul {  // of different values; Square is a value times itself
  bool operator==(const Mul&) const = default;
};
struct Div {  // by an initializer without zeros, or by a value
  bool operator==(const Div&) const = default;
};
struct Max {
  bool operator==(const Max&) const = default;
};
struct Min {
  bool operator==(const Min&) const = default;
};
struct Sqrt {
  bool operator==(const Sqrt&) const = default;
};
struct ReduceMean {
  std::vector<int64_t> axes;  // not the batch
  bool keep_dims = true;
  bool operator==(const ReduceMean&) const = default;
};
struct Softmax {
  int64_t axis = -1;
  bool operator==(const Softmax&) const = default;
};
struct Concat {
  int64_t axis = 1;
  bool operator==(const Concat&) const = default;
};
struct Gather {
  int64_t axis = 1;
  std::vector<int64_t> indices;
  bool operator==(const Gather&) const = default;
};                            // constant indices
struct Pad {                  // with a constant; no cropping
  std::vector<int64_t> pads;  // pads before each dimension, then pads after each; 0 for the batch
  float value = 0;
  bool operator==(const Pad&) const = default;
};
struct Dropout {       // inference: the identity. Training: zero with probability `ratio`, else divided by 1 - ratio
  float ratio = 0.5f;  // [0, 1)
  bool operator==(const Dropout&) const = default;
};
struct FakeQuantize {  // to 8-bit integers and back: scale (clamp(round(x / scale) + zero_point) - zero_point),
  float scale = 1;     // halves to even; QuantizeLinear and DequantizeLinear in ONNX
  int64_t zero_point = 0;
  bool is_signed = false;  // clamped to [-128, 127], else to [0, 255]
  int64_t min() const { return is_signed ? -128 : 0; }
  int64_t max() const { return is_signed ? 127 : 255; }
  bool operator==(const FakeQuantize&) const = default;
};

}  // namespace op

using Op =
    std::variant<op::Conv, op::BatchNormalization, op::AveragePool, op::MaxPool, op::Relu, op::LeakyRelu, op::Clip,
                 op::Sigmoid, op::Tanh, op::HardSigmoid, op::HardSwish, op::Square, op::Flatten, op::Reshape, op::Gemm,
                 op::MatMul, op::Add, op::Sub, op::Mul, op::Div, op::Max, op::Min, op::Sqrt, op::ReduceMean,
                 op::Softmax, op::Concat, op::Gather, op::Pad, op::Dropout, op::FakeQuantize>;
// "Conv", "BatchNormalization", ...
std::string OpName(const Op& op);

struct Node {
  std::string name;
  Op op;
  std::vector<std::string> inputs;  // values: graph inputs, initializers or outputs of earlier nodes
  std::string output;
  bool operator==(const Node&) const = default;
};

// A graph input or output. The batch dimension, first, is -1.
struct ValueInfo {
  std::string name;
  std::vector<int64_t> shape;
  bool operator==(const ValueInfo&) const = default;
};

struct Graph {
  std::string name;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<Node> nodes;  // in execution order
  std::map<std::string, Tensor> initializers;
  // What the model says of itself: names of the kind "privdnn.output". ONNX's metadata_props.
  std::map<std::string, std::string> metadata = {};

  bool operator==(const Graph&) const = default;
  // Return the index of the node that writes a value, and the indices of the nodes that read it.
  const Node* Producer(const std::string& value) const;
  std::vector<size_t> Consumers(const std::string& value) const;
  int64_t ParameterCount() const;
};

// Fails, naming the inputs, unless the graph has one.
absl::Status CheckOneInput(const Graph& graph);

using Shapes = std::map<std::string, std::vector<int64_t>>;
// Checks the graph (names defined before use and once, argument counts, finite weights, shapes that fit) and returns
// the shape of every value for batches of `batch` images. Errors name the node and the operator.
absl::StatusOr<Shapes> InferShapes(const Graph& graph, int64_t batch = 1);

}  // namespace privdnn
