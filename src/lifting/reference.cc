#include "lifting/reference.h"

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
  std::vector<int64_t> phi;
  for (size_t i = 0; i < window.size(); ++i) {
    for (size_t j = i; j < window.size(); ++j) phi.push_back(window[i] * window[j]);
  }
  for (const int64_t v : window) phi.push_back(v * (int64_t{1} << g.linear_shift()));
  phi.push_back(int64_t{1} << g.constant_shift());
  return phi;
}

}  // namespace

std::vector<int64_t> ReferenceOutputs(const Geometry& g, const QuantizedSegment& segment, std::span<const int16_t> z) {
  std::vector<int64_t> y(segment.kernels.size() * g.positions_per_output());
  for (uint32_t i = 0; i < g.output().h; ++i) {
    for (uint32_t j = 0; j < g.output().w; ++j) {
      for (size_t f = 0; f < segment.kernels.size(); ++f)
        y[(f * g.output().h + i) * g.output().w + j] = segment.bias[f];
      for (uint32_t a = 0; a < g.kernel().h; ++a) {
        for (uint32_t b = 0; b < g.kernel().w; ++b) {
          const int64_t h = int64_t{i} * g.stride().h + a - g.spec().pads2.top;
          const int64_t w = int64_t{j} * g.stride().w + b - g.spec().pads2.left;
          if (h < 0 || w < 0 || h >= g.layer1().h || w >= g.layer1().w) continue;  // features are 0 there
          const auto phi = FeaturesAt(g, z, static_cast<uint32_t>(h), static_cast<uint32_t>(w));
          for (size_t f = 0; f < segment.kernels.size(); ++f) {
            int64_t sum = 0;
            for (uint32_t d = 0; d < g.features(); ++d) {
              sum += segment.kernels[f][d * g.taps() + a * g.kernel().w + b] * phi[d];
            }
            y[(f * g.output().h + i) * g.output().w + j] += sum;
          }
        }
      }
    }
  }
  return y;
}

}  // namespace privdnn
