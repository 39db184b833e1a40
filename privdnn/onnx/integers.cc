// What exporters write around Reshape: the shape of a value taken apart and put together again. All of it is folded,
// the size of the batch as the one number that isn't known.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

bool IsIntegerType(int64_t type) {
  return type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32 || type == onnx::TensorProto::BOOL;
}
absl::StatusOr<IntTensor> ToIntegers(const Tensor& floats) {
  IntTensor ints{floats.shape, {}};
  for (const float value : floats.values) {
    if (!(std::abs(value) < 0x1p63f)) return InvalidArgument("{} is not a 64-bit integer", value);
    ints.values.push_back(static_cast<int64_t>(value));
  }
  return ints;
}

absl::StatusOr<Tensor> ToFloats(const IntTensor& ints) {
  Tensor floats{ints.shape, {}};
  for (size_t i = 0; i < ints.values.size(); ++i) {
    if (ints.IsBatch(i)) return InvalidArgument("computes with the size of the batch");
    floats.values.push_back(static_cast<float>(ints.values[i]));
  }
  return floats;
}

IntTensor ToTruthValues(IntTensor ints) {
  for (size_t i = 0; i < ints.values.size(); ++i) ints.values[i] = ints.IsBatch(i) || ints.values[i] != 0;
  ints.batch.clear();
  return ints;
}

}  // namespace

absl::Status OnnxImporter::ReadShape(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(auto shape, AnyShapeOf(source.inputs[0]));
  const auto rank = static_cast<int64_t>(shape.size());
  // Negative ones count from behind; what lies outside is clamped (operator set 15).
  const auto bound = [rank](int64_t given) { return std::clamp(given < 0 ? given + rank : given, int64_t{0}, rank); };
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t start, source.attributes.Int("start", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t end, source.attributes.Int("end", rank));
  const int64_t first = bound(start), last = std::max(bound(end), first);
  IntTensor ints{{last - first}, {shape.begin() + first, shape.begin() + last}};
  if (!IsConstant(source.inputs[0])) {
    ints.batch.resize(ints.values.size());
    if (first == 0 && last > 0) {
      ints.batch[0] = true;
      ints.values[0] = 0;
    }
  }
  return DefineFolded(source, std::move(ints));
}

absl::Status OnnxImporter::ReadCast(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t to, source.attributes.Int("to", 0));
  source.attributes.Ignore("saturate");  // of 8-bit floats
  if (class_indices_.contains(source.proto.input(0))) return ReadIdentity(source);
  if (IsConstant(source.inputs[0])) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
    PRIVDNN_RETURN_IF_ERROR(budget_.Spend(shape));
  }
  const IntTensor* ints = FoldedInts(source.inputs[0]);
  if (ints != nullptr && to == onnx::TensorProto::BOOL) return DefineFolded(source, ToTruthValues(*ints));
  if (ints != nullptr && IsIntegerType(to)) return AppendAlias(source, source.inputs[0]);
  if (ints != nullptr && IsFloatType(to)) {
    PRIVDNN_ASSIGN_OR_RETURN(Tensor floats, ToFloats(*ints));
    return DefineFolded(source, std::move(floats));
  }
  if (ints == nullptr && IsFloatType(to)) return AppendAlias(source, source.inputs[0]);
  if (const Tensor* floats = FoldedFloats(source.inputs[0]); floats != nullptr && IsIntegerType(to)) {
    PRIVDNN_ASSIGN_OR_RETURN(IntTensor converted, ToIntegers(*floats));
    return DefineFolded(source, to == onnx::TensorProto::BOOL ? ToTruthValues(std::move(converted)) : converted);
  }
  return InvalidArgument("a cast of {} to {} is not supported", ints != nullptr ? "integers" : "floats", TypeName(to));
}

absl::Status OnnxImporter::ReadConstantOfShape(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, FoldedIntVector(source, 0));
  PRIVDNN_RETURN_IF_ERROR(budget_.Spend(shape));
  PRIVDNN_ASSIGN_OR_RETURN(const onnx::TensorProto* proto, source.attributes.Tensor("value"));
  ConstantTensor value = Tensor{{1}, {0}};
  if (proto != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(value, ReadTensor(*proto, external_, constants_));
  }
  const auto count = static_cast<size_t>(*ElementCount(shape));
  const auto fill = [&](auto& tensor) -> absl::Status {
    if (tensor.values.size() != 1) return InvalidArgument("its value has {} elements, needs 1", tensor.values.size());
    tensor.values.assign(count, tensor.values[0]);
    tensor.shape = shape;
    return absl::OkStatus();
  };
  PRIVDNN_RETURN_IF_ERROR(std::visit(fill, value));
  return DefineFolded(source, std::move(value));
}

absl::Status OnnxImporter::ReadRange(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 3, 3));
  std::array<int64_t, 3> bounds{};
  for (size_t i = 0; i < 3; ++i) {
    const IntTensor* ints = FoldedInts(source.inputs[i]);
    const bool known = ints != nullptr && ints->values.size() == 1 && !ints->IsBatch(0);
    if (!known || ints->values[0] < -kMaxExtent || ints->values[0] > kMaxExtent)
      return InvalidArgument("input {} must be a constant integer in [-2^31, 2^31]", i);
    bounds[i] = ints->values[0];
  }
  const auto [start, limit, delta] = bounds;
  if (delta == 0) return InvalidArgument("delta is 0");
  const int64_t reach = delta > 0 ? limit - start : start - limit, step = std::abs(delta);
  const int64_t count = std::max<int64_t>(0, (reach + step - 1) / step);
  PRIVDNN_RETURN_IF_ERROR(budget_.Spend({count}));
  IntTensor range{{count}, {}};
  for (int64_t i = 0; i < count; ++i) range.values.push_back(start + i * delta);
  return DefineFolded(source, std::move(range));
}

// The size of the batch, which isn't known, is positive.
absl::Status OnnxImporter::ReadEqual(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  const IntTensor *a = FoldedInts(source.inputs[0]), *b = FoldedInts(source.inputs[1]);
  if (a == nullptr || b == nullptr) return InvalidArgument("is supported for constant integers only");
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, BroadcastShape(a->shape, b->shape));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement left, ExpandElements(a->shape, shape, budget_));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement right, ExpandElements(b->shape, shape, budget_));
  IntTensor result{shape, {}};
  for (size_t i = 0; i < left.from.size(); ++i) {
    const size_t l = left.from[i], r = right.from[i];
    const bool unknown =
        (a->IsBatch(l) && !b->IsBatch(r) && b->values[r] > 0) || (b->IsBatch(r) && !a->IsBatch(l) && a->values[l] > 0);
    if (unknown) return InvalidArgument("depends on the size of the batch");
    result.values.push_back(a->IsBatch(l) == b->IsBatch(r) && a->values[l] == b->values[r]);
  }
  return DefineFolded(source, std::move(result));
}

absl::Status OnnxImporter::ReadWhere(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 3, 3));
  std::array<const IntTensor*, 3> inputs{};
  std::vector<int64_t> shape;
  for (size_t i = 0; i < 3; ++i) {
    inputs[i] = FoldedInts(source.inputs[i]);
    if (inputs[i] == nullptr) return InvalidArgument("is supported for constant integers only");
    PRIVDNN_ASSIGN_OR_RETURN(shape, BroadcastShape(shape, inputs[i]->shape));
  }
  std::array<IntTensor, 3> spread;
  for (size_t i = 0; i < 3; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement order, ExpandElements(inputs[i]->shape, shape, budget_));
    spread[i] = Rearrange(*inputs[i], order);
  }
  IntTensor result{shape, {}};
  for (size_t i = 0; i < spread[0].values.size(); ++i) {
    if (spread[0].IsBatch(i)) return InvalidArgument("depends on the size of the batch");
    const IntTensor& chosen = spread[0].values[i] != 0 ? spread[1] : spread[2];
    result.values.push_back(chosen.values[i]);
    result.batch.push_back(chosen.IsBatch(i));
  }
  return DefineFolded(source, std::move(result));
}

}  // namespace privdnn
