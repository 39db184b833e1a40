#include "privdnn/segment/quantized.h"

#include <algorithm>
#include <cmath>

namespace privdnn {

int QuantizedSegment::plain_bits() const {
  int l = 2;
  while ((int64_t{1} << (l - 1)) <= worst_case) ++l;
  return l;
}

Clamping& Clamping::operator+=(const Clamping& other) {
  values += other.values;
  clamped += other.clamped;
  images_clamped += other.images_clamped;
  return *this;
}

std::vector<int16_t> QuantizeInput(const Geometry& g, std::span<const float> image) {
  Clamping ignored;
  return QuantizeInput(g, image, ignored);
}

std::vector<int16_t> QuantizeInput(const Geometry& g, std::span<const float> image, Clamping& clamping) {
  const SegmentSpec& s = g.spec();
  const Size2 z = g.z_map();
  std::vector<int16_t> out;
  out.reserve(static_cast<size_t>(s.channels) * z.h * z.w);
  // x at padded coordinates
  const auto pixel = [&](uint32_t c, uint32_t row, uint32_t column) -> double {
    const int64_t i = int64_t{row} - s.pads1.top, j = int64_t{column} - s.pads1.left;
    if (i < 0 || j < 0 || i >= s.input.h || j >= s.input.w) return 0;
    return static_cast<double>(
        image[(static_cast<size_t>(c) * s.input.h + static_cast<size_t>(i)) * s.input.w + static_cast<size_t>(j)]);
  };
  uint64_t clamped = 0;
  const double inverse = 1.0 / (s.input_scale * s.pool1.h * s.pool1.w);
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t a = 0; a < z.h; ++a) {
      for (uint32_t b = 0; b < z.w; ++b) {
        double sum = 0;
        for (uint32_t i = 0; i < s.pool1.h; ++i) {
          for (uint32_t j = 0; j < s.pool1.w; ++j) sum += pixel(c, a + i * s.stride1.h, b + j * s.stride1.w);
        }
        const double v = std::nearbyint(sum * inverse) + s.zero_point, z_max = g.z_max();
        clamped += !(std::fabs(v) <= z_max);
        // Written so that a NaN falls to -z_max, which std::clamp leaves a NaN.
        out.push_back(static_cast<int16_t>(v > -z_max ? std::min(v, z_max) : -z_max));
      }
    }
  }
  clamping += {out.size(), clamped, clamped > 0};
  return out;
}

}  // namespace privdnn
