// The shape rule of each operator, as functions by kind. Internal to graph/shapes.h.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "privdnn/graph/shapes.h"

namespace privdnn {

using Shape = std::vector<int64_t>;

inline std::string ShapeText(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

// Takes the operands of a node; each call returns the output's shape. shapes.cc has what is elementwise or a product,
// shapes_windows.cc what slides or normalises, shapes_layout.cc what moves, joins or reduces elements.
struct ShapeRule {
  std::span<const Operand> operands;

  const Shape& x() const { return operands[0].shape; }
  absl::Status CheckOperandCount(size_t min, size_t max) const;
  absl::Status CheckRank(size_t rank) const;
  absl::Status CheckMinRank(size_t rank) const;
  // Operand `index` must depend on the graph's input.
  absl::Status Dynamic(size_t index) const;
  // Operand `index` must be an initializer of shape `expected` (-1: any).
  absl::Status CheckConstant(size_t index, const Shape& expected) const;
  absl::Status Unary() const;
  absl::StatusOr<Shape> SameAsInput() const;
  // Fails unless all these attributes of the operator are finite.
  absl::StatusOr<Shape> Activation(std::initializer_list<float> attributes) const;
  // NumPy broadcasting that leaves the batch where it is.
  absl::StatusOr<Shape> Broadcast() const;
  absl::StatusOr<Shape> Reduce(const std::vector<int64_t>& axes, bool keep_dims) const;

  absl::StatusOr<Shape> operator()(const op::Conv& conv) const;
  absl::StatusOr<Shape> operator()(const op::ConvTranspose& conv) const;
  absl::StatusOr<Shape> operator()(const op::BatchNormalization& norm) const;
  absl::StatusOr<Shape> operator()(const op::LayerNormalization& norm) const;
  absl::StatusOr<Shape> operator()(const op::GroupNormalization& norm) const;
  absl::StatusOr<Shape> operator()(const op::LRN& norm) const;
  absl::StatusOr<Shape> operator()(const op::AveragePool& pool) const;
  absl::StatusOr<Shape> operator()(const op::MaxPool& pool) const;
  absl::StatusOr<Shape> operator()(const op::Resize& resize) const;

  absl::StatusOr<Shape> operator()(const op::Relu&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::LeakyRelu& relu) const { return Activation({relu.alpha}); }
  absl::StatusOr<Shape> operator()(const op::PRelu&) const;
  absl::StatusOr<Shape> operator()(const op::ThresholdedRelu& relu) const { return Activation({relu.alpha}); }
  absl::StatusOr<Shape> operator()(const op::Elu& elu) const { return Activation({elu.alpha}); }
  absl::StatusOr<Shape> operator()(const op::Selu& selu) const { return Activation({selu.alpha, selu.gamma}); }
  absl::StatusOr<Shape> operator()(const op::Gelu&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Softplus&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Softsign&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Clip& clip) const;
  absl::StatusOr<Shape> operator()(const op::Sigmoid&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Tanh&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Erf&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::HardSigmoid& sigmoid) const {
    return Activation({sigmoid.alpha, sigmoid.beta});
  }
  absl::StatusOr<Shape> operator()(const op::HardSwish&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Square&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Sqrt&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Pow& pow) const { return Activation({pow.exponent}); }
  absl::StatusOr<Shape> operator()(const op::Exp&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Log&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Neg&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Abs&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Reciprocal&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Dropout& dropout) const;
  absl::StatusOr<Shape> operator()(const op::FakeQuantize& quantize) const;
  absl::StatusOr<Shape> operator()(const op::Add&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Sub&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Mul&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Div&) const;
  absl::StatusOr<Shape> operator()(const op::Max&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Min&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Gemm& gemm) const;
  absl::StatusOr<Shape> operator()(const op::MatMul&) const;

  absl::StatusOr<Shape> operator()(const op::Flatten& flatten) const;
  absl::StatusOr<Shape> operator()(const op::Reshape& reshape) const;
  absl::StatusOr<Shape> operator()(const op::Transpose& transpose) const;
  absl::StatusOr<Shape> operator()(const op::Slice& slice) const;
  absl::StatusOr<Shape> operator()(const op::ReduceMean& r) const { return Reduce(r.axes, r.keep_dims); }
  absl::StatusOr<Shape> operator()(const op::ReduceSum& r) const { return Reduce(r.axes, r.keep_dims); }
  absl::StatusOr<Shape> operator()(const op::ReduceMax& r) const { return Reduce(r.axes, r.keep_dims); }
  absl::StatusOr<Shape> operator()(const op::ReduceMin& r) const { return Reduce(r.axes, r.keep_dims); }
  absl::StatusOr<Shape> operator()(const op::Softmax& softmax) const { return AlongAxis(softmax.axis); }
  absl::StatusOr<Shape> operator()(const op::LogSoftmax& softmax) const { return AlongAxis(softmax.axis); }
  absl::StatusOr<Shape> operator()(const op::Concat& concat) const;
  absl::StatusOr<Shape> operator()(const op::Gather& gather) const;
  absl::StatusOr<Shape> operator()(const op::Pad& pad) const;

 private:
  absl::StatusOr<Shape> AlongAxis(int64_t axis) const;
};

}  // namespace privdnn
