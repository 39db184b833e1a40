// Packs feature maps and kernels into polynomial coefficients; see Geometry for the equations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/segment/quantized.h"

namespace privdnn {

// The z values that each layer-1 position of an image sees: one plane of layer1.h*layer1.w values for each of the K
// places of the window. Features are planes and products of planes.
template <typename Z>
class BasicFeaturePlanes {
 public:
  BasicFeaturePlanes() = default;
  BasicFeaturePlanes(const Geometry& geometry, std::span<const Z> z_map);
  // Adds the image's coefficients of phi_term in a tile to `out`, as image `slot` of the unit. `out` has n elements and
  // must be zero where the image goes.
  void Fill(const Geometry& geometry, uint32_t tile, uint32_t slot, size_t term, std::span<int32_t> out) const;

 private:
  ZeroizingVector<Z> planes_;  // [K][layer1.h][layer1.w]
};
using FeaturePlanes = BasicFeaturePlanes<int16_t>;
using SharePlanes = BasicFeaturePlanes<int32_t>;  // of a linear segment that reads shares

// The z map of one image of shares modulo 2^input_bits, [channel][row][column], of a linear segment: centred, zeros
// around.
ZeroizingVector<int32_t> ShareMap(const Geometry& geometry, std::span<const uint32_t> shares);

// Adds what a linear segment's kernels make of one image's ShareMap to `outputs`, [output][position], modulo 2^32.
void MultiplyShares(const Geometry& geometry, std::span<const Secret<int32_t>> kernels, std::span<const int32_t> z_map,
                    std::span<uint32_t> outputs);

// Returns the n coefficients of A_{f,term} for an output's kernel [d][tap].
ZeroizingVector<int32_t> PackKernel(const Geometry& geometry, uint32_t output, std::span<const int32_t> kernel,
                                    size_t term);

}  // namespace privdnn
