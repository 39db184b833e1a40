// Numbers modulo 1 as 128-bit fixed point: how phases modulo Q are rounded, drowned and unmasked without big integers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/ring/poly.h"

namespace privdnn {

// x/Q mod 1 in units of 2^-128; sums and differences wrap, as modulo Q.
__extension__ typedef unsigned __int128 Torus;

// x rounded to a multiple of 1/2^bits, modulo 1: an integer modulo 2^bits, bits from 1 to 32.
inline uint32_t RoundToBits(Torus x, int bits) {
  return static_cast<uint32_t>((x + (Torus{1} << (127 - bits))) >> (128 - bits));
}

// What TorusMap loses at most for each prime, in units of 2^-128.
inline constexpr double kTorusTermError = 2;

// x in Z_Q, given by its residues, to x/Q: by the Chinese remainder theorem
//   x/Q = sum_i c_i/q_i (mod 1),  c_i = x_i (Q/q_i)^-1 mod q_i,
// each term rounded down, by less than kTorusTermError. That matters beyond accuracy: what the map loses depends on the
// secrets behind x, so the statistical security counts it (see Parameters). Constant time in the residues.
class TorusMap {
 public:
  explicit TorusMap(const Ring& ring);
  // residues[i] in [0, q_i), one for each prime.
  Torus operator()(std::span<const uint64_t> residues) const;

 private:
  struct Limb {
    Modulus modulus;
    uint64_t hat_inverse;  // (Q/q_i)^-1 mod q_i
    Torus reciprocal;      // floor(2^128/q_i)
    uint64_t fraction;     // floor(2^64 (2^128 mod q_i)/q_i): what that floor leaves, in units of 2^-64
  };
  std::vector<Limb> limbs_;
};

}  // namespace privdnn
