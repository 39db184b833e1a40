#include "privdnn/graph/shapes.h"

#include <algorithm>

#include "privdnn/graph/shape_rule.h"

namespace privdnn {

absl::Status NodeError(const std::string& name, const std::string& op, const absl::Status& status) {
  const std::string prefix = fmt::format("node '{}' ({})", name, op);
  return Message(status).starts_with(prefix) ? status : Annotate(status, prefix);
}

absl::StatusOr<size_t> NonBatchAxis(int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) return InvalidArgument("axis {} lies outside [-{}, {})", axis, r, r);
  const int64_t positive = axis < 0 ? axis + r : axis;
  if (positive == 0) return InvalidArgument("axis {} is the batch", axis);
  return static_cast<size_t>(positive);
}

absl::Status ShapeRule::CheckOperandCount(size_t min, size_t max) const {
  if (operands.size() >= min && operands.size() <= max) return absl::OkStatus();
  if (min == max) return InvalidArgument("has {} inputs, takes {}", operands.size(), min);
  return InvalidArgument("has {} inputs, takes {} to {}", operands.size(), min, max);
}

absl::Status ShapeRule::CheckRank(size_t rank) const {
  if (x().size() == rank) return absl::OkStatus();
  return InvalidArgument("its input has shape {}, needs {} dimensions", ShapeText(x()), rank);
}

absl::Status ShapeRule::CheckMinRank(size_t rank) const {
  if (x().size() >= rank) return absl::OkStatus();
  return InvalidArgument("its input has shape {}, needs at least {} dimensions", ShapeText(x()), rank);
}

absl::Status ShapeRule::Dynamic(size_t index) const {
  if (operands[index].constant == nullptr) return absl::OkStatus();
  return InvalidArgument("input {} is an initializer; it must depend on the graph's input", index);
}

absl::Status ShapeRule::CheckConstant(size_t index, const Shape& expected) const {
  const Operand& operand = operands[index];
  if (operand.constant == nullptr) return InvalidArgument("input {} must be an initializer", index);
  bool fits = operand.shape.size() == expected.size();
  for (size_t i = 0; fits && i < expected.size(); ++i) fits = expected[i] == -1 || operand.shape[i] == expected[i];
  if (fits) return absl::OkStatus();
  return InvalidArgument("input {} has shape {}, needs {}", index, ShapeText(operand.shape), ShapeText(expected));
}

absl::Status ShapeRule::Unary() const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(1, 1));
  return Dynamic(0);
}

absl::StatusOr<Shape> ShapeRule::SameAsInput() const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  return x();
}

absl::StatusOr<Shape> ShapeRule::Activation(std::initializer_list<float> attributes) const {
  for (const float value : attributes) {
    if (!std::isfinite(value)) return InvalidArgument("an attribute is {}, not a finite number", value);
  }
  return SameAsInput();
}

// Slopes may have any shape that x stays as it is with.
absl::StatusOr<Shape> ShapeRule::operator()(const op::PRelu&) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 2));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  if (operands[1].constant == nullptr) return InvalidArgument("input 1 must be an initializer");
  PRIVDNN_ASSIGN_OR_RETURN(Shape shape, Broadcast());
  if (shape != x()) return InvalidArgument("slopes of shape {} for {}", ShapeText(operands[1].shape), ShapeText(x()));
  return shape;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Clip& clip) const {
  if (!std::isfinite(clip.min) || !std::isfinite(clip.max) || clip.min > clip.max) {
    return InvalidArgument("min {} and max {} are not finite numbers in this order", clip.min, clip.max);
  }
  return SameAsInput();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::FakeQuantize& quantize) const {
  if (!std::isfinite(quantize.scale) || quantize.scale <= 0) {
    return InvalidArgument("scale {} is not a positive number", quantize.scale);
  }
  if (quantize.zero_point < quantize.min() || quantize.zero_point > quantize.max()) {
    return InvalidArgument("zero point {} lies outside [{}, {}]", quantize.zero_point, quantize.min(), quantize.max());
  }
  return SameAsInput();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Dropout& dropout) const {
  if (!(dropout.ratio >= 0 && dropout.ratio < 1)) return InvalidArgument("ratio {} is not in [0, 1)", dropout.ratio);
  return SameAsInput();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Div&) const {
  PRIVDNN_ASSIGN_OR_RETURN(Shape shape, Broadcast());
  if (operands[1].constant != nullptr) {
    const auto& values = operands[1].constant->values;
    const auto zero = std::find(values.begin(), values.end(), 0.0f);
    if (zero != values.end()) return InvalidArgument("divides by zero: element {} of input 1", zero - values.begin());
  }
  return shape;
}

absl::StatusOr<Shape> ShapeRule::Broadcast() const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 2));
  if (operands[0].constant != nullptr) PRIVDNN_RETURN_IF_ERROR(Dynamic(1));
  const Operand& a = operands[0].constant == nullptr ? operands[0] : operands[1];
  const Operand& b = operands[0].constant == nullptr ? operands[1] : operands[0];
  const absl::Status mismatch = InvalidArgument("cannot broadcast {} and {}", ShapeText(a.shape), ShapeText(b.shape));
  if (b.constant == nullptr ? a.shape.size() != b.shape.size() : b.shape.size() > a.shape.size()) return mismatch;
  Shape out = a.shape;
  const size_t offset = a.shape.size() - b.shape.size();
  for (size_t i = 0; i < b.shape.size(); ++i) {
    int64_t& d = out[i + offset];
    const bool is_batch = i + offset == 0;
    if (b.shape[i] == d || b.shape[i] == 1) {
      if (!is_batch || b.constant == nullptr || b.shape[i] == 1) continue;
      return mismatch;  // an initializer with a row for each image of this particular batch
    }
    if (d != 1 || is_batch) return mismatch;
    d = b.shape[i];
  }
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Gemm& gemm) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 3));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckRank(2));
  if (gemm.trans_a) return InvalidArgument("transA = 1 would transpose the batch");
  if (!std::isfinite(gemm.alpha) || !std::isfinite(gemm.beta)) return InvalidArgument("alpha or beta is not finite");
  PRIVDNN_RETURN_IF_ERROR(CheckConstant(1, gemm.trans_b ? Shape{-1, x()[1]} : Shape{x()[1], -1}));
  const int64_t outputs = operands[1].shape[gemm.trans_b ? 0 : 1];
  if (operands.size() == 3) {
    if (operands[2].constant == nullptr) return InvalidArgument("input 2 must be an initializer");
    const Shape& c = operands[2].shape;
    const bool fits =
        c.size() <= 2 && (c.empty() || c.back() == 1 || c.back() == outputs) && (c.size() < 2 || c[0] == 1);
    if (!fits) return InvalidArgument("input 2 has shape {}, needs ({}) or (1, {})", ShapeText(c), outputs, outputs);
  }
  return Shape{x()[0], outputs};
}

// The last two dimensions are multiplied, those before them broadcast. The batch is never one of the two, except as the
// rows of a value of two dimensions; two values have it in the same place.
absl::StatusOr<Shape> ShapeRule::operator()(const op::MatMul&) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 2));
  const Operand &a = operands[0], &b = operands[1];
  if (a.constant != nullptr) PRIVDNN_RETURN_IF_ERROR(Dynamic(1));
  const absl::Status mismatch = InvalidArgument("cannot multiply {} by {}", ShapeText(a.shape), ShapeText(b.shape));
  if (a.shape.size() < 2 || b.shape.size() < 2 || a.shape.back() != b.shape[b.shape.size() - 2]) return mismatch;
  if (b.constant == nullptr && b.shape.size() < 3) return mismatch;
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  Shape out(rank, 1);
  for (const Operand& operand : operands) {
    const bool is_constant = operand.constant != nullptr;
    if (is_constant ? operand.shape.size() == rank && rank > 2 && operand.shape[0] != 1 : operand.shape.size() != rank)
      return mismatch;
    for (size_t i = 0; i + 2 < operand.shape.size(); ++i) {
      int64_t& d = out[rank - operand.shape.size() + i];
      if (operand.shape[i] != 1 && d != 1 && d != operand.shape[i]) return mismatch;
      d = std::max(d, operand.shape[i]);
    }
  }
  out[rank - 2] = a.shape[a.shape.size() - 2];
  out[rank - 1] = b.shape.back();
  return out;
}

absl::StatusOr<Shape> InferNodeShape(const Node& node, std::span<const Operand> operands) {
  auto check = [&]() -> absl::StatusOr<Shape> {
    for (const Operand& operand : operands) {
      if (operand.constant == nullptr && operand.shape.empty())
        return InvalidArgument("an input has no batch dimension");
    }
    PRIVDNN_ASSIGN_OR_RETURN(Shape shape, std::visit(ShapeRule{operands}, node.op));
    PRIVDNN_RETURN_IF_ERROR(ElementCount(shape).status());
    return shape;
  };
  absl::StatusOr<Shape> shape = check();
  if (!shape.ok()) return NodeError(node.name, OpName(node.op), shape.status());
  return shape;
}

}  // namespace privdnn
