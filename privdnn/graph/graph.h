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
// Returns the product of the dimensions. Fails if one is negative or exceeds 2^31, or if the product does.
absl::StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape);

// A sliding window over (height, width).
struct Window {
  std::array<int64_t, 2> kernel{1, 1};
  std::array<int64_t, 2> strides{1, 1};
  std::array<int64_t, 4> pads{0, 0, 0, 0};  // top, left, bottom, right
  std::array<int64_t, 2> dilations{1, 1};   // distances between cells that are read
  bool operator==(const Window&) const = default;
  // The side that the window covers.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
};

// Operators, named as in ONNX; inputs in ONNX's order. Data is NCHW. Axes count from the front or, below 0, from the
// end.
namespace op {
struct Conv {  // x, W[, B]
  static constexpr const char* kName = "Conv";
  Window window;
  int64_t groups = 1;
  bool operator==(const Conv&) const = default;
};
struct ConvTranspose {  // x, W[, B]; W is (channels, filters / groups, height, width)
  static constexpr const char* kName = "ConvTranspose";
  Window window;  // what the output would be read with; pads crop it
  int64_t groups = 1;
  std::array<int64_t, 2> output_padding{0, 0};  // rows and columns added at the ends
  bool operator==(const ConvTranspose&) const = default;
};
struct BatchNormalization {  // x, scale, B, mean, var
  static constexpr const char* kName = "BatchNormalization";
  float epsilon = 1e-5f;
  bool operator==(const BatchNormalization&) const = default;
};
struct LayerNormalization {  // x, scale[, B]
  static constexpr const char* kName = "LayerNormalization";
  int64_t axis = -1;  // normalises over this axis and all behind it, whose shape scale and B have
  float epsilon = 1e-5f;
  bool operator==(const LayerNormalization&) const = default;
};
struct GroupNormalization {  // x, scale, B: one of each for a channel. As many groups as channels:
                             // InstanceNormalization
  static constexpr const char* kName = "GroupNormalization";
  int64_t groups = 1;
  float epsilon = 1e-5f;
  bool operator==(const GroupNormalization&) const = default;
};
struct LRN {  // x / (bias + alpha / size * (sum of squares over `size` channels around))^beta
  static constexpr const char* kName = "LRN";
  int64_t size = 1;
  float alpha = 1e-4f, beta = 0.75f, bias = 1;
  bool operator==(const LRN&) const = default;
};
struct AveragePool {
  static constexpr const char* kName = "AveragePool";
  Window window;
  bool count_include_pad = false;
  bool operator==(const AveragePool&) const = default;
};
struct MaxPool {
  static constexpr const char* kName = "MaxPool";
  Window window;
  bool operator==(const MaxPool&) const = default;
};
struct Relu {
  static constexpr const char* kName = "Relu";
  bool operator==(const Relu&) const = default;
};
struct LeakyRelu {  // x for x >= 0, alpha x below
  static constexpr const char* kName = "LeakyRelu";
  float alpha = 0.01f;
  bool operator==(const LeakyRelu&) const = default;
};
struct PRelu {  // x, slopes (an initializer, broadcast to x)
  static constexpr const char* kName = "PRelu";
  bool operator==(const PRelu&) const = default;
};
struct ThresholdedRelu {  // x for x > alpha, else 0
  static constexpr const char* kName = "ThresholdedRelu";
  float alpha = 1;
  bool operator==(const ThresholdedRelu&) const = default;
};
struct Elu {  // x for x >= 0, alpha (e^x - 1) below
  static constexpr const char* kName = "Elu";
  float alpha = 1;
  bool operator==(const Elu&) const = default;
};
struct Selu {  // gamma Elu(x)
  static constexpr const char* kName = "Selu";
  float alpha = 1.67326319217681884765625f, gamma = 1.05070102214813232421875f;
  bool operator==(const Selu&) const = default;
};
struct Gelu {  // x times the normal distribution's function of x
  static constexpr const char* kName = "Gelu";
  bool tanh_approximation = false;
  bool operator==(const Gelu&) const = default;
};
struct Softplus {  // log(1 + e^x)
  static constexpr const char* kName = "Softplus";
  bool operator==(const Softplus&) const = default;
};
struct Softsign {  // x / (1 + |x|)
  static constexpr const char* kName = "Softsign";
  bool operator==(const Softsign&) const = default;
};
struct Clip {  // min <= max
  static constexpr const char* kName = "Clip";
  float min = std::numeric_limits<float>::lowest(), max = std::numeric_limits<float>::max();
  bool operator==(const Clip&) const = default;
};
struct Sigmoid {
  static constexpr const char* kName = "Sigmoid";
  bool operator==(const Sigmoid&) const = default;
};
struct Tanh {
  static constexpr const char* kName = "Tanh";
  bool operator==(const Tanh&) const = default;
};
struct Erf {
  static constexpr const char* kName = "Erf";
  bool operator==(const Erf&) const = default;
};
struct HardSigmoid {  // alpha x + beta, clipped to [0, 1]
  static constexpr const char* kName = "HardSigmoid";
  float alpha = 0.2f, beta = 0.5f;
  bool operator==(const HardSigmoid&) const = default;
};
struct HardSwish {  // x HardSigmoid(x) with alpha 1/6 and beta 1/2
  static constexpr const char* kName = "HardSwish";
  bool operator==(const HardSwish&) const = default;
};
struct Square {  // Mul(x, x) or Pow(x, 2) in ONNX
  static constexpr const char* kName = "Square";
  bool operator==(const Square&) const = default;
};
struct Sqrt {
  static constexpr const char* kName = "Sqrt";
  bool operator==(const Sqrt&) const = default;
};
struct Pow {  // a constant exponent
  static constexpr const char* kName = "Pow";
  float exponent = 1;
  bool operator==(const Pow&) const = default;
};
struct Exp {
  static constexpr const char* kName = "Exp";
  bool operator==(const Exp&) const = default;
};
struct Log {
  static constexpr const char* kName = "Log";
  bool operator==(const Log&) const = default;
};
struct Neg {
  static constexpr const char* kName = "Neg";
  bool operator==(const Neg&) const = default;
};
struct Abs {
  static constexpr const char* kName = "Abs";
  bool operator==(const Abs&) const = default;
};
struct Reciprocal {
  static constexpr const char* kName = "Reciprocal";
  bool operator==(const Reciprocal&) const = default;
};
struct Flatten {
  static constexpr const char* kName = "Flatten";
  int64_t axis = 1;
  bool operator==(const Flatten&) const = default;
};
struct Reshape {
  static constexpr const char* kName = "Reshape";
  std::vector<int64_t> shape;  // 0 copies, -1 infers
  bool operator==(const Reshape&) const = default;
};
struct Transpose {
  static constexpr const char* kName = "Transpose";
  std::vector<int64_t> permutation;  // dimension i of the output is dimension permutation[i]; 0 stays 0
  bool operator==(const Transpose&) const = default;
};
struct Slice {
  static constexpr const char* kName = "Slice";
  int64_t axis = 1;
  int64_t start = 0, end = 1, step = 1;  // 0 <= start < end <= extent
  bool operator==(const Slice&) const = default;
};
struct Gemm {  // y = alpha A' B' + beta C;  A, B[, C]
  static constexpr const char* kName = "Gemm";
  float alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  bool operator==(const Gemm&) const = default;
};
struct MatMul {  // of two values, or of a value and an initializer
  static constexpr const char* kName = "MatMul";
  bool operator==(const MatMul&) const = default;
};
// Elementwise operators with NumPy's broadcasting, which must not move the batch. One operand may be an initializer.
struct Add {
  static constexpr const char* kName = "Add";
  bool operator==(const Add&) const = default;
};
struct Sub {
  static constexpr const char* kName = "Sub";
  bool operator==(const Sub&) const = default;
};
struct Mul {  // of different values; Square is a value times itself
  static constexpr const char* kName = "Mul";
  bool operator==(const Mul&) const = default;
};
struct Div {  // by an initializer without zeros, or by a value
  static constexpr const char* kName = "Div";
  bool operator==(const Div&) const = default;
};
struct Max {
  static constexpr const char* kName = "Max";
  bool operator==(const Max&) const = default;
};
struct Min {
  static constexpr const char* kName = "Min";
  bool operator==(const Min&) const = default;
};
struct ReduceMean {
  static constexpr const char* kName = "ReduceMean";
  std::vector<int64_t> axes;  // not the batch
  bool keep_dims = true;
  bool operator==(const ReduceMean&) const = default;
};
struct ReduceSum {
  static constexpr const char* kName = "ReduceSum";
  std::vector<int64_t> axes;
  bool keep_dims = true;
  bool operator==(const ReduceSum&) const = default;
};
struct ReduceMax {
  static constexpr const char* kName = "ReduceMax";
  std::vector<int64_t> axes;
  bool keep_dims = true;
  bool operator==(const ReduceMax&) const = default;
};
struct ReduceMin {
  static constexpr const char* kName = "ReduceMin";
  std::vector<int64_t> axes;
  bool keep_dims = true;
  bool operator==(const ReduceMin&) const = default;
};
struct Softmax {
  static constexpr const char* kName = "Softmax";
  int64_t axis = -1;
  bool operator==(const Softmax&) const = default;
};
struct LogSoftmax {
  static constexpr const char* kName = "LogSoftmax";
  int64_t axis = -1;
  bool operator==(const LogSoftmax&) const = default;
};
struct Concat {  // of values, or of initializers for one image, which every image gets
  static constexpr const char* kName = "Concat";
  int64_t axis = 1;
  bool operator==(const Concat&) const = default;
};
struct Gather {
  static constexpr const char* kName = "Gather";
  int64_t axis = 1;
  std::vector<int64_t> indices;  // constants
  bool operator==(const Gather&) const = default;
};
struct Pad {  // with a constant; no cropping
  static constexpr const char* kName = "Pad";
  std::vector<int64_t> pads;  // pads before each dimension, then pads after each; 0 for the batch
  float value = 0;
  bool operator==(const Pad&) const = default;
};
// Samples a value anew along its dimensions, all but the batch. ONNX's coordinate_transformation_mode says which point
// of the input an output point is at; nearest_mode how that is rounded.
struct Resize {
  static constexpr const char* kName = "Resize";
  enum class Mode { kNearest, kLinear };
  enum class Coordinates {
    kHalfPixel,
    kHalfPixelSymmetric,
    kPytorchHalfPixel,
    kAlignCorners,
    kAsymmetric,
    kTfHalfPixel
  };
  enum class Rounding { kPreferFloor, kPreferCeil, kFloor, kCeil };
  Mode mode = Mode::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Rounding rounding = Rounding::kPreferFloor;  // kNearest only
  std::vector<int64_t> sizes;                  // of the output, without the batch
  std::vector<float> scales;                   // for each of the sizes, or empty: those of the sizes
  bool operator==(const Resize&) const = default;
};
struct Dropout {  // inference: the identity. Training: zero with probability `ratio`, else divided by 1 - ratio
  static constexpr const char* kName = "Dropout";
  float ratio = 0.5f;  // [0, 1)
  bool operator==(const Dropout&) const = default;
};
// To 8-bit integers and back: scale (clamp(round(x / scale) + zero_point) - zero_point), halves to even; QuantizeLinear
// and DequantizeLinear in ONNX.
struct FakeQuantize {
  static constexpr const char* kName = "FakeQuantize";
  float scale = 1;
  int64_t zero_point = 0;
  bool is_signed = false;  // clamped to [-128, 127], else to [0, 255]
  int64_t min() const { return is_signed ? -128 : 0; }
  int64_t max() const { return is_signed ? 127 : 255; }
  bool operator==(const FakeQuantize&) const = default;
};

}  // namespace op

using Op = std::variant<op::Conv, op::ConvTranspose, op::BatchNormalization, op::LayerNormalization,
                        op::GroupNormalization, op::LRN, op::AveragePool, op::MaxPool, op::Relu, op::LeakyRelu,
                        op::PRelu, op::ThresholdedRelu, op::Elu, op::Selu, op::Gelu, op::Softplus, op::Softsign,
                        op::Clip, op::Sigmoid, op::Tanh, op::Erf, op::HardSigmoid, op::HardSwish, op::Square, op::Sqrt,
                        op::Pow, op::Exp, op::Log, op::Neg, op::Abs, op::Reciprocal, op::Flatten, op::Reshape,
                        op::Transpose, op::Slice, op::Gemm, op::MatMul, op::Add, op::Sub, op::Mul, op::Div, op::Max,
                        op::Min, op::ReduceMean, op::ReduceSum, op::ReduceMax, op::ReduceMin, op::Softmax,
                        op::LogSoftmax, op::Concat, op::Gather, op::Pad, op::Resize, op::Dropout, op::FakeQuantize>;
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
