// Normalisations, softmax, sums and means.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
absl::Status OnnxImporter::ReadBatchNormalization(Source& source) {
  op::BatchNormalization norm;
  PRIVDNN_ASSIGN_OR_RETURN(norm.epsilon, source.attributes.Float("epsilon", norm.epsilon));
  source.attributes.Ignore("momentum");
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("training_mode", 0));
  if (opset_ < 9) PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("spatial", 1));
  return Append(source, norm, source.inputs);
}

absl::Status OnnxImporter::ReadLayerNormalization(Source& source) {
  op::LayerNormalization norm;
  PRIVDNN_ASSIGN_OR_RETURN(norm.axis, source.attributes.Int("axis", norm.axis));
  PRIVDNN_ASSIGN_OR_RETURN(norm.epsilon, source.attributes.Float("epsilon", norm.epsilon));
  source.attributes.Ignore("stash_type");
  return Append(source, norm, source.inputs);
}

absl::Status OnnxImporter::ReadInstanceNormalization(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 3, 3));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  op::GroupNormalization norm;
  if (shape.size() > 1) norm.groups = shape[1];
  PRIVDNN_ASSIGN_OR_RETURN(norm.epsilon, source.attributes.Float("epsilon", norm.epsilon));
  return Append(source, norm, source.inputs);
}

// Before operator set 21, scale and bias have one number for each group.
absl::Status OnnxImporter::ReadGroupNormalization(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 3, 3));
  op::GroupNormalization norm;
  PRIVDNN_ASSIGN_OR_RETURN(norm.groups, source.attributes.Int("num_groups", 0));
  PRIVDNN_ASSIGN_OR_RETURN(norm.epsilon, source.attributes.Float("epsilon", norm.epsilon));
  source.attributes.Ignore("stash_type");
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  const bool divides = shape.size() > 1 && norm.groups > 0 && shape[1] % norm.groups == 0;
  for (size_t i = 1; opset_ < 21 && divides && i < 3; ++i) {
    const Tensor* constant = FoldedFloats(source.inputs[i]);
    if (constant == nullptr || constant->shape != std::vector<int64_t>{norm.groups}) continue;  // refused with the node
    const std::vector<int64_t> rows = {norm.groups, 1}, spread = {norm.groups, shape[1] / norm.groups};
    PRIVDNN_ASSIGN_OR_RETURN(Rearrangement order, ExpandElements(rows, spread, budget_));
    order.shape = {shape[1]};
    PRIVDNN_ASSIGN_OR_RETURN(source.inputs[i],
                             AddConstant(source.inputs[i] + ".channels", Rearrange(*constant, order)));
  }
  return Append(source, norm, source.inputs);
}

absl::Status OnnxImporter::ReadLrn(Source& source) {
  op::LRN norm;
  PRIVDNN_ASSIGN_OR_RETURN(norm.size, source.attributes.Int("size", 0));
  PRIVDNN_ASSIGN_OR_RETURN(norm.alpha, source.attributes.Float("alpha", norm.alpha));
  PRIVDNN_ASSIGN_OR_RETURN(norm.beta, source.attributes.Float("beta", norm.beta));
  PRIVDNN_ASSIGN_OR_RETURN(norm.bias, source.attributes.Float("bias", norm.bias));
  return Append(source, norm, source.inputs);
}

// Before operator set 13 the axis had another default, and Softmax ran over it and all later dimensions together.
absl::Status OnnxImporter::ReadSoftmax(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  const bool log = source.proto.op_type() == "LogSoftmax";
  const auto softmax = [log](int64_t axis) { return log ? Op(op::LogSoftmax{axis}) : Op(op::Softmax{axis}); };
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t given, source.attributes.Int("axis", opset_ < 13 ? 1 : -1));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(given, shape.size()));
  const auto behind = shape.begin() + static_cast<std::ptrdiff_t>(axis);
  const bool alone = std::all_of(behind + 1, shape.end(), [](int64_t d) { return d == 1; });
  if (opset_ >= 13 || alone) return Append(source, softmax(given), source.inputs);
  std::vector<int64_t> joined(shape.begin(), behind), whole = shape;
  joined.push_back(-1);
  joined[0] = whole[0] = 0;  // the batch
  PRIVDNN_ASSIGN_OR_RETURN(const std::string rows, AppendPart(source, op::Reshape{std::move(joined)}, source.inputs));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string shares, AppendPart(source, softmax(-1), {rows}));
  return Append(source, op::Reshape{std::move(whole)}, {shares});
}

absl::Status OnnxImporter::ReadReduce(Source& source) {
  const int64_t since = source.proto.op_type() == "ReduceSum" ? 13 : 18;
  PRIVDNN_ASSIGN_OR_RETURN(auto axes, ReadAxes(source, since));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t keep, source.attributes.Int("keepdims", 1));
  if (opset_ >= since) {
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t nothing, source.attributes.Int("noop_with_empty_axes", 0));
    if (nothing != 0 && axes.empty()) return InvalidArgument("noop_with_empty_axes is not supported");
  }
  return AppendReduce(source, std::move(axes), keep != 0);
}

absl::Status OnnxImporter::AppendReduce(Source& source, std::vector<int64_t> axes, bool keep_dims) {
  const std::string& type = source.proto.op_type();
  std::string value = source.inputs[0];
  if (type == "ReduceMean") return Append(source, op::ReduceMean{std::move(axes), keep_dims}, {value});
  if (type == "ReduceMax") return Append(source, op::ReduceMax{std::move(axes), keep_dims}, {value});
  if (type == "ReduceMin") return Append(source, op::ReduceMin{std::move(axes), keep_dims}, {value});
  if (type == "ReduceL1") {
    PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, op::Abs{}, {value}));
  } else if (type != "ReduceSum") {
    PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, op::Square{}, {value}));
  }
  op::ReduceSum sum{std::move(axes), keep_dims};
  if (type != "ReduceL2") return Append(source, std::move(sum), {value});
  PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, std::move(sum), {value}));
  return Append(source, op::Sqrt{}, {value});
}

}  // namespace privdnn
