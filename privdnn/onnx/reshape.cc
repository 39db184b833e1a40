// Operators that give a value or a constant another shape.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Dimensions that a value may get.
constexpr size_t kMaxRank = 64;
// Sides of blocks; their squares, and products with dimensions, fit 64 bits.
constexpr int64_t kMaxBlock = 1 << 15;

// `shape` without its dimensions `axes` (all that are 1 if there are none), which must be 1.
absl::StatusOr<std::vector<int64_t>> Squeezed(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                              bool keep_first) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto positive, SortedAxes(axes, shape.size()));
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
  if (axes.size() + shape.size() > kMaxRank)
    return InvalidArgument("{} dimensions, more than the {} allowed", axes.size() + shape.size(), kMaxRank);
  PRIVDNN_ASSIGN_OR_RETURN(const auto positive, SortedAxes(axes, shape.size() + axes.size()));
  if (keep_first && positive[0] == 0) return InvalidArgument("axis 0 is the batch");
  std::vector<int64_t> out;
  auto next = shape.begin();
  for (size_t i = 0; i < shape.size() + axes.size(); ++i) {
    out.push_back(std::binary_search(positive.begin(), positive.end(), i) ? 1 : *next++);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> OnnxImporter::AnyShapeOf(const std::string& value) {
  if (const IntTensor* ints = FoldedInts(value)) return ints->shape;
  if (const auto it = graph_.initializers.find(value); it != graph_.initializers.end()) return it->second.shape;
  return ShapeOf(value);
}

absl::StatusOr<std::vector<int64_t>> OnnxImporter::ReadAxes(Source& source, int64_t since) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < since ? 1 : 2));
  if (opset_ < since) return source.attributes.Ints("axes");
  if (source.inputs.size() < 2) return std::vector<int64_t>{};
  return FoldedIntVector(source, 1);
}

absl::Status OnnxImporter::ReshapeTo(const Source& source, std::vector<int64_t> shape) {
  if (IsConstant(source.inputs[0])) PRIVDNN_RETURN_IF_ERROR(budget_.Spend(shape));
  if (const IntTensor* ints = FoldedInts(source.inputs[0])) {
    return DefineFolded(source, IntTensor{std::move(shape), ints->values, ints->batch});
  }
  if (const Tensor* floats = FoldedFloats(source.inputs[0])) {
    return DefineFolded(source, Tensor{std::move(shape), floats->values});
  }
  shape[0] = 0;  // copies the batch
  return Append(source, op::Reshape{std::move(shape)}, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadSqueeze(Source& source) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto axes, ReadAxes(source, 13));
  if (moved_.contains(source.inputs[0])) return SqueezeBesideBatch(source, axes);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(auto target, Squeezed(shape, axes, !IsConstant(source.inputs[0])));
  return ReshapeTo(source, std::move(target));
}

absl::Status OnnxImporter::ReadUnsqueeze(Source& source) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto axes, ReadAxes(source, 13));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(auto target, Unsqueezed(shape, axes, !IsConstant(source.inputs[0])));
  return ReshapeTo(source, std::move(target));
}

absl::Status OnnxImporter::ReadFlatten(Source& source) {
  op::Flatten flatten;
  PRIVDNN_ASSIGN_OR_RETURN(flatten.axis, source.attributes.Int("axis", 1));
  return Append(source, flatten, source.inputs);
}

// Reads the target of a value's Reshape, whose first dimension becomes 0: it copies the batch.
absl::StatusOr<std::vector<int64_t>> OnnxImporter::ReadTarget(Source& source, int64_t allow_zero) {
  std::vector<int64_t> shape;
  const IntTensor* target = FoldedInts(source.inputs[1]);
  if (target != nullptr && target->shape.size() == 1 && !target->values.empty() && target->IsBatch(0)) {
    // The batch's size comes first: 0 copies it.
    IntTensor rest{{target->shape[0]}, target->values, target->batch};
    rest.batch[0] = false;
    if (std::count(rest.batch.begin(), rest.batch.end(), true) > 0)
      return InvalidArgument("its shape has the size of the batch behind its first dimension");
    shape = std::move(rest.values);
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(shape, FoldedIntVector(source, 1));
  }
  if (allow_zero != 0 && std::count(shape.begin(), shape.end(), 0) > 0) {
    return InvalidArgument("attribute 'allowzero' = {} is not supported", allow_zero);
  }
  // A model exported for one batch size names it here; it means "as many as there are".
  if (static_batch_.has_value() && !shape.empty() && shape[0] == *static_batch_) shape[0] = 0;
  return shape;
}

absl::Status OnnxImporter::ReadReshape(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t allow_zero, source.attributes.Int("allowzero", 0));
  if (IsConstant(source.inputs[0])) {
    PRIVDNN_ASSIGN_OR_RETURN(auto target, FoldedIntVector(source, 1));
    PRIVDNN_ASSIGN_OR_RETURN(const auto from, AnyShapeOf(source.inputs[0]));
    PRIVDNN_ASSIGN_OR_RETURN(target, ReshapedShape(from, std::move(target), allow_zero != 0));
    return ReshapeTo(source, std::move(target));
  }
  PRIVDNN_ASSIGN_OR_RETURN(auto target, ReadTarget(source, allow_zero));
  return Append(source, op::Reshape{std::move(target)}, {source.inputs[0]});
}

// (N, C, H b, W b) <- (N, C b b, H, W): blocks of channels become blocks of a map. In mode DCR the block's place is
// counted before the channel, in mode CRD behind it.
absl::Status OnnxImporter::ReadDepthToSpace(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t b, source.attributes.Int("blocksize", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const auto mode, source.attributes.String("mode", "DCR"));
  if (mode != "DCR" && mode != "CRD") return InvalidArgument("mode '{}' is unknown", mode);
  PRIVDNN_ASSIGN_OR_RETURN(const auto x, ShapeOf(source.inputs[0]));
  if (x.size() != 4 || b < 1 || b > kMaxBlock || x[1] % (b * b) != 0) {
    return InvalidArgument("blocks of {} do not divide ({})", b, fmt::join(x, ", "));
  }
  const int64_t channels = x[1] / (b * b);
  const bool first = mode == "DCR";
  const op::Reshape apart =
      first ? op::Reshape{{0, b, b, channels, x[2], x[3]}} : op::Reshape{{0, channels, b, b, x[2], x[3]}};
  const op::Transpose turn = first ? op::Transpose{{0, 3, 4, 1, 5, 2}} : op::Transpose{{0, 1, 4, 2, 5, 3}};
  PRIVDNN_ASSIGN_OR_RETURN(const std::string blocks, AppendPart(source, apart, {source.inputs[0]}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string turned, AppendPart(source, turn, {blocks}));
  return Append(source, op::Reshape{{0, channels, x[2] * b, x[3] * b}}, {turned});
}

absl::Status OnnxImporter::ReadSpaceToDepth(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t b, source.attributes.Int("blocksize", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const auto x, ShapeOf(source.inputs[0]));
  if (x.size() != 4 || b < 1 || b > kMaxBlock || x[2] % b != 0 || x[3] % b != 0) {
    return InvalidArgument("blocks of {} do not divide ({})", b, fmt::join(x, ", "));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string blocks,
                           AppendPart(source, op::Reshape{{0, x[1], x[2] / b, b, x[3] / b, b}}, {source.inputs[0]}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string turned, AppendPart(source, op::Transpose{{0, 3, 5, 1, 2, 4}}, {blocks}));
  return Append(source, op::Reshape{{0, x[1] * b * b, x[2] / b, x[3] / b}}, {turned});
}

}  // namespace privdnn
