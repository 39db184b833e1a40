#include "privdnn/rlwe/torus.h"

#include <cassert>

namespace privdnn {

TorusMap::TorusMap(const Ring& ring) {
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const Modulus& m = ring.modulus(i);
    uint64_t hat = 1;
    for (size_t k = 0; k < ring.num_primes(); ++k) {
      if (k != i) hat = m.Mul(hat, m.Reduce(ring.modulus(k).value()));
    }
    // q is odd, so floor((2^128 - 1)/q) = floor(2^128/q), and 2^128 mod q is one more than the remainder of 2^128 - 1.
    const Torus remainder = ~Torus{0} % m.value() + 1;
    limbs_.push_back({m, m.Inverse(hat), ~Torus{0} / m.value(), static_cast<uint64_t>((remainder << 64) / m.value())});
  }
}

Torus TorusMap::operator()(std::span<const uint64_t> residues) const {
  assert(residues.size() == limbs_.size());
  Torus sum = 0;
  for (size_t i = 0; i < limbs_.size(); ++i) {
    const Limb& limb = limbs_[i];
    const uint64_t c = limb.modulus.Mul(residues[i], limb.hat_inverse);
    sum += limb.reciprocal * c + ((static_cast<Torus>(limb.fraction) * c) >> 64);
  }
  return sum;
}

}  // namespace privdnn
