// The integer reference, which the encrypted path must match bit for bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/segment/quantized.h"

namespace privdnn {

// Computes the values_per_image() encrypted outputs of one image, [f][position], from its z map. Uses naive loops over
// the quantised model: no packing, no ring, no rounding.
std::vector<int64_t> ReferenceOutputs(const Geometry& geometry, const QuantizedSegment& segment,
                                      std::span<const int16_t> z_map);

}  // namespace privdnn
