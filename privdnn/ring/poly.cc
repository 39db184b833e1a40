#include "privdnn/ring/poly.h"

#include <bit>
#include <cassert>
#include <cmath>
#include <utility>

namespace privdnn {

absl::StatusOr<Ring> Ring::Create(size_t n, std::span<const uint64_t> primes, const Kernels* kernels) {
  if (primes.empty() || primes.size() > kMaxPrimes) {
    return InvalidArgument("a ring has 1 to {} primes, not {}", kMaxPrimes, primes.size());
  }
  std::vector<NttTables> tables;
  for (size_t i = 0; i < primes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (primes[i] == primes[j]) return InvalidArgument("prime {} is given twice", primes[i]);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Modulus q, Modulus::Create(primes[i]));
    PRIVDNN_ASSIGN_OR_RETURN(NttTables t, NttTables::Create(n, q));
    tables.push_back(std::move(t));
  }
  if (kernels == nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(kernels, ChooseKernels());
  } else if (!kernels->supported()) {
    return InvalidArgument("this processor cannot run the kernels '{}'", kernels->name);
  }
  return Ring(n, std::move(tables), *kernels);
}

double Ring::log_q() const {
  double sum = 0;
  for (const NttTables& t : tables_) sum += std::log2(static_cast<double>(t.modulus.value()));
  return sum;
}

NttPoly ToNtt(const Ring& ring, CoefficientPoly poly) {
  assert(poly.values_.size() == ring.limbs_size());
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().ntt_forward(ring.tables(i), poly.limb(i).data());
  }
  return NttPoly(std::move(poly));
}

CoefficientPoly ToCoefficients(const Ring& ring, NttPoly poly) {
  assert(poly.values_.size() == ring.limbs_size());
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().ntt_inverse(ring.tables(i), poly.limb(i).data());
  }
  return CoefficientPoly(std::move(poly));
}

CoefficientPoly FromSmall(const Ring& ring, std::span<const int32_t> coefficients) {
  assert(coefficients.size() == ring.n());
  CoefficientPoly poly(ring);
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().lift_signed(ring.modulus(i), ring.n(), coefficients.data(), poly.limb(i).data());
  }
  return poly;
}

template <Form form>
void AddInPlace(const Ring& ring, RnsPoly<form>& a, const RnsPoly<form>& b) {
  assert(a.all().size() == ring.limbs_size() && b.all().size() == ring.limbs_size());
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    uint64_t* limb = a.limb(i).data();
    ring.kernels().add(ring.modulus(i), ring.n(), limb, b.limb(i).data(), limb);
  }
}
template void AddInPlace(const Ring&, CoefficientPoly&, const CoefficientPoly&);
template void AddInPlace(const Ring&, NttPoly&, const NttPoly&);

template <Form form>
void NegateInPlace(const Ring& ring, RnsPoly<form>& a) {
  assert(a.all().size() == ring.limbs_size());
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    for (uint64_t& x : a.limb(i)) x = ring.modulus(i).Neg(x);
  }
}
template void NegateInPlace(const Ring&, CoefficientPoly&);
template void NegateInPlace(const Ring&, NttPoly&);

NttPoly Multiply(const Ring& ring, const NttPoly& a, const NttPoly& b) {
  assert(a.all().size() == ring.limbs_size() && b.all().size() == ring.limbs_size());
  NttPoly product(ring);
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().multiply(ring.modulus(i), ring.n(), a.limb(i).data(), b.limb(i).data(), product.limb(i).data());
  }
  return product;
}

}  // namespace privdnn
