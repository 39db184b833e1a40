// Inputs and naive references for the tests of this module.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/random.h"
#include "privdnn/ring/aligned.h"
#include "privdnn/ring/kernels/kernels.h"
#include "privdnn/ring/modulus.h"
#include "privdnn/ring/sampling.h"

namespace privdnn::ring_test {

using U128 = unsigned __int128;
using Words = AlignedVector<uint64_t>;

// Primes = 1 mod 2^15 of every size: the least above 2^20, the greatest below 2^30, 2^40 and 2^50, the least above
// 2^49.
inline constexpr uint64_t kPrimes[] = {1146881, 1073643521, 1099510054913, 562949954142209, 1125899904679937};
inline constexpr uint64_t kLargestPrime = kPrimes[4];

inline Modulus MakeModulus(uint64_t q) { return Modulus::Create(q).value(); }

inline std::vector<const Kernels*> SupportedKernels() {
  std::vector<const Kernels*> kernels;
  for (const Kernels* k : AllKernels()) {
    if (k->supported()) kernels.push_back(k);
  }
  return kernels;
}

inline Words RandomResidues(uint64_t seed, size_t n, const Modulus& q) {
  Words values(n);
  DeterministicRandom random(seed);
  SampleUniform(random, q, values);
  return values;
}

// Zeros but for the given (index, value) pairs.
struct Entry {
  size_t index;
  uint64_t value;
};
inline Words Sparse(size_t n, std::initializer_list<Entry> entries) {
  Words values(n, 0);
  for (const Entry& e : entries) values[e.index] = e.value;
  return values;
}

// Inputs at the edges of the range: 0, all 1, all q-1, alternating 0 and q-1, half and half, single coefficients.
inline std::vector<Words> EdgeInputs(size_t n, uint64_t q) {
  std::vector<Words> inputs = {Words(n, 0), Words(n, 1), Words(n, q - 1)};
  Words alternating(n), halves(n, q - 1);
  for (size_t k = 1; k < n; k += 2) alternating[k] = q - 1;
  for (size_t k = 0; k < n / 2; ++k) halves[k] = 0;
  inputs.push_back(alternating);
  inputs.push_back(halves);
  for (const size_t k : {size_t{0}, size_t{1}, n / 2, n - 1}) inputs.push_back(Sparse(n, {{k, q - 1}}));
  return inputs;
}

// a*b in Z_q[X]/(X^n+1) by the definition; n <= 16384, so that sums of n products fit.
inline Words NaiveProduct(const Words& a, const Words& b, uint64_t q) {
  const size_t n = a.size();
  Words product(n);
  for (size_t k = 0; k < n; ++k) {
    U128 plus = 0, minus = 0;
    for (size_t i = 0; i <= k; ++i) plus += static_cast<U128>(a[i]) * b[k - i];
    for (size_t i = k + 1; i < n; ++i) minus += static_cast<U128>(a[i]) * b[n + k - i];
    product[k] = static_cast<uint64_t>((plus % q + q - minus % q) % q);
  }
  return product;
}

// SHA-256 of the values as they lie in memory (little-endian).
template <typename T>
std::string Fingerprint(std::span<T> values) {
  return HexEncode(Sha256({reinterpret_cast<const uint8_t*>(values.data()), values.size_bytes()}));
}

}  // namespace privdnn::ring_test
