// Arithmetic modulo one prime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"

namespace privdnn {

// Primes are below 2^50, so that the product of two residues and its lazy sums fit AVX-512 IFMA's 52-bit lanes
// (see kernels/kernels.h), and at least 2^20.
inline constexpr int kMaxModulusBits = 50;
inline constexpr int kMinModulusBits = 20;

// An odd prime q, 2^20 < q < 2^50. Operands and results of every function are in [0, q). Constant time in the operands
// (not in the modulus or an exponent).
class Modulus {
 public:
  // InvalidArgument if q is out of range or not prime (deterministic Miller-Rabin).
  static absl::StatusOr<Modulus> Create(uint64_t q);

  uint64_t value() const { return q_; }
  int bits() const { return bits_; }  // bit length of q

  uint64_t Add(uint64_t a, uint64_t b) const { return ReduceOnce(a + b); }
  uint64_t Sub(uint64_t a, uint64_t b) const { return ReduceOnce(a + q_ - b); }
  uint64_t Neg(uint64_t a) const { return ReduceOnce(q_ - a); }
  uint64_t Mul(uint64_t a, uint64_t b) const { return Reduce(static_cast<unsigned __int128>(a) * b); }
  uint64_t Pow(uint64_t base, uint64_t exponent) const;
  uint64_t Inverse(uint64_t a) const;  // a != 0

  // x mod q for x < 2^114 (4,096 products of residues and more), by Barrett reduction.
  uint64_t Reduce(unsigned __int128 x) const;
  // x mod q for |x| < 2^62; constant time.
  uint64_t FromSigned(int64_t x) const;
  // [0, 2q) -> [0, q) without a branch.
  uint64_t ReduceOnce(uint64_t x) const {
    const uint64_t y = x - q_;
    return y + (q_ & (0 - (y >> 63)));
  }

 private:
  explicit Modulus(uint64_t q);
  uint64_t q_;
  int bits_;
  // What Reduce needs; see modulus.cc.
  uint64_t barrett_ = 0;      // floor(2^(64+bits-1)/q) or as the implementation likes
  uint64_t pow2_64_ = 0;      // 2^64 mod q
};

// The `count` largest primes q < 2^50 with q = 1 mod 2^15, in decreasing order: they serve every N up to 16384.
// count <= 16.
std::vector<uint64_t> NttPrimes(size_t count);

}  // namespace privdnn
