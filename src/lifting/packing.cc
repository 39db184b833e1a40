#include "lifting/packing.h"

#include <algorithm>

namespace privdnn {

FeaturePlanes::FeaturePlanes(const Geometry& g, std::span<const int16_t> z) {
  const SegmentSpec& s = g.spec();
  planes_.reserve(static_cast<size_t>(g.window()) * g.layer1().h * g.layer1().w);
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t a = 0; a < s.kernel1.h; ++a) {
      for (uint32_t b = 0; b < s.kernel1.w; ++b) {
        for (uint32_t h = 0; h < g.layer1().h; ++h) {
          const size_t row = (c * g.z_map().h + h * g.z_stride().h + a) * g.z_map().w + b;
          for (uint32_t w = 0; w < g.layer1().w; ++w) planes_.push_back(z[row + w * g.z_stride().w]);
        }
      }
    }
  }
}

void FeaturePlanes::Fill(const Geometry& g, size_t term, std::span<int32_t> out) const {
  const size_t rows = g.layer1().h, columns = g.layer1().w, plane = rows * columns;
  const size_t hw = static_cast<size_t>(g.grid().h) * g.grid().w;
  const auto first = static_cast<uint32_t>(term * g.channels_per_poly());
  const uint32_t last = std::min(first + g.channels_per_poly(), g.features());
  // Calls value(index into a plane) for each layer-1 position of channel slot c.
  const auto each = [&](uint32_t c, const auto& value) {
    for (size_t h = 0; h < rows; ++h) {
      int32_t* to = out.data() + c * hw + (h + g.spec().pads2.top) * g.grid().w + g.spec().pads2.left;
      for (size_t w = 0; w < columns; ++w) to[w] = value(h * columns + w);
    }
  };
  for (uint32_t d = first; d < last; ++d) {
    if (d < g.products()) {
      const int16_t* x = planes_.data() + g.pair(d).first * plane;
      const int16_t* y = planes_.data() + g.pair(d).second * plane;
      each(d - first, [&](size_t q) { return int32_t{x[q]} * y[q]; });
    } else if (d < g.products() + g.window()) {
      const int16_t* x = planes_.data() + (d - g.products()) * plane;
      each(d - first, [&](size_t q) { return int32_t{x[q]} * (1 << g.linear_shift()); });
    } else {
      each(d - first, [&](size_t) { return 1 << g.constant_shift(); });
    }
  }
}

std::vector<int32_t> PackKernel(const Geometry& g, std::span<const int32_t> kernel, size_t term) {
  std::vector<int32_t> out(g.n());
  const uint32_t hw = g.grid().h * g.grid().w;
  const auto first = static_cast<uint32_t>(term * g.channels_per_poly());
  const uint32_t last = std::min(first + g.channels_per_poly(), g.features());
  for (uint32_t d = first; d < last; ++d) {
    for (uint32_t a = 0; a < g.kernel().h; ++a) {
      for (uint32_t b = 0; b < g.kernel().w; ++b) {
        out[g.offset() - (d - first) * hw - a * g.grid().w - b] =
            kernel[(static_cast<size_t>(d) * g.kernel().h + a) * g.kernel().w + b];
      }
    }
  }
  return out;
}

}  // namespace privdnn
