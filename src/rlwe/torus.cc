#include "rlwe/torus.h"

#include <cassert>

namespace privdnn {

TorusMap::TorusMap(const Ring& ring) {
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const Modulus& m = ring.modulus(i);
    uint64_t hat = 1;
    for (size_t k = 0; k < ring.num_primes(); ++k) {
      if (k != i) hat = m.Mul(hat, m.Reduce(ring.modulus(k).value()));
    }
    // q is odd, so floor((2^128 - 1)/q) = floor(2^128/q).
    limbs_.push_back({m, m.Inverse(hat), ~Torus{0} / m.value()});
  }
}

Torus TorusMap::operator()(std::span<const uint64_t> residues) const {
  assert(residues.size() == limbs_.size());
  Torus sum = 0;
  for (size_t i = 0; i < limbs_.size(); ++i) {
    sum += limbs_[i].reciprocal * limbs_[i].modulus.Mul(residues[i], limbs_[i].hat_inverse);
  }
  return sum;
}

}  // namespace privdnn
