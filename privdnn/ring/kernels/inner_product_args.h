// What Kernels::inner_products reads and writes. A plain aggregate in a file of its own, since files compiled for
// AVX-512 include it; see avx512ifma.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace privdnn {

struct InnerProductArgs {
  size_t tiles;                     // any number; a caller may go through a polynomial's tiles in several calls
  size_t rows;                      // weight vectors; any number
  size_t terms;                     // 1 <= terms <= kMaxTerms
  size_t units;                     // 1 <= units <= kMaxUnitsPerPass
  const uint64_t* weights;          // [tile][row][term][kTile]: one stream, read once
  const uint64_t* const* features;  // features[unit]: [tile][term][kTile]
  uint64_t* const* out;             // out[unit]: [row][tile][kTile], with row_stride between rows
  size_t row_stride;                // residues from a row of `out` to the next: a multiple of kTile, >= tiles * kTile
};

}  // namespace privdnn
