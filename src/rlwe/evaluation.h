// The user's side: the encrypted convolution, masked for the owner, and the unmasking of what comes back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/secret.h"
#include "ring/sampling.h"
#include "rlwe/parameters.h"
#include "rlwe/torus.h"

namespace privdnn {

// A package's ciphertexts in the order the inner product reads them: for each prime and each row, tile-major (see
// kernels.h), terms()+1 terms. Row f < outputs holds b_{f,*}; row `outputs` holds the public a_*.
class EncryptedKernels {
 public:
  // Expands a_* from the seed; b_* are to be set.
  EncryptedKernels(const Parameters& params, size_t outputs, const Seed& seed);
  // `residues`: params.ring().limbs_size() of them, in NTT form, prime-major. term <= terms(). Distinct (output, term)
  // may be set from several threads.
  void Set(const Parameters& params, size_t output, size_t term, std::span<const uint64_t> residues);

  size_t outputs() const { return outputs_; }
  const uint64_t* row(size_t prime, size_t row) const {
    return weights_.data() + (prime * (outputs_ + 1) + row) * row_size_;
  }

 private:
  size_t outputs_;
  size_t row_size_;  // residues in a row
  AlignedVector<uint64_t> weights_;
};

// What goes to the owner for one image:
//   a'   = sum_j a_j phi_j + a_pk v + g                                          whole, NTT form
//   b'_f = (sum_j b_{f,j} phi_j + b_{f,pk} v)[positions] + rho_f                 [output][prime][position]
struct MaskedImage {
  NttPoly a;
  std::vector<uint64_t> b;
};
// rho/Q for each [output][position]; kept by the user, zeroised when it goes.
using Masks = Secret<Torus>;

// Memory that Evaluate works in; belongs to the caller, one a thread. Holds the last images' features.
struct EvaluationScratch {
  std::vector<AlignedVector<uint64_t>> features;  // one for each image of a pass: [prime][tile][term][lane]
  std::vector<AlignedVector<uint64_t>> products;  // one for each image of a pass: [row][n]
  ZeroizingVector<int32_t> small;
  AlignedVector<uint64_t> limb;
};

// Writes the n coefficients of feature polynomial phi_term of an image: |c| <= max_feature. `out` arrives zeroed.
using FeatureFn = std::function<void(size_t image, size_t term, std::span<int32_t> out)>;

// Evaluates 1 to kMaxImagesPerPass images. v, g and rho are fresh for each. `positions` are the coefficients that the
// owner is to decrypt, ascending, below n.
std::vector<MaskedImage> Evaluate(const Parameters& params, const TorusMap& torus, const EncryptedKernels& kernels,
                                  size_t images, const FeatureFn& features, std::span<const uint32_t> positions,
                                  RandomSource& random, EvaluationScratch& scratch, std::span<Masks> masks);

// y = round((reply * Q/2^L - rho)/Delta) mod t, centred: in [-t/2, t/2).
int64_t Unmask(const Parameters& params, uint64_t reply, Torus mask);

}  // namespace privdnn
