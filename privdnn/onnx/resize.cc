// Resize and its predecessor Upsample.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

using Resize = op::Resize;

template <typename T>
absl::StatusOr<T> Choose(const std::string& attribute, const std::string& value,
                         const std::map<std::string, T>& known) {
  const auto it = known.find(value);
  if (it != known.end()) return it->second;
  std::vector<std::string> names;
  for (const auto& [name, meaning] : known) names.push_back(name);
  return InvalidArgument("{} '{}' is not supported (supported: {})", attribute, value, fmt::join(names, ", "));
}

absl::StatusOr<Resize::Mode> ReadMode(Attributes& attributes) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto mode, attributes.String("mode", "nearest"));
  return Choose<Resize::Mode>(
      "mode", mode,
      {{"nearest", Resize::Mode::kNearest}, {"linear", Resize::Mode::kLinear}, {"bilinear", Resize::Mode::kLinear}});
}

// What operator set 10 and Upsample say nothing about: where points are, and that sides shrink to the later ones.
absl::Status SetOldRules(const std::vector<int64_t>& shape, Resize& resize) {
  resize.coordinates = Resize::Coordinates::kAsymmetric;
  bool shrinks = false, grows = false;
  for (size_t i = 0; i < resize.sizes.size(); ++i) {
    shrinks = shrinks || resize.sizes[i] < shape[i + 1];
    grows = grows || resize.sizes[i] > shape[i + 1];
  }
  if (resize.mode == Resize::Mode::kNearest) {
    if (shrinks && grows) return InvalidArgument("that makes one side larger, another smaller, is not supported");
    resize.rounding = shrinks ? Resize::Rounding::kCeil : Resize::Rounding::kFloor;
  }
  return absl::OkStatus();
}

absl::Status ReadNewRules(Attributes& attributes, Resize& resize) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto mode, attributes.String("coordinate_transformation_mode", "half_pixel"));
  using Coordinates = Resize::Coordinates;
  PRIVDNN_ASSIGN_OR_RETURN(resize.coordinates,
                           Choose<Coordinates>("coordinate_transformation_mode", mode,
                                               {{"align_corners", Coordinates::kAlignCorners},
                                                {"asymmetric", Coordinates::kAsymmetric},
                                                {"half_pixel", Coordinates::kHalfPixel},
                                                {"half_pixel_symmetric", Coordinates::kHalfPixelSymmetric},
                                                {"pytorch_half_pixel", Coordinates::kPytorchHalfPixel},
                                                {"tf_half_pixel_for_nn", Coordinates::kTfHalfPixel}}));
  PRIVDNN_ASSIGN_OR_RETURN(const auto nearest, attributes.String("nearest_mode", "round_prefer_floor"));
  using Rounding = Resize::Rounding;
  PRIVDNN_ASSIGN_OR_RETURN(const auto rounding, Choose<Rounding>("nearest_mode", nearest,
                                                                 {{"ceil", Rounding::kCeil},
                                                                  {"floor", Rounding::kFloor},
                                                                  {"round_prefer_ceil", Rounding::kPreferCeil},
                                                                  {"round_prefer_floor", Rounding::kPreferFloor}}));
  if (resize.mode == Resize::Mode::kNearest) resize.rounding = rounding;
  // Rules of other modes.
  for (const char* name : {"cubic_coeff_a", "exclude_outside", "extrapolation_value"}) attributes.Ignore(name);
  PRIVDNN_RETURN_IF_ERROR(attributes.ExpectInt("antialias", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const auto policy, attributes.String("keep_aspect_ratio_policy", "stretch"));
  if (policy != "stretch") return InvalidArgument("keep_aspect_ratio_policy '{}' is not supported", policy);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Resize> OnnxImporter::ResizeBySizes(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                                   const IntTensor& sizes) const {
  if (sizes.values.size() != axes.size())
    return InvalidArgument("{} sizes for {} axes", sizes.values.size(), axes.size());
  Resize resize;
  resize.sizes.assign(shape.begin() + 1, shape.end());
  for (size_t i = 0; i < axes.size(); ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(axes[i], shape.size()));
    const int64_t size = sizes.values[i];
    if (axis == 0 ? !sizes.IsBatch(i) && size != static_batch_.value_or(1) : sizes.IsBatch(i))
      return InvalidArgument("its sizes have the size of the batch in the wrong place");
    if (axis > 0) resize.sizes[axis - 1] = size;
  }
  return resize;
}

absl::StatusOr<Resize> OnnxImporter::ResizeByScales(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                                    const std::vector<float>& scales) const {
  if (scales.size() != axes.size()) return InvalidArgument("{} scales for {} axes", scales.size(), axes.size());
  Resize resize;
  resize.sizes.assign(shape.begin() + 1, shape.end());
  resize.scales.assign(resize.sizes.size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, ConstantAxis(axes[i], shape.size()));
    if (axis == 0 && scales[i] != 1) return InvalidArgument("scale {} of the batch is not 1", scales[i]);
    if (axis == 0) continue;
    const float side = std::floor(scales[i] * static_cast<float>(shape[axis]));
    if (!(side >= 1 && side <= static_cast<float>(kMaxExtent)))
      return InvalidArgument("scale {} of a side of {}", scales[i], shape[axis]);
    resize.scales[axis - 1] = scales[i];
    resize.sizes[axis - 1] = static_cast<int64_t>(side);
  }
  return resize;
}

absl::Status OnnxImporter::ReadResize(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, opset_ < 11 ? 2 : 4));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  std::vector<int64_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (source.attributes.Has("axes")) {
    PRIVDNN_ASSIGN_OR_RETURN(axes, source.attributes.Ints("axes"));
    PRIVDNN_RETURN_IF_ERROR(SortedAxes(axes, shape.size()).status());
  }
  if (opset_ >= 11) FoldedFloats(source.inputs[1]);  // the region, of another mode
  Resize resize;
  const IntTensor* sizes = source.inputs.size() > 3 ? FoldedInts(source.inputs[3]) : nullptr;
  const size_t at = opset_ < 11 ? 1 : 2;
  const Tensor* scales = source.inputs.size() > at ? FoldedFloats(source.inputs[at]) : nullptr;
  if (sizes != nullptr && sizes->shape.size() == 1) {
    PRIVDNN_ASSIGN_OR_RETURN(resize, ResizeBySizes(shape, axes, *sizes));
  } else if (scales != nullptr && scales->shape.size() == 1) {
    PRIVDNN_ASSIGN_OR_RETURN(resize, ResizeByScales(shape, axes, scales->values));
  } else {
    return InvalidArgument("its scales or sizes must be a constant vector");
  }
  PRIVDNN_ASSIGN_OR_RETURN(resize.mode, ReadMode(source.attributes));
  PRIVDNN_RETURN_IF_ERROR(opset_ < 11 ? SetOldRules(shape, resize) : ReadNewRules(source.attributes, resize));
  return Append(source, std::move(resize), {source.inputs[0]});
}

absl::Status OnnxImporter::ReadUpsample(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 9 ? 1 : 2));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  std::vector<int64_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  std::vector<float> scales;
  if (opset_ < 9) {
    PRIVDNN_ASSIGN_OR_RETURN(scales, source.attributes.Floats("scales"));
  } else if (const Tensor* constant = source.inputs.size() > 1 ? FoldedFloats(source.inputs[1]) : nullptr) {
    scales = constant->values;
  }
  PRIVDNN_ASSIGN_OR_RETURN(Resize resize, ResizeByScales(shape, axes, scales));
  PRIVDNN_ASSIGN_OR_RETURN(resize.mode, ReadMode(source.attributes));
  PRIVDNN_RETURN_IF_ERROR(SetOldRules(shape, resize));
  return Append(source, std::move(resize), {source.inputs[0]});
}

}  // namespace privdnn
