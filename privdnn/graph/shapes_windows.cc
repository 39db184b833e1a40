// The shape rules of operators that slide over a map, sample it, or normalise.
#include <algorithm>

#include "privdnn/graph/shape_rule.h"

namespace privdnn {
namespace {

// Sides of sampled values. Tables of them are made when a graph is compiled.
constexpr int64_t kMaxResizedSide = int64_t{1} << 20;

absl::Status CheckWindow(const Window& window) {
  for (size_t i = 0; i < 2; ++i) {
    const int64_t begin = window.pads[i], end = window.pads[i + 2];
    if (window.kernel[i] < 1 || window.kernel[i] > kMaxExtent)
      return InvalidArgument("kernel side {} lies outside [1, 2^31]", window.kernel[i]);
    if (window.strides[i] < 1 || window.strides[i] > kMaxExtent)
      return InvalidArgument("stride {} lies outside [1, 2^31]", window.strides[i]);
    if (window.dilations[i] < 1 || window.dilations[i] > kMaxExtent)
      return InvalidArgument("dilation {} lies outside [1, 2^31]", window.dilations[i]);
    if (std::min(begin, end) < 0 || std::max(begin, end) > kMaxExtent)
      return InvalidArgument("pads {} and {} lie outside [0, 2^31]", begin, end);
  }
  return absl::OkStatus();
}

// (N, C, H, W) -> (N, channels, H', W'), H' = floor((H + pads - extent) / stride) + 1.
absl::StatusOr<Shape> SlideWindow(const Shape& x, const Window& window, int64_t channels) {
  PRIVDNN_RETURN_IF_ERROR(CheckWindow(window));
  Shape out = {x[0], channels, 0, 0}, padded = x;
  for (size_t i = 0; i < 2; ++i) {
    padded[i + 2] += window.pads[i] + window.pads[i + 2];
    if (padded[i + 2] < window.extent(i))
      return InvalidArgument("kernel side {} exceeds the padded input side {}", window.extent(i), padded[i + 2]);
    out[i + 2] = (padded[i + 2] - window.extent(i)) / window.strides[i] + 1;
  }
  // It is made where LibTorch's operators take no such pads.
  PRIVDNN_RETURN_IF_ERROR(ElementCount(padded).status());
  return out;
}

// A window of padding only has no maximum, and no average when padding isn't counted.
absl::Status CheckPadsBelowKernel(const Shape& x, const Window& window) {
  PRIVDNN_RETURN_IF_ERROR(CheckWindow(window));
  for (size_t i = 0; i < 4; ++i) {
    if (window.pads[i] >= window.extent(i % 2)) {
      return InvalidArgument("pad {} is not below the kernel side {}", window.pads[i], window.extent(i % 2));
    }
    if (window.pads[i] > 0 && window.dilations[i % 2] > x[2 + i % 2]) {
      return InvalidArgument("dilation {} exceeds the padded input's side {}: a window may hold padding only",
                             window.dilations[i % 2], x[2 + i % 2]);
    }
  }
  return absl::OkStatus();
}

// Weights of `channels` channels in groups: (first, -1, kernel); the bias has one number for each of `filters`.
absl::Status CheckGroups(int64_t groups, int64_t channels) {
  if (groups >= 1 && channels % groups == 0) return absl::OkStatus();
  return InvalidArgument("group {} does not divide the {} input channels", groups, channels);
}

absl::Status CheckEpsilon(float epsilon) {
  if (std::isfinite(epsilon) && epsilon >= 0) return absl::OkStatus();
  return InvalidArgument("epsilon {} is not >= 0", epsilon);
}

}  // namespace

absl::StatusOr<Shape> ShapeRule::operator()(const op::Conv& conv) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 3));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckRank(4));
  PRIVDNN_RETURN_IF_ERROR(CheckGroups(conv.groups, x()[1]));
  PRIVDNN_RETURN_IF_ERROR(CheckConstant(1, {-1, x()[1] / conv.groups, conv.window.kernel[0], conv.window.kernel[1]}));
  const int64_t filters = operands[1].shape[0];
  if (filters % conv.groups != 0)
    return InvalidArgument("group {} does not divide the {} filters", conv.groups, filters);
  if (operands.size() == 3) PRIVDNN_RETURN_IF_ERROR(CheckConstant(2, {filters}));
  return SlideWindow(x(), conv.window, filters);
}

// H' = stride (H - 1) + extent + output_padding - pads. What is cropped is computed too, so it must be small.
absl::StatusOr<Shape> ShapeRule::operator()(const op::ConvTranspose& conv) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 3));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckRank(4));
  PRIVDNN_RETURN_IF_ERROR(CheckGroups(conv.groups, x()[1]));
  const Window& w = conv.window;
  PRIVDNN_RETURN_IF_ERROR(CheckConstant(1, {x()[1], -1, w.kernel[0], w.kernel[1]}));
  PRIVDNN_RETURN_IF_ERROR(CheckWindow(w));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t filters, ElementCount({operands[1].shape[1], conv.groups}));
  if (operands.size() == 3) PRIVDNN_RETURN_IF_ERROR(CheckConstant(2, {filters}));
  Shape out = {x()[0], filters, 0, 0}, full = out;
  for (size_t i = 0; i < 2; ++i) {
    if (conv.output_padding[i] < 0 || conv.output_padding[i] >= std::max(w.strides[i], w.dilations[i])) {
      return InvalidArgument("output padding {} is not below stride {} or dilation {}", conv.output_padding[i],
                             w.strides[i], w.dilations[i]);
    }
    // At most 2^31 times 2^31 for each product.
    if (w.extent(i) > kMaxExtent || w.strides[i] * (x()[i + 2] - 1) > kMaxExtent)
      return InvalidArgument("an output side exceeds 2^31");
    full[i + 2] = w.strides[i] * (x()[i + 2] - 1) + w.extent(i);
    out[i + 2] = full[i + 2] + conv.output_padding[i] - w.pads[i] - w.pads[i + 2];
    if (out[i + 2] < 1) {
      return InvalidArgument("pads {} and {} leave nothing of the output side {}", w.pads[i], w.pads[i + 2],
                             full[i + 2] + conv.output_padding[i]);
    }
  }
  PRIVDNN_RETURN_IF_ERROR(ElementCount(full).status());
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::BatchNormalization& norm) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(5, 5));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckMinRank(2));
  for (size_t i = 1; i < 5; ++i) PRIVDNN_RETURN_IF_ERROR(CheckConstant(i, {x()[1]}));
  PRIVDNN_RETURN_IF_ERROR(CheckEpsilon(norm.epsilon));
  for (const float variance : operands[4].constant->values) {
    if (!(variance + norm.epsilon > 0)) return InvalidArgument("variance {} + epsilon is not positive", variance);
  }
  return x();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::LayerNormalization& norm) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(2, 3));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckEpsilon(norm.epsilon));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(norm.axis, x().size()));
  const Shape normalised(x().begin() + static_cast<std::ptrdiff_t>(axis), x().end());
  for (size_t i = 1; i < operands.size(); ++i) PRIVDNN_RETURN_IF_ERROR(CheckConstant(i, normalised));
  return x();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::GroupNormalization& norm) const {
  PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(3, 3));
  PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
  PRIVDNN_RETURN_IF_ERROR(CheckMinRank(3));
  PRIVDNN_RETURN_IF_ERROR(CheckEpsilon(norm.epsilon));
  PRIVDNN_RETURN_IF_ERROR(CheckGroups(norm.groups, x()[1]));
  for (size_t i = 1; i < 3; ++i) PRIVDNN_RETURN_IF_ERROR(CheckConstant(i, {x()[1]}));
  return x();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::LRN& norm) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_RETURN_IF_ERROR(CheckMinRank(3));
  if (norm.size < 1 || norm.size > kMaxExtent) return InvalidArgument("size {} lies outside [1, 2^31]", norm.size);
  Shape padded = x();  // what is averaged
  padded[1] += norm.size - 1;
  PRIVDNN_RETURN_IF_ERROR(ElementCount(padded).status());
  return Activation({norm.alpha, norm.beta, norm.bias});
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::AveragePool& pool) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_RETURN_IF_ERROR(CheckRank(4));
  if (pool.window.dilations != Window{}.dilations) return InvalidArgument("dilations are not supported");
  if (!pool.count_include_pad) PRIVDNN_RETURN_IF_ERROR(CheckPadsBelowKernel(x(), pool.window));
  return SlideWindow(x(), pool.window, x()[1]);
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::MaxPool& pool) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_RETURN_IF_ERROR(CheckRank(4));
  PRIVDNN_RETURN_IF_ERROR(CheckPadsBelowKernel(x(), pool.window));
  return SlideWindow(x(), pool.window, x()[1]);
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Resize& resize) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  const size_t sampled = x().size() - 1;
  if (resize.sizes.size() != sampled)
    return InvalidArgument("{} sizes for {} dimensions besides the batch", resize.sizes.size(), sampled);
  if (!resize.scales.empty() && resize.scales.size() != sampled)
    return InvalidArgument("{} scales for {} dimensions besides the batch", resize.scales.size(), sampled);
  Shape out = {x()[0]};
  for (size_t i = 0; i < sampled; ++i) {
    const int64_t side = resize.sizes[i];
    if (side < 1 || (side > kMaxResizedSide && side != x()[i + 1]))
      return InvalidArgument("size {} lies outside [1, 2^20]", side);
    if (!resize.scales.empty()) {
      const float scale = resize.scales[i];
      if (!(scale > 0) || !std::isfinite(scale) || std::floor(scale * static_cast<float>(x()[i + 1])) != side)
        return InvalidArgument("scale {} does not make {} of {}", scale, side, x()[i + 1]);
    }
    out.push_back(side);
  }
  return out;
}

}  // namespace privdnn
