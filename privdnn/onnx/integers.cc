// What exporters write around Reshape: the shape of a value taken apart and put together again. All of it is folded,
// the size of the batch as the one number that isn't known.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Of a folded tensor. Far above any rank, so that tensors that double with every node stay small.
constexpr size_t kMaxElements = 1024;

absl::Status CheckInputCount(const std::vector<std::string>& inputs, size_t min, size_t max) {
  if (inputs.size() >= min && inputs.size() <= max) return absl::OkStatus();
  return InvalidArgument("has {} inputs, takes {} to {}", inputs.size(), min, max);
}

void AppendElement(const IntTensor& from, size_t i, IntTensor& to) {
  to.values.push_back(from.values[i]);
  to.batch.push_back(from.IsBatch(i));
}

// Counted from the front of `rank` dimensions, sorted.
absl::StatusOr<std::vector<size_t>> FromFront(const std::vector<int64_t>& axes, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  std::vector<size_t> positive;
  for (const int64_t axis : axes) {
    if (axis < -r || axis >= r) return InvalidArgument("axis {} lies outside [-{}, {})", axis, r, r);
    positive.push_back(static_cast<size_t>(axis < 0 ? axis + r : axis));
  }
  std::sort(positive.begin(), positive.end());
  if (std::adjacent_find(positive.begin(), positive.end()) != positive.end())
    return InvalidArgument("an axis is given twice");
  return positive;
}

// `shape` without its dimensions `axes` (all that are 1 if there are none), which must be 1.
absl::StatusOr<std::vector<int64_t>> Squeezed(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                              bool keep_first) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto positive, FromFront(axes, shape.size()));
  std::vector<int64_t> out;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool named = std::binary_search(positive.begin(), positive.end(), i);
    if (named && keep_first && i == 0) return InvalidArgument("axis 0 is the batch");
    if (named && shape[i] != 1) return InvalidArgument("dimension {} is {}, not 1", i, shape[i]);
    const bool dropped = axes.empty() ? shape[i] == 1 && !(keep_first && i == 0) : named;
    if (!dropped) out.push_back(shape[i]);
  }
  return out;
}

absl::StatusOr<std::vector<int64_t>> Unsqueezed(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                                bool keep_first) {
  if (axes.empty()) return InvalidArgument("no axes are given");
  if (axes.size() > kMaxElements)
    return InvalidArgument("{} axes, more than the {} allowed", axes.size(), kMaxElements);
  PRIVDNN_ASSIGN_OR_RETURN(const auto positive, FromFront(axes, shape.size() + axes.size()));
  if (keep_first && positive[0] == 0) return InvalidArgument("axis 0 is the batch");
  std::vector<int64_t> out;
  auto next = shape.begin();
  for (size_t i = 0; i < shape.size() + axes.size(); ++i) {
    out.push_back(std::binary_search(positive.begin(), positive.end(), i) ? 1 : *next++);
  }
  return out;
}

op::Reshape ToReshape(std::vector<int64_t> shape) {
  shape[0] = 0;  // copies the batch
  return {std::move(shape)};
}

}  // namespace

absl::Status OnnxImporter::DefineInts(const Source& source, IntTensor ints) {
  if (ints.values.size() > kMaxElements) {
    return InvalidArgument("computes {} integers, more than the {} allowed", ints.values.size(), kMaxElements);
  }
  return DefineConstant(source.proto.output(0), std::move(ints));
}

absl::Status OnnxImporter::ReadShape(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("start", 0));
  if (source.attributes.Has("end")) return InvalidArgument("attribute 'end' is not supported");
  PRIVDNN_ASSIGN_OR_RETURN(auto shape, ShapeOf(source.inputs[0]));
  IntTensor ints{{static_cast<int64_t>(shape.size())}, std::move(shape)};
  ints.batch.resize(ints.values.size());
  ints.batch[0] = true;
  ints.values[0] = 0;
  return DefineInts(source, std::move(ints));
}

absl::Status OnnxImporter::ReadCast(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t to, source.attributes.Int("to", 0));
  source.attributes.Ignore("saturate");  // of 8-bit floats only
  const bool is_int = FoldedInts(source.inputs[0]) != nullptr;
  const bool same = is_int ? to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32 : IsFloatType(to);
  if (same) return AppendAlias(source, source.inputs[0]);
  return InvalidArgument("a cast of {} to {} is not supported", is_int ? "integers" : "floats", TypeName(to));
}

absl::StatusOr<std::vector<int64_t>> OnnxImporter::ReadAxes(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 13 ? 1 : 2));
  if (opset_ < 13) return source.attributes.Ints("axes");
  if (source.inputs.size() < 2) return std::vector<int64_t>{};
  return FoldedIntVector(source, 1);
}

absl::Status OnnxImporter::ReadSqueeze(Source& source) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto axes, ReadAxes(source));
  if (const IntTensor* ints = FoldedInts(source.inputs[0])) {
    IntTensor result = *ints;
    PRIVDNN_ASSIGN_OR_RETURN(result.shape, Squeezed(ints->shape, axes, false));
    return DefineInts(source, std::move(result));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(auto target, Squeezed(shape, axes, true));
  return Append(source, ToReshape(std::move(target)), {source.inputs[0]});
}

absl::Status OnnxImporter::ReadUnsqueeze(Source& source) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto axes, ReadAxes(source));
  if (const IntTensor* ints = FoldedInts(source.inputs[0])) {
    IntTensor result = *ints;
    PRIVDNN_ASSIGN_OR_RETURN(result.shape, Unsqueezed(ints->shape, axes, false));
    if (result.shape.size() > kMaxElements) return InvalidArgument("computes {} dimensions", result.shape.size());
    return DefineInts(source, std::move(result));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  if (shape.size() > kMaxElements) return InvalidArgument("its input has {} dimensions", shape.size());
  PRIVDNN_ASSIGN_OR_RETURN(auto target, Unsqueezed(shape, axes, true));
  return Append(source, ToReshape(std::move(target)), {source.inputs[0]});
}

absl::Status OnnxImporter::ReadSlice(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 10 ? 1 : 5));
  const IntTensor* ints = FoldedInts(source.inputs[0]);
  if (ints == nullptr || ints->shape.size() != 1) return InvalidArgument("is supported on shapes only");
  std::vector<int64_t> starts, ends, axes, steps;
  if (opset_ < 10) {
    PRIVDNN_ASSIGN_OR_RETURN(starts, source.attributes.Ints("starts"));
    PRIVDNN_ASSIGN_OR_RETURN(ends, source.attributes.Ints("ends"));
    PRIVDNN_ASSIGN_OR_RETURN(axes, source.attributes.Ints("axes"));
  } else {
    std::vector<int64_t>* const targets[] = {&starts, &ends, &axes, &steps};
    for (size_t i = 1; i < source.inputs.size(); ++i) {
      if (source.inputs[i].empty()) continue;
      PRIVDNN_ASSIGN_OR_RETURN(*targets[i - 1], FoldedIntVector(source, i));
    }
  }
  const auto is_single = [](const std::vector<int64_t>& values, int64_t expected) {
    return values.empty() || (values.size() == 1 && values[0] == expected);
  };
  if (starts.size() != 1 || ends.size() != 1 || !is_single(axes, 0) || !is_single(steps, 1)) {
    return InvalidArgument("of a shape needs one start and one end, axis 0 and step 1");
  }
  const auto count = static_cast<int64_t>(ints->values.size());
  const auto clamp = [count](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count); };
  IntTensor result;
  for (int64_t i = clamp(starts[0]); i < clamp(ends[0]); ++i) AppendElement(*ints, static_cast<size_t>(i), result);
  result.shape = {static_cast<int64_t>(result.values.size())};
  return DefineInts(source, std::move(result));
}

absl::Status OnnxImporter::ReadConcat(Source& source) {
  if (!source.attributes.Has("axis")) return InvalidArgument("attribute 'axis' is missing");
  op::Concat concat;
  PRIVDNN_ASSIGN_OR_RETURN(concat.axis, source.attributes.Int("axis", 1));
  const bool shapes =
      !source.inputs.empty() && std::all_of(source.inputs.begin(), source.inputs.end(), [&](auto& name) {
        const IntTensor* ints = FoldedInts(name);
        return ints != nullptr && ints->shape.size() == 1;
      });
  if (!shapes) return Append(source, concat, source.inputs);
  if (concat.axis != 0 && concat.axis != -1) return InvalidArgument("axis {} of shapes, which have one", concat.axis);
  IntTensor result;
  for (const std::string& name : source.inputs) {
    const IntTensor& part = *FoldedInts(name);
    if (part.values.size() > kMaxElements) return InvalidArgument("'{}' is not a shape", name);
    for (size_t i = 0; i < part.values.size(); ++i) AppendElement(part, i, result);
    if (result.values.size() > kMaxElements) break;  // refused below
  }
  result.shape = {static_cast<int64_t>(result.values.size())};
  return DefineInts(source, std::move(result));
}

absl::Status OnnxImporter::GatherIntegers(const Source& source, const IntTensor& from, int64_t axis) {
  const IntTensor* indices = FoldedInts(source.inputs[1]);
  if (from.shape.size() != 1 || (axis != 0 && axis != -1) || indices == nullptr || indices->shape.size() > 1) {
    return InvalidArgument("of a shape needs axis 0 and constant indices");
  }
  const auto count = static_cast<int64_t>(from.values.size());
  IntTensor result;
  result.shape = indices->shape;
  if (indices->values.size() > kMaxElements) return InvalidArgument("{} indices of a shape", indices->values.size());
  for (size_t i = 0; i < indices->values.size(); ++i) {
    const int64_t index = indices->values[i];
    if (indices->IsBatch(i) || index < -count || index >= count) {
      return InvalidArgument("index {} lies outside [-{}, {})", index, count, count);
    }
    AppendElement(from, static_cast<size_t>(index < 0 ? index + count : index), result);
  }
  return DefineInts(source, std::move(result));
}

absl::Status OnnxImporter::ReadGather(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  op::Gather gather;
  PRIVDNN_ASSIGN_OR_RETURN(gather.axis, source.attributes.Int("axis", 0));
  if (const IntTensor* ints = FoldedInts(source.inputs[0])) return GatherIntegers(source, *ints, gather.axis);
  PRIVDNN_ASSIGN_OR_RETURN(gather.indices, FoldedIntVector(source, 1));
  return Append(source, gather, {source.inputs[0]});
}

}  // namespace privdnn
