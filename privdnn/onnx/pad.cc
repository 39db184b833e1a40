// Pad nodes, which windows behind them may take over.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstdlib>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Of what a mode other than constant pads.
constexpr int64_t kMaxMirroredSide = int64_t{1} << 20;

// The cell of a side that position `i`, outside it, copies.
int64_t Mirrored(const std::string& mode, int64_t i, int64_t side) {
  if (mode == "edge") return std::clamp<int64_t>(i, 0, side - 1);
  if (mode == "wrap") return ((i % side) + side) % side;
  if (i < 0) i = -i;
  return i < side ? i : 2 * (side - 1) - i;
}

bool AllZero(const std::vector<int64_t>& pads) {
  return std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; });
}

}  // namespace

// Pads before every dimension, then behind every dimension.
absl::StatusOr<std::vector<int64_t>> OnnxImporter::ReadPads(Source& source, size_t rank) {
  if (opset_ < 11) return source.attributes.Ints("pads");
  PRIVDNN_ASSIGN_OR_RETURN(auto pads, FoldedIntVector(source, 1));
  if (source.inputs.size() < 4) return pads;
  PRIVDNN_ASSIGN_OR_RETURN(const auto axes, FoldedIntVector(source, 3));
  PRIVDNN_RETURN_IF_ERROR(SortedAxes(axes, rank).status());
  if (pads.size() != 2 * axes.size()) return InvalidArgument("{} pads for {} axes", pads.size(), axes.size());
  std::vector<int64_t> all(2 * rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(axes[i], rank));
    all[axis] = pads[i];
    all[axis + rank] = pads[i + axes.size()];
  }
  return all;
}

// Copies of cells make up what is padded.
absl::Status OnnxImporter::AppendMirroredPad(const Source& source, const std::string& mode,
                                             const std::vector<int64_t>& pads) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  const size_t rank = shape.size();
  if (pads.size() != 2 * rank) return InvalidArgument("{} pads for {} dimensions", pads.size(), rank);
  if (pads[0] != 0 || pads[rank] != 0) return InvalidArgument("pads the batch");
  std::string value = source.inputs[0];
  for (size_t axis = 1; axis < rank; ++axis) {
    const int64_t side = shape[axis], begin = pads[axis], end = pads[axis + rank];
    if (begin == 0 && end == 0) continue;
    const int64_t most = mode == "reflect" ? side - 1 : kMaxMirroredSide;
    if (std::min(begin, end) < 0 || std::max(begin, end) > most || side > kMaxMirroredSide)
      return InvalidArgument("pads {} and {} of a side of {}", begin, end, side);
    op::Gather gather{static_cast<int64_t>(axis), {}};
    for (int64_t i = -begin; i < side + end; ++i) gather.indices.push_back(Mirrored(mode, i, side));
    PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, std::move(gather), {value}));
  }
  return AppendAlias(source, value);
}

absl::Status OnnxImporter::ReadPad(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 11 ? 1 : opset_ < 18 ? 3 : 4));
  PRIVDNN_ASSIGN_OR_RETURN(const auto mode, source.attributes.String("mode", "constant"));
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    return InvalidArgument("mode '{}' is not supported (supported: constant, edge, reflect, wrap)", mode);
  float fill = 0;
  if (opset_ < 11) {
    PRIVDNN_ASSIGN_OR_RETURN(fill, source.attributes.Float("value", 0));
  } else if (source.inputs.size() > 2 && !source.inputs[2].empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(fill, FoldedFloat(source.inputs[2]));
  }
  const PaddedValue x = Unpad(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(x.value));
  PRIVDNN_ASSIGN_OR_RETURN(auto all, ReadPads(source, shape.size()));
  if (all.size() == 2 * shape.size() && AllZero(all)) return AppendAlias(source, source.inputs[0]);
  if (mode != "constant") return AppendMirroredPad(source, mode, all);
  const bool maps_only =
      shape.size() == 4 && all.size() == 8 && all[0] == 0 && all[1] == 0 && all[4] == 0 && all[5] == 0;
  if (fill != 0 || !maps_only) return Append(source, op::Pad{std::move(all), fill}, {source.inputs[0]});
  PRIVDNN_ASSIGN_OR_RETURN(auto pads, ToPads({all[2], all[3], all[6], all[7]}));
  PRIVDNN_ASSIGN_OR_RETURN(pads, AddPads(pads, x.pads));
  PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(0)));
  padded_[source.proto.output(0)] = {x.value, pads, UniqueNodeName(source.proto)};
  return absl::OkStatus();
}

}  // namespace privdnn
