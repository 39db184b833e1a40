// Numbers modulo 1 as 128-bit fixed point: how phases modulo Q are rounded, drowned and unmasked without big integers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/poly.h"

namespace privdnn {

// x/Q mod 1 in units of 2^-128; sums and differences wrap, as modulo Q.
__extension__ typedef unsigned __int128 Torus;

// x in Z_Q, given by its residues, to x/Q: by the Chinese remainder theorem
//   x/Q = sum_i c_i/q_i (mod 1),  c_i = x_i (Q/q_i)^-1 mod q_i,
// each term computed as c_i * floor(2^128/q_i). The result is below x/Q by at most m 2^50 units: 2^-75 of the circle
// for the 8 primes that fit, against 2^-64 for the finest reply. Constant time in the residues.
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
  };
  std::vector<Limb> limbs_;
};

}  // namespace privdnn
