// Polynomials of R_Q = Z_Q[X]/(X^N+1) in residue number system form, Q = q_0 ... q_{m-1}.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/ring/aligned.h"
#include "privdnn/ring/kernels/kernels.h"
#include "privdnn/ring/ntt_tables.h"

namespace privdnn {

// The most primes that a ring may have.
inline constexpr size_t kMaxPrimes = 8;

// The ring and the tables for computing in it. Immutable. Polynomials hold no reference to it: the functions below take
// both.
class Ring {
 public:
  // `n` must be a power of two in [2048, 16384] ([16, 16384] is accepted for tests); `primes` must be 1 to kMaxPrimes
  // distinct primes = 1 mod 2n. Uses ChooseKernels() unless `kernels` is given.
  static absl::StatusOr<Ring> Create(size_t n, std::span<const uint64_t> primes, const Kernels* kernels = nullptr);

  size_t n() const { return n_; }
  size_t num_primes() const { return tables_.size(); }
  const Modulus& modulus(size_t i) const { return tables_[i].modulus; }
  const NttTables& tables(size_t i) const { return tables_[i]; }
  const Kernels& kernels() const { return *kernels_; }
  double log_q() const;                                      // log2 of Q
  size_t limbs_size() const { return n_ * tables_.size(); }  // residues in a polynomial

 private:
  Ring(size_t n, std::vector<NttTables> tables, const Kernels& kernels)
      : n_(n), tables_(std::move(tables)), kernels_(&kernels) {}
  size_t n_;
  std::vector<NttTables> tables_;
  const Kernels* kernels_;
};

enum class Form { kCoefficient, kNtt };

// Residues in [0, q_i), prime by prime: limb(i)[k] is the k-th coefficient (or NTT value) modulo q_i. The form is part
// of the type, so polynomials of different forms can't be mixed up.
template <Form form>
class RnsPoly {
 public:
  explicit RnsPoly(const Ring& ring) : n_(ring.n()), values_(ring.limbs_size(), 0) {}
  std::span<uint64_t> limb(size_t i) { return std::span(values_).subspan(i * n_, n_); }
  std::span<const uint64_t> limb(size_t i) const { return std::span(values_).subspan(i * n_, n_); }
  std::span<uint64_t> all() { return values_; }
  std::span<const uint64_t> all() const { return values_; }
  bool operator==(const RnsPoly&) const = default;

 private:
  template <Form other>
  friend class RnsPoly;
  friend RnsPoly<Form::kNtt> ToNtt(const Ring& ring, RnsPoly<Form::kCoefficient> poly);
  friend RnsPoly<Form::kCoefficient> ToCoefficients(const Ring& ring, RnsPoly<Form::kNtt> poly);
  template <Form other>
  explicit RnsPoly(RnsPoly<other>&& same_memory) : n_(same_memory.n_), values_(std::move(same_memory.values_)) {}
  size_t n_;
  AlignedVector<uint64_t> values_;
};
using CoefficientPoly = RnsPoly<Form::kCoefficient>;
using NttPoly = RnsPoly<Form::kNtt>;

// A secret polynomial in NTT form: movable, never copied, and read through Reveal() alone, like Secret. Its memory is
// zeroised when released, as that of all polynomials is (AlignedVector).
class SecretPoly {
 public:
  explicit SecretPoly(NttPoly poly) : poly_(std::move(poly)) {}
  SecretPoly(SecretPoly&&) noexcept = default;
  SecretPoly& operator=(SecretPoly&&) noexcept = default;
  SecretPoly(const SecretPoly&) = delete;
  SecretPoly& operator=(const SecretPoly&) = delete;
  const NttPoly& Reveal() const { return poly_; }

 private:
  NttPoly poly_;
};

NttPoly ToNtt(const Ring& ring, CoefficientPoly poly);
CoefficientPoly ToCoefficients(const Ring& ring, NttPoly poly);

// Returns the polynomial with these small signed coefficients (n of them, |c| < 2^31).
CoefficientPoly FromSmall(const Ring& ring, std::span<const int32_t> coefficients);

// a += b
template <Form form>
void AddInPlace(const Ring& ring, RnsPoly<form>& a, const RnsPoly<form>& b);
// -a
template <Form form>
void NegateInPlace(const Ring& ring, RnsPoly<form>& a);
// Returns a * b, multiplied pointwise: the negacyclic product.
NttPoly Multiply(const Ring& ring, const NttPoly& a, const NttPoly& b);

}  // namespace privdnn
