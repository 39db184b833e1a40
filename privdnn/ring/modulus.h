// Arithmetic modulo one prime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Primes are at least 2^20, and below 2^50 so that the product of two residues and its lazy sums fit into the 52-bit
// lanes of AVX-512 IFMA (see kernels/kernels.h).
inline constexpr int kMaxModulusBits = 50;
inline constexpr int kMinModulusBits = 20;

// An odd prime q, 2^20 < q < 2^50. Operands and results of every function are in [0, q). Runs in constant time with
// respect to the operands (not the modulus or an exponent).
class Modulus {
 public:
  // Powers w of 2^52 modulo q with their Shoup quotients floor(w * 2^52 / q). A kernel on 52-bit words needs them to
  // reduce l + 2^52 h + 2^104 c.
  struct Powers52 {
    uint64_t one_shoup;             // w = 1: the Barrett constant floor(2^52 / q)
    uint64_t pow52, pow52_shoup;    // w = 2^52 mod q
    uint64_t pow104, pow104_shoup;  // w = 2^104 mod q
  };

  // Fails with InvalidArgument if q is out of range or not prime (deterministic Miller-Rabin).
  static absl::StatusOr<Modulus> Create(uint64_t q);

  uint64_t value() const { return q_; }
  int bits() const { return bits_; }  // bit length of q
  const Powers52& powers52() const { return powers52_; }

  uint64_t Add(uint64_t a, uint64_t b) const { return ReduceOnce(a + b); }
  uint64_t Sub(uint64_t a, uint64_t b) const { return ReduceOnce(a + q_ - b); }
  uint64_t Neg(uint64_t a) const { return ReduceOnce(q_ - a); }
  uint64_t Mul(uint64_t a, uint64_t b) const { return Reduce(static_cast<unsigned __int128>(a) * b); }
  uint64_t Pow(uint64_t base, uint64_t exponent) const;
  uint64_t Inverse(uint64_t a) const;  // a != 0

  // Returns x mod q for x < 2^114 (4,096 products of residues and more), by Barrett reduction. Also correct for any x <
  // 2^128.
  uint64_t Reduce(unsigned __int128 x) const {
    // x = hi * 2^64 + lo; hi * 2^64 by Shoup's method, lo by Barrett's: both in [0, 2q) for any 64-bit word.
    const auto hi = static_cast<uint64_t>(x >> 64);
    const auto lo = static_cast<uint64_t>(x);
    const uint64_t sum = hi * pow2_64_ - MulHigh(hi, pow2_64_shoup_) * q_ + ReduceWordLazy(lo);  // [0, 4q)
    const uint64_t y = sum - 2 * q_;
    return ReduceOnce(y + ((2 * q_) & (0 - (y >> 63))));
  }
  // Returns x mod q for any 64-bit word.
  uint64_t ReduceWord(uint64_t x) const { return ReduceOnce(ReduceWordLazy(x)); }
  // Returns x mod q for |x| < 2^62, in constant time.
  uint64_t FromSigned(int64_t x) const { return ReduceWord(static_cast<uint64_t>(x) + signed_offset_); }
  // Maps [0, 2q) to [0, q) without a branch.
  uint64_t ReduceOnce(uint64_t x) const {
    const uint64_t y = x - q_;
    return y + (q_ & (0 - (y >> 63)));
  }
  // Returns floor(w * 2^64 / q), the constant of Shoup's multiplication by w: for any 64-bit y, w*y - floor(quotient*y
  // / 2^64)*q is in [0, 2q). Not in constant time; for public constants only.
  uint64_t ShoupQuotient64(uint64_t w) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(w) << 64) / q_);
  }

 private:
  explicit Modulus(uint64_t q);
  static uint64_t MulHigh(uint64_t a, uint64_t b) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
  }
  // Returns a value in [0, 2q) congruent to x: the quotient floor(x * barrett / 2^64) is at most 1 too small, since x/q
  // - x*barrett/2^64 < x/2^64 < 1.
  uint64_t ReduceWordLazy(uint64_t x) const { return x - MulHigh(x, barrett_) * q_; }

  uint64_t q_;
  int bits_;
  uint64_t barrett_;        // floor(2^64 / q)
  uint64_t pow2_64_;        // 2^64 mod q
  uint64_t pow2_64_shoup_;  // its Shoup quotient
  uint64_t signed_offset_;  // the least multiple of q that is at least 2^62
  Powers52 powers52_;
};

// Returns the `count` largest primes q < 2^50 with q = 1 mod 2^15, in decreasing order; they work for every N up to
// 16384. Found by trying 2^50 - 2^15 k + 1 for k = 1, 2, ...; count <= 16.
std::vector<uint64_t> NttPrimes(size_t count);

}  // namespace privdnn
