// What moves elements, of values and of constants.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Indices that one node may stand for.
constexpr int64_t kMaxIndices = int64_t{1} << 20;

std::vector<int64_t> Range(int64_t count) {
  std::vector<int64_t> range(static_cast<size_t>(count));
  std::iota(range.begin(), range.end(), 0);
  return range;
}

// From `start` until before `end`.
IntTensor Indices(int64_t start, int64_t end, int64_t step) {
  IntTensor indices{{0}, {}};
  for (int64_t i = start; step > 0 ? i < end : i > end; i += step) indices.values.push_back(i);
  indices.shape[0] = static_cast<int64_t>(indices.values.size());
  return indices;
}

}  // namespace

absl::Status OnnxImporter::ReadTranspose(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  const auto moved = moved_.find(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape,
                           AnyShapeOf(moved == moved_.end() ? source.inputs[0] : moved->second.value));
  PRIVDNN_ASSIGN_OR_RETURN(auto permutation, source.attributes.Ints("perm"));
  if (permutation.empty()) {
    permutation = Range(static_cast<int64_t>(shape.size()));
    std::reverse(permutation.begin(), permutation.end());
  }
  if (IsConstant(source.inputs[0])) {
    PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement order, TransposeElements(shape, permutation, budget_));
    return DefineRearranged(source, 0, source.inputs[0], order);
  }
  if (moved != moved_.end() || permutation[0] != 0) return TransposeWithBatch(source, permutation);
  return Append(source, op::Transpose{std::move(permutation)}, source.inputs);
}

absl::StatusOr<std::vector<OnnxImporter::SliceRange>> OnnxImporter::ReadSliceRanges(Source& source,
                                                                                    const std::vector<int64_t>& shape) {
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
  if (axes.empty()) axes = Range(static_cast<int64_t>(starts.size()));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (starts.empty() || ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    return InvalidArgument("has {} starts, {} ends, {} axes and {} steps", starts.size(), ends.size(), axes.size(),
                           steps.size());
  }
  PRIVDNN_RETURN_IF_ERROR(SortedAxes(axes, shape.size()).status());
  const bool of_value = !IsConstant(source.inputs[0]);
  std::vector<SliceRange> ranges;
  for (size_t i = 0; i < starts.size(); ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(axes[i], shape.size()));
    if (steps[i] == 0) return InvalidArgument("step 0");
    if (axis == 0 && of_value) {
      const bool all = starts[i] == 0 && steps[i] == 1 && ends[i] >= std::numeric_limits<int32_t>::max();
      if (!all) return InvalidArgument("axis 0 is the batch");
      continue;
    }
    const int64_t extent = shape[axis], last = std::max<int64_t>(extent - 1, 0);
    const auto clamp = [extent](int64_t at, int64_t low, int64_t high) {
      return std::clamp(at < 0 ? at + extent : at, low, high);
    };
    const bool up = steps[i] > 0;
    const SliceRange range{axis, clamp(starts[i], 0, up ? extent : last),
                           clamp(ends[i], up ? 0 : -1, up ? extent : last),
                           std::clamp(steps[i], -kMaxExtent, kMaxExtent)};
    if (range.start > 0 || range.end < extent || range.step != 1) ranges.push_back(range);
  }
  return ranges;
}

absl::Status OnnxImporter::ReadSlice(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 10 ? 1 : 5));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(const auto ranges, ReadSliceRanges(source, shape));
  if (ranges.empty()) return AppendAlias(source, source.inputs[0]);
  if (IsConstant(source.inputs[0])) {
    Rearrangement order;
    for (const auto& [axis, start, end, step] : ranges) {
      const bool first = order.shape.empty();
      PRIVDNN_ASSIGN_OR_RETURN(Rearrangement next,
                               GatherElements(first ? shape : order.shape, axis, Indices(start, end, step), budget_));
      for (uint32_t& from : next.from) from = first ? from : order.from[from];
      order = std::move(next);
    }
    return DefineRearranged(source, 0, source.inputs[0], order);
  }
  std::string value = source.inputs[0];
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto& [axis, start, end, step] = ranges[i];
    Op part = op::Slice{static_cast<int64_t>(axis), start, end, step};
    if (step < 0) {
      if (start - end > kMaxIndices) return InvalidArgument("turns round {} elements", start - end);
      part = op::Gather{static_cast<int64_t>(axis), Indices(start, end, step).values};
    }
    if (i + 1 == ranges.size()) return Append(source, std::move(part), {value});
    PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, std::move(part), {value}));
  }
  return absl::OkStatus();
}

// The sizes of a Split's parts: stated, or equal but for the last.
absl::StatusOr<std::vector<int64_t>> OnnxImporter::ReadSplitSizes(Source& source, int64_t extent) {
  const int64_t count = source.proto.output_size();
  std::vector<int64_t> sizes;
  if (opset_ < 13) {
    PRIVDNN_ASSIGN_OR_RETURN(sizes, source.attributes.Ints("split"));
  } else if (source.inputs.size() > 1) {
    PRIVDNN_ASSIGN_OR_RETURN(sizes, FoldedIntVector(source, 1));
  }
  if (opset_ >= 18) PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("num_outputs", count));
  if (sizes.empty()) {
    const int64_t part = (extent + count - 1) / count;
    for (int64_t i = 0; i < count; ++i) sizes.push_back(std::min(part, extent - i * part));
  }
  int64_t left = extent;
  for (const int64_t size : sizes) {
    if (size < 1 || size > left) return InvalidArgument("parts ({}) do not make up {}", fmt::join(sizes, ", "), extent);
    left -= size;
  }
  if (left != 0 || static_cast<int64_t>(sizes.size()) != count)
    return InvalidArgument("{} parts ({}) do not make up {}", count, fmt::join(sizes, ", "), extent);
  return sizes;
}

absl::Status OnnxImporter::ReadSplit(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 13 ? 1 : 2));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t given, source.attributes.Int("axis", 0));
  if (moved_.contains(source.inputs[0])) return SplitBesideBatch(source, given);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(given, shape.size()));
  const bool is_constant = IsConstant(source.inputs[0]);
  if (axis == 0 && !is_constant) return InvalidArgument("axis {} is the batch", given);
  PRIVDNN_ASSIGN_OR_RETURN(const auto sizes, ReadSplitSizes(source, shape[axis]));
  const std::string base = UniqueNodeName(source.proto);
  int64_t start = 0;
  for (int i = 0; i < source.proto.output_size(); ++i) {
    const int64_t end = start + sizes[static_cast<size_t>(i)];
    const std::string& output = source.proto.output(i);
    if (is_constant && !output.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement part, GatherElements(shape, axis, Indices(start, end, 1), budget_));
      PRIVDNN_RETURN_IF_ERROR(DefineRearranged(source, i, source.inputs[0], part));
    } else if (!output.empty()) {
      PRIVDNN_RETURN_IF_ERROR(Define(output));
      const std::string name = i == 0 ? base : FreshNodeName(fmt::format("{}.{}", base, i));
      PRIVDNN_RETURN_IF_ERROR(
          AppendNode({name, op::Slice{static_cast<int64_t>(axis), start, end, 1}, {source.inputs[0]}, output}));
    }
    start = end;
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadConcat(Source& source) {
  if (!source.attributes.Has("axis")) return InvalidArgument("attribute 'axis' is missing");
  op::Concat concat;
  PRIVDNN_ASSIGN_OR_RETURN(concat.axis, source.attributes.Int("axis", 1));
  if (!AllConstant(source)) return Append(source, concat, source.inputs);
  std::vector<int64_t> shape;
  size_t axis = 0;
  for (const std::string& name : source.inputs) {
    PRIVDNN_ASSIGN_OR_RETURN(std::vector<int64_t> part, AnyShapeOf(name));
    PRIVDNN_ASSIGN_OR_RETURN(axis, ConstantAxis(concat.axis, part.size()));
    PRIVDNN_RETURN_IF_ERROR(budget_.Spend(part));
    const int64_t added = part[axis];
    part[axis] = shape.empty() || axis >= shape.size() ? 0 : shape[axis];
    if (!shape.empty() && part != shape)
      return InvalidArgument("cannot concatenate ({}) and ({})", fmt::join(shape, ", "), fmt::join(part, ", "));
    shape = std::move(part);
    shape[axis] += added;
  }
  return ConcatConstants(source, shape, axis);
}

absl::Status OnnxImporter::ConcatConstants(const Source& source, const std::vector<int64_t>& shape, size_t axis) {
  PRIVDNN_RETURN_IF_ERROR(budget_.Spend(shape));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  const bool integers = FoldedInts(source.inputs[0]) != nullptr;
  if (count == 0) {
    for (const std::string& name : source.inputs) FoldedFloats(name);  // none is needed any more
    return integers ? DefineFolded(source, IntTensor{shape, {}}) : DefineFolded(source, Tensor{shape, {}});
  }
  size_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= static_cast<size_t>(shape[i]);
  IntTensor ints{shape, {}};
  Tensor floats{shape, {}};
  for (size_t row = 0; row < outer; ++row) {
    for (const std::string& name : source.inputs) {
      const IntTensor* part = FoldedInts(name);
      if (integers != (part != nullptr)) return InvalidArgument("'{}' is of another type than input 0", name);
      if (part != nullptr) {
        const size_t size = part->values.size() / outer;
        for (size_t i = row * size; i < (row + 1) * size; ++i) {
          ints.values.push_back(part->values[i]);
          ints.batch.push_back(part->IsBatch(i));
        }
      } else {
        const Tensor& from = *FoldedFloats(name);
        const auto size = static_cast<std::ptrdiff_t>(from.values.size() / outer);
        const auto begin = from.values.begin() + static_cast<std::ptrdiff_t>(row) * size;
        floats.values.insert(floats.values.end(), begin, begin + size);
      }
    }
  }
  return integers ? DefineFolded(source, std::move(ints)) : DefineFolded(source, std::move(floats));
}

// Indices of one dimension make a Gather; others make it and a Reshape.
absl::Status OnnxImporter::ReadGather(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t given, source.attributes.Int("axis", 0));
  const IntTensor* indices = FoldedInts(source.inputs[1]);
  if (indices == nullptr) return InvalidArgument("input 1 must be a constant of integers");
  if (moved_.contains(source.inputs[0])) return GatherBesideBatch(source, given, *indices);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(given, shape.size()));
  if (IsConstant(source.inputs[0])) {
    PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement order, GatherElements(shape, axis, *indices, budget_));
    return DefineRearranged(source, 0, source.inputs[0], order);
  }
  if (axis == 0) return InvalidArgument("axis 0 is the batch");
  if (std::count(indices->batch.begin(), indices->batch.end(), true) > 0)
    return InvalidArgument("input 1 depends on the size of the batch");
  const op::Gather gather{given, indices->values};
  if (indices->shape.size() == 1) return Append(source, gather, {source.inputs[0]});
  std::vector<int64_t> target = {0};
  target.insert(target.end(), shape.begin() + 1, shape.begin() + static_cast<std::ptrdiff_t>(axis));
  target.insert(target.end(), indices->shape.begin(), indices->shape.end());
  target.insert(target.end(), shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end());
  PRIVDNN_ASSIGN_OR_RETURN(const std::string taken, AppendPart(source, gather, {source.inputs[0]}));
  return Append(source, op::Reshape{std::move(target)}, {taken});
}

// A constant that is expanded to the batch stays as it is for one image: whatever reads it repeats it.
absl::Status OnnxImporter::ReadExpand(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  const IntTensor* target = FoldedInts(source.inputs[1]);
  if (target == nullptr || target->shape.size() != 1)
    return InvalidArgument("input 1 must be a constant vector of integers");
  std::vector<int64_t> wanted = target->values;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (target->IsBatch(i) && i > 0) return InvalidArgument("has the size of the batch behind the first dimension");
    if (target->IsBatch(i)) wanted[i] = 1;
    if (wanted[i] < 1) return InvalidArgument("repeats a dimension {} times", wanted[i]);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  if (!IsConstant(source.inputs[0]) && static_batch_.has_value() && wanted.size() == shape.size() &&
      wanted[0] == *static_batch_) {
    wanted[0] = 1;
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto out, BroadcastShape(shape, wanted));
  if (IsConstant(source.inputs[0])) {
    PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement order, ExpandElements(shape, out, budget_));
    return DefineRearranged(source, 0, source.inputs[0], order);
  }
  if (out.size() != shape.size() || out[0] != 1) return InvalidArgument("would move or repeat the batch");
  std::string value = source.inputs[0];
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i] == shape[i]) continue;
    if (out[i] > kMaxIndices) return InvalidArgument("repeats a dimension {} times", out[i]);
    const op::Gather repeat{static_cast<int64_t>(i), std::vector<int64_t>(static_cast<size_t>(out[i]), 0)};
    PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, repeat, {value}));
  }
  return AppendAlias(source, value);
}

}  // namespace privdnn
