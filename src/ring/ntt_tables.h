// Constants of the negacyclic number-theoretic transform for one (N, q).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "ring/aligned.h"
#include "ring/modulus.h"

namespace privdnn {

// The transform: for a(X) in Z_q[X]/(X^N+1), N a power of two, psi the *smallest* primitive 2N-th root of unity mod q,
//   forward: out[i] = a(psi^(2*bitreverse(i)+1)),   natural order in, bit-reversed order out.
// The order is part of the package format (docs/package-format.md).
struct NttTables {
  // InvalidArgument unless n is a power of two in [16, 16384] and q = 1 mod 2n.
  static absl::StatusOr<NttTables> Create(size_t n, const Modulus& q);

  size_t n;
  Modulus modulus;
  uint64_t psi;
  // Twiddles with Shoup quotients for 64-bit (scalar) and 52-bit (IFMA) words; layout is the implementation's choice.
  AlignedVector<uint64_t> roots, roots_shoup64, roots_shoup52;
  AlignedVector<uint64_t> inverse_roots, inverse_roots_shoup64, inverse_roots_shoup52;
};

}  // namespace privdnn
