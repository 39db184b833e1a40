// Feature maps and kernels as polynomial coefficients; see Geometry for the equations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lifting/lift.h"

namespace privdnn {

// The z values that each layer-1 position sees, one plane of layer1.h*layer1.w values for each of the K places of the
// window: features are then products of planes.
class FeaturePlanes {
 public:
  FeaturePlanes(const Geometry& geometry, std::span<const int16_t> z_map);
  // Coefficients of phi_term; `out` has n elements and arrives zeroed.
  void Fill(const Geometry& geometry, size_t term, std::span<int32_t> out) const;

 private:
  std::vector<int16_t> planes_;  // [K][layer1.h][layer1.w]
};

// Coefficients of A_{f,term}: n of them.
std::vector<int32_t> PackKernel(const Geometry& geometry, std::span<const int32_t> kernel, size_t term);

}  // namespace privdnn
