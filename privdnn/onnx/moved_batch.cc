// Values whose batch stands behind another dimension. Attention of vision transformers has them between
// Transpose(2, 0, 3, 1, 4), which puts queries, keys and values in front, and the Gather or Split that takes them
// apart.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string_view>

#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// An axis of such a value as an axis of the same value with the batch in front.
int64_t BatchFirst(int64_t axis, int64_t batch) { return axis == batch ? 0 : axis < batch ? axis + 1 : axis; }

}  // namespace

absl::Status OnnxImporter::DefineMoved(const std::string& output, MovedBatch moved) {
  PRIVDNN_RETURN_IF_ERROR(Define(output));
  if (moved.axis == 0) {
    aliases_[output] = std::move(moved.value);
  } else {
    moved_[output] = std::move(moved);
  }
  return absl::OkStatus();
}

bool OnnxImporter::ReadsMovedBatch(const std::string& op_type) {
  constexpr std::string_view kReaders[] = {"Cast", "Gather", "Identity", "Split", "Squeeze", "Transpose"};
  return std::ranges::find(kReaders, op_type) != std::end(kReaders);
}

absl::Status OnnxImporter::CheckNotMoved(const std::string& value) const {
  const auto moved = moved_.find(value);
  if (moved == moved_.end()) return absl::OkStatus();
  return InvalidArgument(
      "the batch of '{}' stands in dimension {}; only Transpose, Gather, Split and Squeeze along other dimensions may "
      "read it",
      value, moved->second.axis);
}

absl::Status OnnxImporter::TransposeWithBatch(const Source& source, const std::vector<int64_t>& permutation) {
  const auto known = moved_.find(source.inputs[0]);
  MovedBatch moved = known == moved_.end() ? MovedBatch{source.inputs[0], 0} : known->second;
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, ShapeOf(moved.value));
  PRIVDNN_RETURN_IF_ERROR(CheckPermutation(permutation, shape.size()));
  std::vector<int64_t> order = {0};
  int64_t batch = 0;
  for (size_t i = 0; i < permutation.size(); ++i) {
    const int64_t axis = BatchFirst(permutation[i], moved.axis);
    if (axis == 0) {
      batch = static_cast<int64_t>(i);
    } else {
      order.push_back(axis);
    }
  }
  if (!std::ranges::is_sorted(order)) {
    PRIVDNN_ASSIGN_OR_RETURN(moved.value, AppendPart(source, op::Transpose{std::move(order)}, {moved.value}));
  }
  moved.axis = batch;
  return DefineMoved(source.proto.output(0), std::move(moved));
}

absl::StatusOr<OnnxImporter::MovedAxis> OnnxImporter::OtherAxis(const std::string& value, int64_t given) {
  const MovedBatch& moved = moved_.at(value);
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, ShapeOf(moved.value));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t counted, ConstantAxis(given, shape.size()));
  const auto axis = static_cast<int64_t>(counted);
  if (axis == moved.axis) return InvalidArgument("axis {} is the batch", given);
  return MovedAxis{BatchFirst(axis, moved.axis), axis < moved.axis};
}

absl::Status OnnxImporter::GatherBesideBatch(const Source& source, int64_t given, const IntTensor& indices) {
  MovedBatch moved = moved_.at(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const MovedAxis axis, OtherAxis(source.inputs[0], given));
  if (indices.shape.size() > 1 || indices.IsBatch(0)) return CheckNotMoved(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(moved.value,
                           AppendPart(source, op::Gather{axis.batch_first, indices.values}, {moved.value}));
  if (!indices.shape.empty()) return DefineMoved(source.proto.output(0), std::move(moved));
  return DropBesideBatch(source, std::move(moved), {axis});
}

absl::Status OnnxImporter::SqueezeBesideBatch(const Source& source, const std::vector<int64_t>& axes) {
  if (axes.empty()) return CheckNotMoved(source.inputs[0]);
  std::vector<MovedAxis> dropped;
  for (const int64_t given : axes) {
    PRIVDNN_ASSIGN_OR_RETURN(const MovedAxis axis, OtherAxis(source.inputs[0], given));
    dropped.push_back(axis);
  }
  return DropBesideBatch(source, moved_.at(source.inputs[0]), dropped);
}

absl::Status OnnxImporter::DropBesideBatch(const Source& source, MovedBatch moved,
                                           const std::vector<MovedAxis>& dropped) {
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<int64_t> shape, ShapeOf(moved.value));
  for (const MovedAxis& axis : dropped) {
    int64_t& extent = shape[static_cast<size_t>(axis.batch_first)];
    if (extent != 1) return InvalidArgument("a dimension of {} can not be squeezed", extent);
    extent = -1;
    moved.axis -= axis.in_front ? 1 : 0;
  }
  std::erase(shape, -1);
  shape[0] = 0;
  PRIVDNN_ASSIGN_OR_RETURN(moved.value, AppendPart(source, op::Reshape{std::move(shape)}, {moved.value}));
  return DefineMoved(source.proto.output(0), std::move(moved));
}

absl::Status OnnxImporter::SplitBesideBatch(Source& source, int64_t given) {
  const MovedBatch moved = moved_.at(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const MovedAxis axis, OtherAxis(source.inputs[0], given));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, ShapeOf(moved.value));
  PRIVDNN_ASSIGN_OR_RETURN(const auto sizes, ReadSplitSizes(source, shape[static_cast<size_t>(axis.batch_first)]));
  int64_t start = 0;
  for (int i = 0; i < source.proto.output_size(); ++i) {
    const int64_t end = start + sizes[static_cast<size_t>(i)];
    if (!source.proto.output(i).empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(std::string part,
                               AppendPart(source, op::Slice{axis.batch_first, start, end, 1}, {moved.value}));
      PRIVDNN_RETURN_IF_ERROR(DefineMoved(source.proto.output(i), {std::move(part), moved.axis}));
    }
    start = end;
  }
  return absl::OkStatus();
}

}  // namespace privdnn
