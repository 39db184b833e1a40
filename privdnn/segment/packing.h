// Packs feature maps and kernels into polynomial coefficients; see Geometry for the equations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/segment/quantized.h"

namespace privdnn {

// The z values that each layer-1 position of an image sees: one plane of layer1.h*layer1.w values for each of the K
// places of the window. Features are planes and products of planes.
class FeaturePlanes {
 public:
  FeaturePlanes() = default;
  FeaturePlanes(const Geometry& geometry, std::span<const int16_t> z_map);
  // Adds the image's coefficients of phi_term in a tile to `out`, as image `slot` of the unit. `out` has n elements and
  // must be zero where the image goes.
  void Fill(const Geometry& geometry, uint32_t tile, uint32_t slot, size_t term, std::span<int32_t> out) const;

 private:
  std::vector<int16_t> planes_;  // [K][layer1.h][layer1.w]
};

// Returns the n coefficients of A_{f,term} for an output's kernel [d][tap].
ZeroizingVector<int32_t> PackKernel(const Geometry& geometry, uint32_t output, std::span<const int32_t> kernel,
                                    size_t term);

}  // namespace privdnn
