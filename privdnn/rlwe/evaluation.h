// The user's side: the encrypted convolution, masked for the owner, and the unmasking of what comes back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/base/secret.h"
#include "privdnn/ring/sampling.h"
#include "privdnn/rlwe/parameters.h"
#include "privdnn/rlwe/torus.h"

namespace privdnn {

// A segment's ciphertexts in the order the inner product reads them: for each prime [tile][row][term][lane] (see
// kernels.h), terms()+1 terms. Row f < outputs holds b_{f,*}; row `outputs` holds the public a_*.
class EncryptedKernels {
 public:
  // Expands a_* from the seed; b_* are to be set.
  EncryptedKernels(const Parameters& params, size_t outputs, const Seed& seed);
  // `residues`: params.ring().limbs_size() of them, in NTT form, prime-major. term <= terms(). Distinct (output, term)
  // may be set from several threads.
  void Set(const Parameters& params, size_t output, size_t term, std::span<const uint64_t> residues);

  size_t outputs() const { return outputs_; }
  size_t rows() const { return outputs_ + 1; }
  // All rows modulo prime i, from the tile on.
  const uint64_t* tile(size_t prime, size_t tile) const {
    return weights_.data() + prime * prime_size_ + tile * tile_size_;
  }

 private:
  size_t outputs_;
  size_t tile_size_;   // residues of a tile: all rows and terms
  size_t prime_size_;  // residues of a prime: all tiles
  AlignedVector<uint64_t> weights_;
};

// What goes to the owner for one unit: what one set of polynomials holds (see Geometry).
//   a'   = sum_j a_j phi_j + a_pk v + g                                          whole, NTT form
//   b'_f = (sum_j b_{f,j} phi_j + b_{f,pk} v)[positions of f] + rho_f            [output][prime][position]
struct MaskedUnit {
  NttPoly a;
  std::vector<uint64_t> b;
};
// rho/Q for each [output][position]; kept by the user, zeroised when it goes.
using Masks = Secret<Torus>;

// Memory that Evaluate works in; belongs to the caller, one for each concurrent call. Holds the last units' features.
// It grows to what the largest call needed and does not shrink.
//
// The features of all units of a pass are held in NTT form, since the transform of a term gives all of its lanes and a
// tile of the inner product takes that lane of all terms; so the features are most of the memory. With J = terms(),
// m primes and F outputs, a call takes
//   units N (8 m (J+1) + 8 (F+1) + 4) + 12 N threads      bytes,
// for example 8 units, N = 4096, m = 2: 71.8 + 8.7 MB for VGG16's J = 136, F = 32; 110.1 + 33.8 MB for AlexNet's
// J = 209, F = 128.
struct EvaluationScratch {
  struct Worker {
    ZeroizingVector<int32_t> small;
    AlignedVector<uint64_t> limb;
  };
  std::vector<AlignedVector<uint64_t>> features;   // one for each unit of a pass: [prime][tile][term][lane]
  std::vector<AlignedVector<uint64_t>> products;   // one for each unit of a pass: [row][n]
  std::vector<ZeroizingVector<int32_t>> blinding;  // v, one for each unit of a pass
  std::vector<Worker> workers;                     // one a thread
};

// Bytes that a fresh EvaluationScratch holds after Evaluate for so many outputs, units and threads: the formula above.
uint64_t EvaluationScratchBytes(const ParameterSpec& spec, size_t outputs, size_t units, int threads = 1);

// Writes the n coefficients of feature polynomial phi_term of a unit: |c| <= max_feature. `out` arrives zeroed.
// Called once for each (unit, term), from several threads at a time if Evaluate has several.
using FeatureFn = std::function<void(size_t unit, size_t term, std::span<int32_t> out)>;

// The coefficients of a unit's output that the owner is to decrypt, ascending, below n.
using PositionsFn = std::function<std::span<const uint32_t>(size_t unit, size_t output)>;

// Evaluates masks.size() units, 1 to kMaxUnitsPerPass, on up to `threads` (at least 1) threads. v, g and rho are
// fresh for each. All randomness is drawn by the calling thread in one order, so the result does not depend on
// `threads`.
std::vector<MaskedUnit> Evaluate(const Parameters& params, const TorusMap& torus, const EncryptedKernels& kernels,
                                 const FeatureFn& features, const PositionsFn& positions, RandomSource& random,
                                 EvaluationScratch& scratch, std::span<Masks> masks, int threads = 1);

// y = round((reply * Q/2^L - rho)/Delta) mod t, centred: in [-t/2, t/2).
int64_t Unmask(const Parameters& params, uint64_t reply, Torus mask);

}  // namespace privdnn
