#include "privdnn/torch/resize.h"

#include <algorithm>
#include <cmath>

namespace privdnn {
namespace {

using Resize = op::Resize;

// Where output point `i` of `size` is in an input of `side`.
float Coordinate(const Resize& resize, float i, float side, float size, float scale) {
  switch (resize.coordinates) {
    case Resize::Coordinates::kHalfPixel:
      return (i + 0.5f) / scale - 0.5f;
    case Resize::Coordinates::kHalfPixelSymmetric: {
      // The output as a whole stays centred if its size was rounded.
      const float offset = side / 2 * (1 - size / (scale * side));
      return offset + (i + 0.5f) / scale - 0.5f;
    }
    case Resize::Coordinates::kPytorchHalfPixel:
      return size > 1 ? (i + 0.5f) / scale - 0.5f : 0;
    case Resize::Coordinates::kAlignCorners:
      return size > 1 ? i * (side - 1) / (size - 1) : 0;
    case Resize::Coordinates::kAsymmetric:
      return i / scale;
    case Resize::Coordinates::kTfHalfPixel:
      return (i + 0.5f) / scale;
  }
  return 0;  // never: the cases are all there are
}

float Rounded(Resize::Rounding rounding, float at) {
  switch (rounding) {
    case Resize::Rounding::kPreferFloor:
      return std::ceil(at - 0.5f);
    case Resize::Rounding::kPreferCeil:
      return std::floor(at + 0.5f);
    case Resize::Rounding::kFloor:
      return std::floor(at);
    case Resize::Rounding::kCeil:
      return std::ceil(at);
  }
  return 0;  // never
}

}  // namespace

Samples SamplesOf(const Resize& resize, size_t dimension, int64_t side) {
  const int64_t size = resize.sizes[dimension];
  const auto from = static_cast<float>(side), to = static_cast<float>(size);
  const float scale = resize.scales.empty() ? to / from : resize.scales[dimension];
  Samples samples;
  if (size == side && scale == 1) return samples;
  for (int64_t i = 0; i < size; ++i) {
    const float at = Coordinate(resize, static_cast<float>(i), from, to, scale);
    if (resize.mode == Resize::Mode::kNearest) {
      samples.low.push_back(static_cast<int64_t>(std::clamp(Rounded(resize.rounding, at), 0.0f, from - 1)));
    } else {
      const float inside = std::clamp(at, 0.0f, from - 1);
      samples.low.push_back(static_cast<int64_t>(inside));
      samples.high.push_back(std::min(samples.low.back() + 1, side - 1));
      samples.share.push_back(inside - std::floor(inside));
    }
  }
  return samples;
}

}  // namespace privdnn
