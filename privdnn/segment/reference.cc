#include "privdnn/segment/reference.h"

namespace privdnn {
namespace {

// phi_0 ... phi_{D-1} of layer-1 position (h, w).
std::vector<int64_t> FeaturesAt(const Geometry& g, std::span<const int16_t> z, uint32_t h, uint32_t w) {
  const SegmentSpec& s = g.spec();
  std::vector<int64_t> window;
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t a = 0; a < s.kernel1.h; ++a) {
      for (uint32_t b = 0; b < s.kernel1.w; ++b) {
        window.push_back(z[(c * g.z_map().h + h * g.z_stride().h + a) * g.z_map().w + w * g.z_stride().w + b]);
      }
    }
  }
  if (s.kind == SegmentKind::kLinear) return window;
  std::vector<int64_t> phi;
  phi.reserve(g.features());
  for (size_t i = 0; i < window.size(); ++i) {
    for (size_t j = i; j < window.size(); ++j) phi.push_back(window[i] * window[j]);
  }
  for (const int64_t v : window) phi.push_back(v * (int64_t{1} << g.linear_shift()));
  phi.push_back(int64_t{1} << g.constant_shift());
  return phi;
}

}  // namespace

std::vector<int64_t> ReferenceOutputs(const Geometry& g, const QuantizedSegment& segment, std::span<const int16_t> z) {
  std::vector<std::vector<int64_t>> phi;  // [layer-1 position][D]
  for (uint32_t h = 0; h < g.layer1().h; ++h) {
    for (uint32_t w = 0; w < g.layer1().w; ++w) phi.push_back(FeaturesAt(g, z, h, w));
  }
  std::vector<int64_t> y;
  y.reserve(g.spec().values_per_image());
  for (uint32_t f = 0; f < segment.kernels.size(); ++f) {
    const OutputGroup& group = g.spec().groups[g.group(f)];
    const size_t taps = group.kernel.area();
    // From [d][tap] to [tap][d], so that the sum over d runs along memory.
    const std::span<const int32_t> given = segment.kernels[f].Reveal();
    ZeroizingVector<int64_t> kernel(given.size());
    for (size_t d = 0; d < g.features(); ++d) {
      for (size_t t = 0; t < taps; ++t) kernel[t * g.features() + d] = given[d * taps + t];
    }
    for (uint32_t i = 0; i < group.map.h; ++i) {
      for (uint32_t j = 0; j < group.map.w; ++j) {
        int64_t sum = segment.bias.Reveal()[f];
        for (uint32_t a = 0; a < group.kernel.h; ++a) {
          for (uint32_t b = 0; b < group.kernel.w; ++b) {
            const int64_t h = int64_t{i} * group.stride.h + group.origin.h + a - g.spec().pads2.top;
            const int64_t w = int64_t{j} * group.stride.w + group.origin.w + b - g.spec().pads2.left;
            if (h < 0 || w < 0 || h >= g.layer1().h || w >= g.layer1().w) continue;  // features are 0 there
            const auto& x = phi[static_cast<size_t>(h) * g.layer1().w + static_cast<size_t>(w)];
            const int64_t* k = kernel.data() + (size_t{a} * group.kernel.w + b) * g.features();
            for (size_t d = 0; d < x.size(); ++d) sum += k[d] * x[d];
          }
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

}  // namespace privdnn
