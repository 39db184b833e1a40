// The owner's side: keys, encryption of kernels, drowned and rounded replies.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/base/secret.h"
#include "privdnn/ring/sampling.h"
#include "privdnn/rlwe/parameters.h"
#include "privdnn/rlwe/torus.h"

namespace privdnn {

// Multi-secret ring-LWE with shared public polynomials (in the manner of Peikert, Vaikuntanathan and Waters, CRYPTO
// 2008): encrypted output f has its own ternary secret s_f and fresh errors; a_1 ... a_J and a_pk are public, expanded
// from a seed and shared by all f. A pair (a, s) is never used for two messages.
//   b_{f,j}  = -a_j  s_f + e_{f,j}  + Delta A_{f,j}      or round(Q A_{f,j}/t), see Parameters
//   b_{f,pk} = -a_pk s_f + e_{f,pk}                      an encryption of zero: the public key
// In what follows term j < J is a kernel polynomial and term J is pk.

// The public polynomials a_0 ... a_J of a segment (J = params.terms(), the last is a_pk).
std::vector<NttPoly> ExpandPublic(const Parameters& params, const Seed& seed);

// s_f: n coefficients in {-1, 0, 1}.
class OutputKey {
 public:
  static OutputKey Generate(const Parameters& params, RandomSource& random);
  // From coefficients in {-1, 0, 1}; InvalidArgument for others or a wrong count.
  static absl::StatusOr<OutputKey> FromCoefficients(const Parameters& params, Secret<int32_t> coefficients);

  const Secret<int32_t>& coefficients() const { return coefficients_; }
  const SecretPoly& ntt() const { return ntt_; }

 private:
  OutputKey(const Parameters& params, Secret<int32_t> coefficients);
  Secret<int32_t> coefficients_;
  SecretPoly ntt_;
};

// b for one term. `message` holds n kernel coefficients, |c| < 2^31, or nothing for an encryption of zero.
NttPoly EncryptTerm(const Parameters& params, const NttPoly& a, const OutputKey& key, std::span<const int32_t> message,
                    RandomSource& random);

// What the owner computes from a query: the phases b' + (a' s_f) + Delta*added at `positions`, divided by Q. b_masked
// holds, for each prime, the residues at the positions: [prime][position]. `added` holds an integer for each position,
// |added| < 2^62, or nothing: what is unmasked is larger by it.
//
// Delta*added is exact, since it is added modulo Q and before the map to the torus. added/t on the torus would be off
// by added (Q mod t)/(t Q), which tells of `added` beyond the sum that is unmasked.
ZeroizingVector<Torus> Phases(const Parameters& params, const TorusMap& torus, const OutputKey& key,
                              const NttPoly& a_masked, std::span<const uint64_t> b_masked,
                              std::span<const uint32_t> positions, std::span<const int64_t> added);

// Output perturbation: adds e to each integer that Phases is to add, e a normal deviate of deviation `sigma` rounded to
// an integer, so that what is unmasked is the exact integer plus e. Without branches on e. Phases moves by Delta*e,
// which leaves the room for eta and nu as it was.
//
// 0 <= sigma <= MaxOutputNoise(params.plain_bits()), the largest with |e| <= t/4 (SampleNormal is cut off at 9.35
// deviations): an output below t/4 in size, half of what any input could give, never wraps around the plaintext
// modulus.
void PerturbOutputs(const Parameters& params, double sigma, RandomSource& random, std::span<int64_t> added);
double MaxOutputNoise(int plain_bits);

// Adds the drowning noise nu (normal, sigma_nu = Q/(21 t)) to each phase and rounds to the top params.reply_bits()
// bits. nu is drawn as a double and kept to 2^-62 Q/t; Parameters counts what it differs from a normal by.
std::vector<uint64_t> DrownAndRound(const Parameters& params, std::span<const Torus> phases, RandomSource& random);

}  // namespace privdnn
