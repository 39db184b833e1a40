#include "privdnn/segment/packing.h"

#include <algorithm>

namespace privdnn {
namespace {

// The part of a layer-1 axis that a tile holds: positions [first, first + count), at `to` in the tile.
struct Overlap {
  uint32_t first, count, to;
};

Overlap Meet(uint32_t tile, uint32_t step, uint32_t tile_size, uint32_t pad, uint32_t layer1) {
  const int64_t begin = int64_t{tile} * step - pad;  // of the tile, in layer-1 positions
  const int64_t first = std::max<int64_t>(begin, 0), last = std::min<int64_t>(begin + tile_size, layer1);
  if (last <= first) return {0, 0, 0};
  return {static_cast<uint32_t>(first), static_cast<uint32_t>(last - first), static_cast<uint32_t>(first - begin)};
}

}  // namespace

template <typename Z>
BasicFeaturePlanes<Z>::BasicFeaturePlanes(const Geometry& g, std::span<const Z> z) {
  const SegmentSpec& s = g.spec();
  planes_.reserve(g.window() * g.layer1().area());
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t a = 0; a < s.kernel1.h; ++a) {
      for (uint32_t b = 0; b < s.kernel1.w; ++b) {
        for (uint32_t h = 0; h < g.layer1().h; ++h) {
          const size_t row = (size_t{c} * g.z_map().h + h * g.z_stride().h + a) * g.z_map().w + b;
          for (uint32_t w = 0; w < g.layer1().w; ++w) planes_.push_back(z[row + size_t{w} * g.z_stride().w]);
        }
      }
    }
  }
}

template <typename Z>
void BasicFeaturePlanes<Z>::Fill(const Geometry& g, uint32_t tile, uint32_t slot, size_t term,
                                 std::span<int32_t> out) const {
  const SegmentSpec& s = g.spec();
  const Overlap rows = Meet(tile / s.tiles.w, g.tile_step().h, g.tile_map().h, s.pads2.top, g.layer1().h);
  const Overlap columns = Meet(tile % s.tiles.w, g.tile_step().w, g.tile_map().w, s.pads2.left, g.layer1().w);
  const size_t plane = g.layer1().area(), hw = g.tile_map().area();
  const auto first = static_cast<uint32_t>(term * g.channels_per_poly());
  const uint32_t last = std::min(first + g.channels_per_poly(), g.features());
  // Calls value(index into a plane) for each layer-1 position that channel slot c holds.
  const auto each = [&](uint32_t c, const auto& value) {
    int32_t* map = out.data() + (size_t{c} * g.images_per_ciphertext() + slot) * hw;
    for (uint32_t h = 0; h < rows.count; ++h) {
      int32_t* to = map + size_t{rows.to + h} * g.tile_map().w + columns.to;
      const size_t from = size_t{rows.first + h} * g.layer1().w + columns.first;
      for (uint32_t w = 0; w < columns.count; ++w) to[w] = value(from + w);
    }
  };
  for (uint32_t d = first; d < last; ++d) {
    if (d < g.products()) {
      const auto [i, j] = g.pair(d);
      const Z* x = planes_.data() + i * plane;
      const Z* y = planes_.data() + j * plane;
      each(d - first, [&](size_t q) { return int32_t{x[q]} * y[q]; });
    } else if (d < g.products() + g.window()) {
      const Z* x = planes_.data() + (d - g.products()) * plane;
      const int32_t factor = s.kind == SegmentKind::kLinear ? 1 : 1 << g.linear_shift();
      each(d - first, [&](size_t q) { return int32_t{x[q]} * factor; });
    } else {
      each(d - first, [&](size_t) { return 1 << g.constant_shift(); });
    }
  }
}

template class BasicFeaturePlanes<int16_t>;
template class BasicFeaturePlanes<int32_t>;

ZeroizingVector<int32_t> ShareMap(const Geometry& g, std::span<const uint32_t> shares) {
  const SegmentSpec& s = g.spec();
  const Size2 map = g.z_map();
  const int unused = 32 - static_cast<int>(s.input_bits);
  ZeroizingVector<int32_t> z(s.channels * map.area());
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t h = 0; h < s.input.h; ++h) {
      const uint32_t* from = shares.data() + (size_t{c} * s.input.h + h) * s.input.w;
      int32_t* to = z.data() + (size_t{c} * map.h + h + s.pads1.top) * map.w + s.pads1.left;
      for (uint32_t w = 0; w < s.input.w; ++w) to[w] = static_cast<int32_t>(from[w] << unused) >> unused;
    }
  }
  return z;
}

void MultiplyShares(const Geometry& g, std::span<const Secret<int32_t>> kernels, std::span<const int32_t> z_map,
                    std::span<uint32_t> outputs) {
  const OutputGroup& group = g.spec().groups[0];
  const size_t positions = group.positions();
  for (size_t f = 0; f < kernels.size(); ++f) {
    uint32_t* to = outputs.data() + f * positions;
    size_t at = 0;
    for (uint32_t c = 0; c < g.spec().channels; ++c) {
      for (uint32_t a = 0; a < group.kernel.h; ++a) {
        for (uint32_t b = 0; b < group.kernel.w; ++b) {
          const auto w = static_cast<uint32_t>(kernels[f].Reveal()[at++]);
          for (uint32_t i = 0; i < group.map.h; ++i) {
            const size_t row = size_t{c} * g.z_map().h + group.origin.h + size_t{i} * group.stride.h + a;
            const int32_t* x = z_map.data() + row * g.z_map().w + group.origin.w + b;
            for (uint32_t j = 0; j < group.map.w; ++j) {
              to[i * group.map.w + j] += w * static_cast<uint32_t>(x[size_t{j} * group.stride.w]);
            }
          }
        }
      }
    }
  }
}

ZeroizingVector<int32_t> PackKernel(const Geometry& g, uint32_t output, std::span<const int32_t> kernel, size_t term) {
  ZeroizingVector<int32_t> out(g.n());
  const OutputGroup& group = g.spec().groups[g.group(output)];
  const size_t channel = g.images_per_ciphertext() * g.tile_map().area();
  const auto first = static_cast<uint32_t>(term * g.channels_per_poly());
  const uint32_t last = std::min(first + g.channels_per_poly(), g.features());
  for (uint32_t d = first; d < last; ++d) {
    for (uint32_t a = 0; a < group.kernel.h; ++a) {
      for (uint32_t b = 0; b < group.kernel.w; ++b) {
        const size_t back = (d - first) * channel + size_t{group.origin.h + a} * g.tile_map().w + group.origin.w + b;
        out[g.offset(g.group(output)) - back] = kernel[(size_t{d} * group.kernel.h + a) * group.kernel.w + b];
      }
    }
  }
  return out;
}

}  // namespace privdnn
