// What chosen ciphertexts leave of a segment's secret keys, and what it costs to recover the rest with lattice
// reduction. Estimates of the literature, not bounds; SECURITY.md, statement 3, says what they leave out.
//
// N is the ring's degree, Q its modulus, l = plain_bits. A malicious user sends a' of its own choice, and each value of
// a reply is a linear function of the output's key s, a vector of N coefficients that are -1, 0 or 1, plus the drowning
// noise, rounded to l + 3 bits. One a' serves all outputs of a segment.
//
// What replies tell. A value tells at most ReplyInformation(l) bits. Functions of s with integer values that take k
// dimensions away from a lattice attack (perfect hints: Dachman-Soled, Ducas, Gong, Rossi, CRYPTO 2020, ePrint
// 2020/292, section 4.1) are linearly independent, and the entropy of k such functions is at least k log2(3): given all
// other coefficients of s, they determine k of them. So i images tell at most
//   k(i) = i * positions * ReplyInformation(l) / log2(3)
// coefficients, and packing coefficients as digits of base 3 comes near that. Hints that take no dimension away help
// less: a bit of a hint that is approximate or modular makes the lattice's volume at most twice as large, a known
// coefficient, of 1.6 bits, does it Q times, with log2(Q) of 50 to 400.
//
// What is left is LWE with n = N - k ternary coefficients and, from the package's encryption of zero b_pk, N samples
// modulo Q with centred binomial errors.
#pragma once

#include <cstdint>

#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// Learning with errors: `samples` numbers <a, s> + e modulo q with uniform a, and n coefficients of s to find.
struct LweInstance {
  uint64_t n = 0;
  uint64_t samples = 0;
  double log_q = 0;             // log2 of q
  double secret_deviation = 0;  // of a coefficient of s
  double error_deviation = 0;   // of e
};

// Block size with which BKZ finds the secret, and the dimension of its lattice; both 0 if there is nothing to find.
struct ReductionCost {
  uint32_t block_size = 0;
  uint64_t dimension = 0;
  // log2 of the operations with a sieve in each block (Becker, Ducas, Gama, Laarhoven, SODA 2016; quantum: Laarhoven,
  // 2015), as the Homomorphic Encryption Standard counts them (Albrecht et al., 2018, "BKZ.sieve" and "BKZ.qsieve"):
  // 0.292 or 0.265 block_size + 16.4 + log2(8 dimension). 0 if there is nothing to find.
  double ClassicalBits() const;
  double QuantumBits() const;
};

// The factor delta for which BKZ's first vector has length delta^d Vol^(1/d) in dimension d. Chen's limit
// ((pi b)^(1/b) b/(2 pi e))^(1/(2(b-1))) from b = 50 on (Y. Chen, thesis, Paris 7, 2013), interpolated between measured
// values below; block_size at least 2.
double RootHermiteFactor(uint32_t block_size);

// The least block size b and the best number m of samples for which the primal attack succeeds (Alkim, Ducas,
// Poeppelmann, Schwabe, USENIX Security 2016, section 6.3), in dimension d = n + m + 1, where the secret is scaled to
// the errors' deviation (Bai, Galbraith, ACISP 2014):
//   error_deviation sqrt(b) <= delta(b)^(2b-d-1) (q^m (error_deviation/secret_deviation)^n)^(1/d).
// If no block size does, that of the whole lattice. Deviations and log_q are positive.
ReductionCost PrimalAttack(const LweInstance& lwe);

// Bits that a value of a reply tells at most of what the user asks, of l + kReplyGuardBits that it has: what the
// drowning noise takes at least is its entropy, rounded to the reply's unit.
double ReplyInformation(int plain_bits);

// Operations that count as feasible, log2, classical, and those that keys have to be worth to be safe, in the quantum
// column by which kSecurityTable is enforced.
inline constexpr double kFeasibleBits = 64;
inline constexpr double kSafeBits = 128;

// Images' worth of chosen ciphertexts that keys of a segment withstand.
struct KeyRecovery {
  // Every key is known by packing alone, without lattice reduction: floor((plain_bits - 1)/log2(3)) coefficients fit
  // into one value, as digits of base 3.
  uint64_t images_by_packing = 0;
  // The fewest images after which the rest of the first keys to fall, of the outputs with most positions, takes at most
  // 2^kFeasibleBits operations; and what it then takes. One reduction serves the keys of all these outputs.
  uint64_t images_by_lattice = 0;
  ReductionCost cost;
  // The most images after which every key still has kSafeBits.
  uint64_t safe_images = 0;
};
KeyRecovery CountKeyRecovery(const Geometry& geometry, const ParameterSpec& parameters);

// What the first keys to fall cost after that many images.
ReductionCost KeyCostAfter(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

}  // namespace privdnn
