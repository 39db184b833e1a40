// Activations and arithmetic.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>

#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Operators of one operand that constants are computed with, too. Without a function of values, they fold only.
struct UnaryOperator {
  std::optional<Op> op;
  double (*fold)(double);
};
const std::map<std::string, UnaryOperator>& UnaryOperators() {
  static const auto& operators = *new std::map<std::string, UnaryOperator>{
      {"Abs", {op::Abs{}, [](double v) { return std::abs(v); }}},
      {"Ceil", {std::nullopt, [](double v) { return std::ceil(v); }}},
      {"Exp", {op::Exp{}, [](double v) { return std::exp(v); }}},
      {"Floor", {std::nullopt, [](double v) { return std::floor(v); }}},
      {"Log", {op::Log{}, [](double v) { return std::log(v); }}},
      {"Neg", {op::Neg{}, [](double v) { return -v; }}},
      {"Reciprocal", {op::Reciprocal{}, [](double v) { return 1 / v; }}},
      {"Sqrt", {op::Sqrt{}, [](double v) { return std::sqrt(v); }}},
  };
  return operators;
}

}  // namespace

absl::Status OnnxImporter::ReadUnary(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  const UnaryOperator& unary = UnaryOperators().at(source.proto.op_type());
  if (const Tensor* constant = FoldedFloats(source.inputs[0])) {
    PRIVDNN_RETURN_IF_ERROR(budget_.Spend(constant->shape));
    Tensor result = *constant;
    for (float& value : result.values) value = static_cast<float>(unary.fold(value));
    return DefineFolded(source, std::move(result));
  }
  if (!unary.op.has_value()) return InvalidArgument("is supported for constants only");
  return Append(source, *unary.op, source.inputs);
}

absl::Status OnnxImporter::ReadLeakyRelu(Source& source) {
  op::LeakyRelu relu;
  PRIVDNN_ASSIGN_OR_RETURN(relu.alpha, source.attributes.Float("alpha", relu.alpha));
  return Append(source, relu, source.inputs);
}

absl::Status OnnxImporter::ReadThresholdedRelu(Source& source) {
  op::ThresholdedRelu relu;
  PRIVDNN_ASSIGN_OR_RETURN(relu.alpha, source.attributes.Float("alpha", relu.alpha));
  return Append(source, relu, source.inputs);
}

absl::Status OnnxImporter::ReadElu(Source& source) {
  op::Elu elu;
  PRIVDNN_ASSIGN_OR_RETURN(elu.alpha, source.attributes.Float("alpha", elu.alpha));
  return Append(source, elu, source.inputs);
}

// alpha Elu(x / alpha)
absl::Status OnnxImporter::ReadCelu(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const float alpha, source.attributes.Float("alpha", 1));
  if (alpha == 1) return Append(source, op::Elu{}, source.inputs);
  PRIVDNN_ASSIGN_OR_RETURN(const std::string constant, AddConstant(source.proto.output(0) + ".alpha", {{}, {alpha}}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string scaled, AppendPart(source, op::Div{}, {source.inputs[0], constant}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string elu, AppendPart(source, op::Elu{}, {scaled}));
  return Append(source, op::Mul{}, {elu, constant});
}

absl::Status OnnxImporter::ReadSelu(Source& source) {
  op::Selu selu;
  PRIVDNN_ASSIGN_OR_RETURN(selu.alpha, source.attributes.Float("alpha", selu.alpha));
  PRIVDNN_ASSIGN_OR_RETURN(selu.gamma, source.attributes.Float("gamma", selu.gamma));
  return Append(source, selu, source.inputs);
}

absl::Status OnnxImporter::ReadGelu(Source& source) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string approximate, source.attributes.String("approximate", "none"));
  const bool tanh = approximate == "tanh";
  if (!tanh && approximate != "none") {
    return InvalidArgument("approximate '{}' is not supported (supported: none, tanh)", approximate);
  }
  return Append(source, op::Gelu{tanh}, source.inputs);
}

// x tanh(log(1 + e^x))
absl::Status OnnxImporter::ReadMish(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string softplus, AppendPart(source, op::Softplus{}, {source.inputs[0]}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string tanh, AppendPart(source, op::Tanh{}, {softplus}));
  return Append(source, op::Mul{}, {source.inputs[0], tanh});
}

absl::Status OnnxImporter::ReadClip(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 11 ? 1 : 3));
  op::Clip clip;
  if (opset_ < 11) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.min, source.attributes.Float("min", clip.min));
    PRIVDNN_ASSIGN_OR_RETURN(clip.max, source.attributes.Float("max", clip.max));
  }
  if (source.inputs.size() > 1 && !source.inputs[1].empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.min, FoldedFloat(source.inputs[1]));
  }
  if (source.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.max, FoldedFloat(source.inputs[2]));
  }
  return Append(source, clip, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadHardSigmoid(Source& source) {
  op::HardSigmoid sigmoid;
  PRIVDNN_ASSIGN_OR_RETURN(sigmoid.alpha, source.attributes.Float("alpha", sigmoid.alpha));
  PRIVDNN_ASSIGN_OR_RETURN(sigmoid.beta, source.attributes.Float("beta", sigmoid.beta));
  return Append(source, sigmoid, source.inputs);
}

absl::Status OnnxImporter::ReadHardSwish(Source& source) {
  if (opset_ < 14) return InvalidArgument("is not in operator set {}, it came with 14", opset_);
  return Append(source, op::HardSwish{}, source.inputs);
}

absl::Status OnnxImporter::ReadPow(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  PRIVDNN_ASSIGN_OR_RETURN(const double exponent, FoldedScalar(source.inputs[1]));
  if (const Tensor* constant = FoldedFloats(source.inputs[0])) {
    PRIVDNN_RETURN_IF_ERROR(budget_.Spend(constant->shape));
    Tensor result = *constant;
    for (float& value : result.values) value = static_cast<float>(std::pow(value, exponent));
    return DefineFolded(source, std::move(result));
  }
  if (exponent == 1) return AppendAlias(source, source.inputs[0]);
  if (exponent == 0.5) return Append(source, op::Sqrt{}, {source.inputs[0]});
  if (exponent == 2) return Append(source, op::Square{}, {source.inputs[0]});
  return Append(source, op::Pow{static_cast<float>(exponent)}, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadMul(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  const bool square = source.inputs[0] == source.inputs[1] && !IsConstant(source.inputs[0]);
  if (square) return Append(source, op::Square{}, {source.inputs[0]});
  return ReadArithmetic(source, op::Mul{});
}

absl::Status OnnxImporter::ReadArithmetic(Source& source, const Op& op) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  if (!AllConstant(source)) return Append(source, op, source.inputs);
  const IntTensor *left = FoldedInts(source.inputs[0]), *right = FoldedInts(source.inputs[1]);
  if (left != nullptr && right != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(IntTensor result, FoldArithmetic(op, *left, *right, budget_));
    return DefineFolded(source, std::move(result));
  }
  const Tensor *a = FoldedFloats(source.inputs[0]), *b = FoldedFloats(source.inputs[1]);
  if (a == nullptr || b == nullptr) return InvalidArgument("one operand is an integer tensor, the other is not");
  PRIVDNN_ASSIGN_OR_RETURN(Tensor result, FoldArithmetic(op, *a, *b, budget_));
  return DefineFolded(source, std::move(result));
}

absl::Status OnnxImporter::ReadChain(Source& source, const Op& op) {
  if (source.inputs.empty()) return InvalidArgument("has no inputs");
  if (source.inputs.size() == 1) return AppendAlias(source, source.inputs[0]);
  while (source.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(source.inputs[1], AppendPart(source, op, {source.inputs[0], source.inputs[1]}));
    source.inputs.erase(source.inputs.begin());
  }
  return ReadArithmetic(source, op);
}

absl::Status OnnxImporter::ReadMean(Source& source) {
  if (source.inputs.size() < 2) return ReadChain(source, op::Add{});
  const auto count = static_cast<float>(source.inputs.size());
  std::string sum = source.inputs[0];
  for (size_t i = 1; i < source.inputs.size(); ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(sum, AppendPart(source, op::Add{}, {sum, source.inputs[i]}));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string divisor, AddConstant(source.proto.output(0) + ".count", {{}, {count}}));
  return Append(source, op::Div{}, {sum, divisor});
}

}  // namespace privdnn
