// The inner loops, once for each instruction set. The scalar implementation is the specification: every other gives the
// same integers for the same input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "privdnn/base/status.h"
#include "privdnn/ring/kernels/inner_product_args.h"
#include "privdnn/ring/modulus.h"
#include "privdnn/ring/ntt_tables.h"

namespace privdnn {

// Coefficients that a tile holds: a cache line. Tile-major arrays are [n / kTile][terms][kTile].
inline constexpr size_t kTile = 8;
// Terms that an inner product may sum before it reduces: lo parts < 2^52 sum to < 2^64, hi parts < 2^48.
inline constexpr size_t kMaxTerms = 4096;
// Units that one pass over the weights may serve. A unit is what one set of polynomials holds: a vector of features.
inline constexpr size_t kMaxUnitsPerPass = 8;

// Every pointer is 64-byte aligned, every residue in [0, q) on entry and on return. No branch and no index depends on a
// residue.
struct Kernels {
  std::string_view name;
  bool (*supported)();

  // In place; see NttTables for the transform and its order.
  void (*ntt_forward)(const NttTables& tables, uint64_t* values);
  void (*ntt_inverse)(const NttTables& tables, uint64_t* values);

  // For every unit i, row r, tile and lane:
  //   out[i][r][tile][lane] = sum_j weights[tile][r][j][lane] * features[i][tile][j][lane] mod q, j in [0, terms).
  void (*inner_products)(const Modulus& modulus, const InnerProductArgs& args);

  // out[k] = a[k] * b[k] mod q; out may be a or b.
  void (*multiply)(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out);

  // out[k] = a[k] + b[k] mod q; out may be a or b.
  void (*add)(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out);

  // out[k] = small[k] mod q for |small[k]| < 2^31.
  void (*lift_signed)(const Modulus& modulus, size_t n, const int32_t* small, uint64_t* out);

  // dst[tile][term][lane] = src[tile*kTile + lane]: one polynomial into its place in a tile-major array. dst is aligned
  // to 64 bytes.
  void (*scatter_tiles)(size_t n, size_t terms, size_t term, const uint64_t* src, uint64_t* dst);
};

const Kernels& ScalarKernels();
const Kernels& Avx512IfmaKernels();  // callable only if supported()

// Every implementation compiled in, fastest first.
std::span<const Kernels* const> AllKernels();

// Returns the supported implementation with this name, or the fastest if the name is empty. Otherwise fails with
// InvalidArgument, listing the names.
absl::StatusOr<const Kernels*> KernelsByName(std::string_view name);

// Returns the fastest supported implementation, or the one that the environment variable PRIVDNN_KERNEL names
// ("scalar", "avx512ifma"). The first call chooses. Fails with InvalidArgument, listing the names, if the name is
// unknown or unsupported.
absl::StatusOr<const Kernels*> ChooseKernels();

}  // namespace privdnn
