// What slides over a map: convolutions and pools.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

// Pads of one axis under SAME: output side = ceil(side / stride), the odd zero at the end (UPPER) or the beginning
// (LOWER).
std::array<int64_t, 2> SamePads(int64_t side, int64_t extent, int64_t stride, bool upper) {
  const int64_t outputs = (side + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((outputs - 1) * stride + extent - side, 0);
  const int64_t small = total / 2;
  return upper ? std::array{small, total - small} : std::array{total - small, small};
}

// Attribute of one element for each spatial dimension: two, or one in a row.
absl::StatusOr<std::array<int64_t, 2>> ReadPair(Attributes& attributes, const std::string& name, bool row,
                                                std::array<int64_t, 2> fallback, int64_t min = 1) {
  PRIVDNN_ASSIGN_OR_RETURN(auto values, attributes.Ints(name));
  if (values.empty()) return fallback;
  const size_t needed = row ? 1 : 2;
  if (values.size() != needed)
    return InvalidArgument("attribute '{}' has {} elements, needs {}", name, values.size(), needed);
  for (const int64_t v : values) {
    if (v < min || v > kMaxExtent) return InvalidArgument("attribute '{}' = {} lies outside [{}, 2^31]", name, v, min);
  }
  return row ? std::array{fallback[0], values[0]} : std::array{values[0], values[1]};
}

bool AnyPad(const std::array<int64_t, 4>& pads) { return pads != std::array<int64_t, 4>{}; }

op::Pad ToPad(const std::array<int64_t, 4>& pads) { return {{0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}, 0}; }

}  // namespace

absl::StatusOr<std::array<int64_t, 4>> ToPads(const std::vector<int64_t>& values, bool row) {
  const size_t needed = row ? 2 : 4;
  if (values.size() != needed) return InvalidArgument("{} pads given, needs {}", values.size(), needed);
  for (const int64_t v : values) {
    if (v < 0 || v > kMaxExtent) return InvalidArgument("pad {} lies outside [0, 2^31]", v);
  }
  if (row) return std::array<int64_t, 4>{0, values[0], 0, values[1]};
  return std::array{values[0], values[1], values[2], values[3]};
}

absl::StatusOr<std::array<int64_t, 4>> AddPads(const std::array<int64_t, 4>& a, const std::array<int64_t, 4>& b) {
  return ToPads({a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]});
}

OnnxImporter::PaddedValue OnnxImporter::Unpad(const std::string& value) const {
  const auto it = padded_.find(value);
  return it == padded_.end() ? PaddedValue{value, {}, {}} : it->second;
}

absl::StatusOr<OnnxImporter::MapInput> OnnxImporter::ReadMap(const Source& source, PaddedValue x) {
  MapInput map{std::move(x), {}, false};
  PRIVDNN_ASSIGN_OR_RETURN(map.shape, ShapeOf(map.x.value));
  map.row = map.shape.size() == 3;
  if (map.row) {
    PRIVDNN_ASSIGN_OR_RETURN(map.x.value, MapOf(source, map.x.value));
    map.shape = shapes_.at(map.x.value);
  }
  if (map.shape.size() != 4) {
    return InvalidArgument("its input has {} dimensions, needs 4, or 3 for one spatial dimension", map.shape.size());
  }
  for (size_t i = 0; i < 4; ++i) map.shape[2 + i % 2] += map.x.pads[i];
  return map;
}

absl::Status OnnxImporter::AppendWindow(const Source& source, const MapInput& map, Op op,
                                        std::vector<std::string> inputs) {
  return map.row ? AppendRow(source, std::move(op), std::move(inputs))
                 : Append(source, std::move(op), std::move(inputs));
}

absl::StatusOr<Window> OnnxImporter::ReadSides(Source& source, bool row, std::optional<std::array<int64_t, 2>> kernel) {
  Window window;
  if (!kernel.has_value() && !source.attributes.Has("kernel_shape"))
    return InvalidArgument("attribute 'kernel_shape' is missing");
  PRIVDNN_ASSIGN_OR_RETURN(window.kernel,
                           ReadPair(source.attributes, "kernel_shape", row, kernel.value_or(window.kernel)));
  if (kernel.has_value() && window.kernel != *kernel)
    return InvalidArgument("attribute 'kernel_shape' contradicts the weights");
  PRIVDNN_ASSIGN_OR_RETURN(window.strides, ReadPair(source.attributes, "strides", row, window.strides));
  PRIVDNN_ASSIGN_OR_RETURN(window.dilations, ReadPair(source.attributes, "dilations", row, window.dilations));
  return window;
}

absl::StatusOr<Window> OnnxImporter::ReadWindow(Source& source, const MapInput& map,
                                                std::optional<std::array<int64_t, 2>> kernel) {
  PRIVDNN_ASSIGN_OR_RETURN(Window window, ReadSides(source, map.row, kernel));
  PRIVDNN_ASSIGN_OR_RETURN(const auto pads, source.attributes.Ints("pads"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto auto_pad, source.attributes.String("auto_pad", "NOTSET"));
  if (auto_pad == "NOTSET") {
    if (!pads.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(window.pads, ToPads(pads, map.row));
    }
    return window;
  }
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; })) {
    return InvalidArgument("both auto_pad = {} and pads are given", auto_pad);
  }
  if (auto_pad == "VALID") return window;
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
    return InvalidArgument("auto_pad = '{}' is unknown", auto_pad);
  for (size_t i = 0; i < 2; ++i) {
    const auto same = SamePads(map.shape[i + 2], window.extent(i), window.strides[i], auto_pad == "SAME_UPPER");
    window.pads[i] = same[0];
    window.pads[i + 2] = same[1];
  }
  return window;
}

absl::StatusOr<std::array<int64_t, 4>> OnnxImporter::ReadCeilMode(Source& source, const Window& window,
                                                                  const std::vector<int64_t>& shape) {
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t ceil_mode, source.attributes.Int("ceil_mode", 0));
  std::array<int64_t, 4> extra{};
  if (ceil_mode == 0) return extra;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t begin = window.pads[i], stride = window.strides[i];
    const int64_t padded = shape[i + 2] + begin + window.pads[i + 2];
    if (padded < window.extent(i)) continue;  // refused with the node
    const int64_t rest = (padded - window.extent(i)) % stride;
    if (rest == 0) continue;
    extra[i + 2] = stride - rest;
    const int64_t last = padded + extra[i + 2] - window.extent(i);
    if (last >= shape[i + 2] + begin) {
      return InvalidArgument(
          "ceil_mode = 1 is not supported where a window starts in the padding (side {}, kernel {}, stride {}, pads {} "
          "and {})",
          shape[i + 2], window.extent(i), stride, begin, window.pads[i + 2]);
    }
  }
  return extra;
}

absl::StatusOr<std::string> OnnxImporter::ReadWeights(Source& source, const MapInput& map) {
  const auto weights = graph_.initializers.find(source.inputs[1]);
  const size_t rank = map.row ? 3 : 4;
  if (weights == graph_.initializers.end() || weights->second.shape.size() != rank) {
    return InvalidArgument("its weights '{}' must be a constant with {} dimensions", source.inputs[1], rank);
  }
  return map.row ? MapOf(source, source.inputs[1]) : source.inputs[1];
}

absl::Status OnnxImporter::ReadConv(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 3));
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, Unpad(source.inputs[0])));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string weights, ReadWeights(source, map));
  const auto& shape = graph_.initializers.at(weights).shape;
  op::Conv conv;
  PRIVDNN_ASSIGN_OR_RETURN(conv.window, ReadWindow(source, map, std::array{shape[2], shape[3]}));
  PRIVDNN_ASSIGN_OR_RETURN(conv.window.pads, AddPads(conv.window.pads, map.x.pads));
  PRIVDNN_ASSIGN_OR_RETURN(conv.groups, source.attributes.Int("group", 1));
  std::vector<std::string> inputs = {map.x.value, weights};
  if (source.inputs.size() > 2) inputs.push_back(source.inputs[2]);
  return AppendWindow(source, map, conv, std::move(inputs));
}

absl::Status OnnxImporter::ReadTransposePads(Source& source, const MapInput& map, op::ConvTranspose& conv) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto pads, source.attributes.Ints("pads"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto auto_pad, source.attributes.String("auto_pad", "NOTSET"));
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID")
    return InvalidArgument("auto_pad = '{}' is unknown", auto_pad);
  Window& window = conv.window;
  if (!same && !pads.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(window.pads, ToPads(pads, map.row));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto stated, source.attributes.Ints("output_shape"));
  if (!same && stated.empty()) return absl::OkStatus();
  const size_t axes = map.row ? 1 : 2;
  if (!stated.empty() && stated.size() < axes)
    return InvalidArgument("attribute 'output_shape' has {} elements, needs {}", stated.size(), axes);
  for (size_t i = 2 - axes; i < 2; ++i) {
    const int64_t side = map.shape[i + 2], stride = window.strides[i];
    if (stride > kMaxExtent / side || window.extent(i) > kMaxExtent)
      return InvalidArgument("an output side exceeds 2^31");
    const int64_t full = stride * (side - 1) + window.extent(i) + conv.output_padding[i];
    // Some exporters put batch and channels in front.
    const int64_t wanted = stated.empty() ? side * stride : stated[stated.size() - 2 + i];
    if (wanted < 1 || wanted > full) return InvalidArgument("an output side of {} can't be {}", full, wanted);
    const int64_t total = full - wanted, small = total / 2;
    window.pads[i] = auto_pad == "SAME_UPPER" ? small : total - small;
    window.pads[i + 2] = total - window.pads[i];
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadConvTranspose(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 3));
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, {source.inputs[0], {}, {}}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string weights, ReadWeights(source, map));
  const auto& shape = graph_.initializers.at(weights).shape;
  op::ConvTranspose conv;
  PRIVDNN_ASSIGN_OR_RETURN(conv.window, ReadSides(source, map.row, std::array{shape[2], shape[3]}));
  PRIVDNN_ASSIGN_OR_RETURN(conv.output_padding,
                           ReadPair(source.attributes, "output_padding", map.row, conv.output_padding, 0));
  PRIVDNN_ASSIGN_OR_RETURN(conv.groups, source.attributes.Int("group", 1));
  PRIVDNN_RETURN_IF_ERROR(ReadTransposePads(source, map, conv));
  std::vector<std::string> inputs = {map.x.value, weights};
  if (source.inputs.size() > 2) inputs.push_back(source.inputs[2]);
  return AppendWindow(source, map, conv, std::move(inputs));
}

absl::Status OnnxImporter::ReadAveragePool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  if (const auto shape = shapes_.find(source.inputs[0]); shape != shapes_.end() && shape->second.size() == 5) {
    return ReadDeepAveragePool(source, shape->second);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, Unpad(source.inputs[0])));
  const PaddedValue& x = map.x;
  op::AveragePool pool;
  PRIVDNN_ASSIGN_OR_RETURN(pool.window, ReadWindow(source, map, std::nullopt));
  PRIVDNN_ASSIGN_OR_RETURN(const auto extra, ReadCeilMode(source, pool.window, map.shape));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t include, source.attributes.Int("count_include_pad", 0));
  pool.count_include_pad = include != 0;
  std::string value = x.value;
  if (AnyPad(x.pads) && AnyPad(pool.window.pads) && !pool.count_include_pad) {
    value = source.inputs[0];  // the zeros of a Pad node are counted, those of the pool are not
    PRIVDNN_RETURN_IF_ERROR(ShapeOf(value).status());
  } else if (AnyPad(x.pads)) {
    pool.count_include_pad = true;
    PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, x.pads));
  }
  if (AnyPad(extra)) {
    // Cells behind the padding never count, those of padding do: what is counted gets a node of its own.
    if (pool.count_include_pad && AnyPad(pool.window.pads)) {
      PRIVDNN_ASSIGN_OR_RETURN(value, AppendPart(source, ToPad(pool.window.pads), {value}));
      pool.window.pads = {};
    }
    pool.count_include_pad = false;
    PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, extra));
  }
  return AppendWindow(source, map, pool, {value});
}

// Over (N, C, D, H, W) with a window of height and width 1, as exporters write averages over channels: D is a side of
// the map (N, C, D, H W).
absl::Status OnnxImporter::ReadDeepAveragePool(Source& source, const std::vector<int64_t>& shape) {
  std::array<std::vector<int64_t>, 3> attributes;
  for (size_t i = 0; i < 3; ++i) {
    const char* const names[] = {"kernel_shape", "strides", "pads"};
    PRIVDNN_ASSIGN_OR_RETURN(attributes[i], source.attributes.Ints(names[i]));
    if (attributes[i].empty()) attributes[i].assign(i < 2 ? 3 : 6, i < 2 ? 1 : 0);
    if (attributes[i].size() != (i < 2 ? 3 : 6))
      return InvalidArgument("attribute '{}' has {} elements", names[i], attributes[i].size());
  }
  const auto& [kernel, strides, pads] = attributes;
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("ceil_mode", 0));
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInts("dilations", 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t include, source.attributes.Int("count_include_pad", 0));
  const bool flat = kernel[1] == 1 && kernel[2] == 1 && strides[1] == 1 && strides[2] == 1 && pads[1] == 0 &&
                    pads[2] == 0 && pads[4] == 0 && pads[5] == 0;
  if (!flat) return InvalidArgument("is supported for 3 spatial dimensions only if kernel_shape is (k, 1, 1)");
  const op::AveragePool pool{{{kernel[0], 1}, {strides[0], 1}, {pads[0], 0, pads[3], 0}}, include != 0};
  PRIVDNN_ASSIGN_OR_RETURN(const std::string map,
                           AppendPart(source, op::Reshape{{0, shape[1], shape[2], -1}}, {source.inputs[0]}));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string averages, AppendPart(source, pool, {map}));
  return Append(source, op::Reshape{{0, shape[1], shapes_.at(averages)[2], shape[3], shape[4]}}, {averages});
}

absl::Status OnnxImporter::ReadMaxPool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  // The zeros of a Pad node count, those of a pool do not.
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, {source.inputs[0], {}, {}}));
  op::MaxPool pool;
  PRIVDNN_ASSIGN_OR_RETURN(pool.window, ReadWindow(source, map, std::nullopt));
  PRIVDNN_ASSIGN_OR_RETURN(const auto extra, ReadCeilMode(source, pool.window, map.shape));
  PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, extra));
  source.attributes.Ignore("storage_order");  // orders the indices of the second output only
  return AppendWindow(source, map, pool, {map.x.value});
}

absl::Status OnnxImporter::ReadGlobalAveragePool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, {source.inputs[0], {}, {}}));
  op::AveragePool pool;
  pool.window.kernel = {map.shape[2], map.shape[3]};
  return AppendWindow(source, map, pool, {map.x.value});
}

absl::Status OnnxImporter::ReadGlobalMaxPool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const MapInput map, ReadMap(source, {source.inputs[0], {}, {}}));
  op::MaxPool pool;
  pool.window.kernel = {map.shape[2], map.shape[3]};
  return AppendWindow(source, map, pool, {map.x.value});
}

}  // namespace privdnn
