// Estimates how much of a segment's secret keys chosen ciphertexts reveal, and the cost of recovering the rest by
// lattice reduction. These are estimates from the literature, not bounds; SECURITY.md, statement 3, says what they
// leave out.
//
// N is the ring's degree, Q its modulus, l = plain_bits. A malicious user sends a' of its own choice. Each value of the
// reply is a linear function of the output's key s, plus the drowning noise, rounded to l + 3 bits. The key s is a
// vector of N coefficients in {-1, 0, 1}. One a' serves all outputs of a segment.
//
// What replies reveal. A value reveals at most ReplyInformation(l) bits. Integer-valued functions of s that remove k
// dimensions from a lattice attack are linearly independent (perfect hints: Dachman-Soled, Ducas, Gong, Rossi, CRYPTO
// 2020, ePrint 2020/292, section 4.1). The entropy of k such functions is at least k log2(3): given all other
// coefficients of s, they determine k coefficients. So i images reveal at most
//   k(i) = i * positions * ReplyInformation(l) / log2(3)
// coefficients, and packing coefficients as base-3 digits comes near that. Hints that remove no dimension help less.
// One bit of an approximate or modular hint at most doubles the lattice's volume. A known coefficient, of 1.6 bits,
// multiplies the volume by Q, with log2(Q) from 50 to 400.
//
// The rest is LWE with n = N - k ternary coefficients. The package's encryption of zero, b_pk, gives N samples modulo Q
// with centred binomial errors.
#pragma once

#include <cstdint>

#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// Learning with errors: `samples` numbers <a, s> + e modulo q with uniform a. The n coefficients of s are to be found.
struct LweInstance {
  uint64_t n = 0;
  uint64_t samples = 0;
  double log_q = 0;             // log2 of q
  double secret_deviation = 0;  // of a coefficient of s
  double error_deviation = 0;   // of e
};

// The block size with which BKZ finds the secret, and the dimension of the lattice. Both are 0 if there is nothing to
// find.
struct ReductionCost {
  uint32_t block_size = 0;
  uint64_t dimension = 0;
  // Return log2 of the number of operations, with a sieve in each block (Becker, Ducas, Gama, Laarhoven, SODA 2016;
  // quantum: Laarhoven, 2015), as the Homomorphic Encryption Standard counts them (Albrecht et al., 2018, "BKZ.sieve"
  // and "BKZ.qsieve"): 0.292 or 0.265 block_size + 16.4 + log2(8 dimension). 0 if there is nothing to find.
  double ClassicalBits() const;
  double QuantumBits() const;
};

// Returns the factor delta for which BKZ's first vector has length delta^d Vol^(1/d) in dimension d. Uses Chen's limit
// ((pi b)^(1/b) b/(2 pi e))^(1/(2(b-1))) from b = 50 (Y. Chen, thesis, Paris 7, 2013), and interpolates measured values
// below that. block_size must be at least 2.
double RootHermiteFactor(uint32_t block_size);

// Finds the least block size b, with the best number m of samples, for which the primal attack succeeds (Alkim, Ducas,
// Poeppelmann, Schwabe, USENIX Security 2016, section 6.3). The dimension is d = n + m + 1, and the secret is scaled to
// the errors' deviation (Bai, Galbraith, ACISP 2014):
//   error_deviation sqrt(b) <= delta(b)^(2b-d-1) (q^m (error_deviation/secret_deviation)^n)^(1/d).
// If no block size succeeds, returns that of the whole lattice. Deviations and log_q must be positive.
ReductionCost PrimalAttack(const LweInstance& lwe);

// Returns the most bits that a value of a reply reveals about the user's question. The value has l + kReplyGuardBits
// bits; the drowning noise hides at least its own entropy, rounded to the reply's unit.
double ReplyInformation(int plain_bits);

// Thresholds, as log2 of operations. kFeasibleBits counts as feasible on classical computers. kSafeBits is the cost
// that makes keys safe, in the quantum column by which kSecurityTable is enforced.
inline constexpr double kFeasibleBits = 64;
inline constexpr double kSafeBits = 128;

// The chosen ciphertexts that a segment's keys withstand, counted in images.
struct KeyRecovery {
  // Images after which packing alone, without lattice reduction, reveals every key. floor((plain_bits - 1)/log2(3))
  // coefficients fit into one value, as base-3 digits.
  uint64_t images_by_packing = 0;
  // The fewest images after which the rest of the first keys to fall takes at most 2^kFeasibleBits operations, and the
  // cost at that point. The first keys to fall are those of the outputs with most positions. One reduction serves all
  // of them.
  uint64_t images_by_lattice = 0;
  ReductionCost cost;
  // The most images after which every key still costs at least kSafeBits.
  uint64_t safe_images = 0;
};
KeyRecovery CountKeyRecovery(const Geometry& geometry, const ParameterSpec& parameters);

// Returns the cost of the first keys to fall after `images` images.
ReductionCost KeyCostAfter(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

}  // namespace privdnn
