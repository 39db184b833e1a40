// Distributions over R_Q and the expansion of public polynomials from a seed.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "privdnn/base/random.h"
#include "privdnn/ring/poly.h"

namespace privdnn {

// The version of the expansion below; part of the package format.
inline constexpr uint32_t kExpansionVersion = 1;
using Seed = std::array<uint8_t, 32>;

// Returns the public polynomial a_index, in NTT form, uniform in R_Q. For limb i, the residues are taken from
//   SHAKE128("privdnn/v1/expand-a" || seed || u32 index || u64 q_i || u32 n || u32 block), block = 0, 1, ...,
// 8,064 bytes per block, as little-endian 64-bit words masked to the bit length of q_i, in order, skipping words >=
// q_i. These are public data: the running time depends on them.
NttPoly ExpandUniform(const Ring& ring, const Seed& seed, uint32_t index);

// Fills `out` with values uniform over {-1, 0, 1}. No branch or index depends on secrets. Draws eight trits from each
// 64-bit word by multiplication, so each has a bias under 2^-51.
void SampleTernary(RandomSource& random, std::span<int32_t> out);

// Samples the centred binomial distribution with 21 bits per side: variance 10.5, |x| <= 21. Counts bits in parallel,
// without tables.
inline constexpr int kBinomialBits = 21;
inline constexpr double kBinomialVariance = 10.5;
void SampleCenteredBinomial(RandomSource& random, std::span<int32_t> out);

// Samples uniformly in [0, q): the top half of a 128-bit random word times q, with a bias under 2^-78. Constant time.
void SampleUniform(RandomSource& random, const Modulus& modulus, std::span<uint64_t> out);

}  // namespace privdnn
