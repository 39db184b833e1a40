// Constants of the negacyclic number-theoretic transform for one (N, q).
#pragma once

#include <cstddef>
#include <cstdint>

#include "privdnn/base/status.h"
#include "privdnn/ring/aligned.h"
#include "privdnn/ring/modulus.h"

namespace privdnn {

// The transform: for a(X) in Z_q[X]/(X^N+1), N a power of two, psi the *smallest* primitive 2N-th root of unity mod q,
//   forward: out[i] = a(psi^(2*bitreverse(i)+1)),   natural order in, bit-reversed order out.
// The order is part of the package format (docs/package-format.md).
//
// The butterflies form a binary tree: node 1 splits X^N + 1 into X^(N/2) -+ psi^(N/2), and node k has the children 2k
// and 2k+1. Node k in [1, N) multiplies by roots[k] = psi^bitreverse(k), bitreverse taken over log2(N) bits, so stage s
// uses the entries [2^s, 2^(s+1)) in the order in which it meets its blocks.
struct NttTables {
  // Fails with InvalidArgument unless n is a power of two in [16, 16384] and q = 1 mod 2n.
  static absl::StatusOr<NttTables> Create(size_t n, const Modulus& q);

  size_t n;
  Modulus modulus;
  uint64_t psi;
  // Each root w with its Shoup quotients: floor(w * 2^64 / q) for scalar words, floor(w * 2^52 / q) for IFMA's words.
  AlignedVector<uint64_t> roots, roots_shoup64, roots_shoup52;
  // inverse_roots[k] = 1/roots[k], except that the last butterfly of the inverse also divides by N:
  // inverse_roots[0] = 1/N and inverse_roots[1] = 1/(N*roots[1]).
  AlignedVector<uint64_t> inverse_roots, inverse_roots_shoup64, inverse_roots_shoup52;
};

}  // namespace privdnn
