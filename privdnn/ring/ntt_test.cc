#include <gtest/gtest.h>

#include <bit>

#include "privdnn/ring/ntt_tables.h"
#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

using ring_test::kLargestPrime;
using ring_test::kPrimes;
using ring_test::MakeModulus;
using ring_test::RandomResidues;
using ring_test::Words;

Words Forward(const Kernels& kernels, const NttTables& tables, Words values) {
  kernels.ntt_forward(tables, values.data());
  return values;
}

// a*b by way of the transform.
Words Product(const Kernels& kernels, const NttTables& tables, const Words& a, const Words& b) {
  Words product = Forward(kernels, tables, a);
  const Words other = Forward(kernels, tables, b);
  kernels.multiply(tables.modulus, tables.n, product.data(), other.data(), product.data());
  kernels.ntt_inverse(tables, product.data());
  return product;
}

TEST(NttTables, FindsTheSmallestRoot) {
  // From reference/known_answers.py.
  const auto psi = [](size_t n, uint64_t q) { return NttTables::Create(n, MakeModulus(q)).value().psi; };
  EXPECT_EQ(psi(16, 1125899904679937), 69859474284247u);
  EXPECT_EQ(psi(16, 1125899903991809), 157610841192819u);
  EXPECT_EQ(psi(2048, 1125899904679937), 1920065766511u);
  EXPECT_EQ(psi(4096, 1125899903991809), 348372145685u);
  EXPECT_EQ(psi(16384, 1125899904679937), 184459094098u);
  EXPECT_EQ(psi(16384, 1125899903991809), 125929543876u);
}

TEST(NttTables, RejectsWhatHasNoTransform) {
  const Modulus q = MakeModulus(kLargestPrime);
  for (const size_t n : {size_t{0}, size_t{1}, size_t{8}, size_t{24}, size_t{4095}, size_t{32768}}) {
    EXPECT_EQ(NttTables::Create(n, q).status().code(), absl::StatusCode::kInvalidArgument) << n;
  }
  // 1048583 = 7 mod 32.
  EXPECT_EQ(NttTables::Create(16, MakeModulus(1048583)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Ntt, EvaluatesAtOddPowersOfPsiInBitReversedOrder) {
  for (size_t n = 16; n <= 16384; n *= 2) {
    for (const uint64_t prime : kPrimes) {
      const Modulus q = MakeModulus(prime);
      const NttTables tables = NttTables::Create(n, q).value();
      const Words a = RandomResidues(n, n, q);
      std::vector<Words> outputs;
      for (const Kernels* kernels : ring_test::SupportedKernels()) outputs.push_back(Forward(*kernels, tables, a));
      // Every point for small n, some of each part of the array for large n.
      for (size_t i = 0; i < n; i += n <= 256 ? 1 : n / 16 + 1) {
        size_t reversed = 0;
        for (size_t bit = 1, mirrored = n / 2; bit < n; bit *= 2, mirrored /= 2) reversed |= (i & bit) ? mirrored : 0;
        const uint64_t point = q.Pow(tables.psi, 2 * reversed + 1);
        uint64_t value = 0;
        for (size_t k = n; k-- > 0;) value = q.Add(q.Mul(value, point), a[k]);
        for (const Words& output : outputs) ASSERT_EQ(output[i], value) << "n " << n << " q " << prime << " i " << i;
      }
    }
  }
}

TEST(Ntt, RoundTripsEdgeAndRandomValues) {
  for (const Kernels* kernels : ring_test::SupportedKernels()) {
    for (size_t n = 16; n <= 16384; n *= 2) {
      for (const uint64_t prime : kPrimes) {
        const Modulus q = MakeModulus(prime);
        const NttTables tables = NttTables::Create(n, q).value();
        std::vector<Words> inputs = ring_test::EdgeInputs(n, prime);
        inputs.push_back(RandomResidues(1, n, q));
        for (const Words& input : inputs) {
          Words values = Forward(*kernels, tables, input);
          for (const uint64_t v : values) ASSERT_LT(v, prime);
          kernels->ntt_inverse(tables, values.data());
          ASSERT_EQ(values, input) << kernels->name << " n " << n << " q " << prime;
        }
      }
    }
  }
}

TEST(Ntt, MultipliesLikeTheDefinition) {
  for (size_t n = 16; n <= 2048; n *= 2) {
    for (const uint64_t prime : kPrimes) {
      const Modulus q = MakeModulus(prime);
      const NttTables tables = NttTables::Create(n, q).value();
      const Words a = RandomResidues(2 * n, n, q), b = RandomResidues(2 * n + 1, n, q), top(n, prime - 1);
      const Words ab = ring_test::NaiveProduct(a, b, prime), top_top = ring_test::NaiveProduct(top, top, prime);
      for (const Kernels* kernels : ring_test::SupportedKernels()) {
        ASSERT_EQ(Product(*kernels, tables, a, b), ab) << kernels->name << " n " << n << " q " << prime;
        ASSERT_EQ(Product(*kernels, tables, top, top), top_top) << kernels->name << " n " << n << " q " << prime;
      }
    }
  }
}

TEST(Ntt, MultipliesLikeTheDefinitionForLargeDegrees) {
  const Modulus q = MakeModulus(kLargestPrime);
  for (const size_t n : {4096, 8192, 16384}) {
    const NttTables tables = NttTables::Create(n, q).value();
    const Words a = RandomResidues(n, n, q), b = RandomResidues(n + 1, n, q);
    const Words expected = ring_test::NaiveProduct(a, b, kLargestPrime);
    for (const Kernels* kernels : ring_test::SupportedKernels()) {
      ASSERT_EQ(Product(*kernels, tables, a, b), expected) << kernels->name << " n " << n;
    }
  }
}

TEST(Ntt, MultipliesByMonomials) {
  // X^e b shifts b by e and negates what wraps round.
  for (const size_t n : {4096, 8192, 16384}) {
    for (const uint64_t prime : kPrimes) {
      const Modulus q = MakeModulus(prime);
      const NttTables tables = NttTables::Create(n, q).value();
      const Words b = RandomResidues(n, n, q);
      for (const size_t e : {size_t{0}, size_t{1}, size_t{17}, n / 2, n - 1}) {
        Words expected(n);
        for (size_t k = 0; k < n; ++k) expected[(k + e) % n] = k + e < n ? b[k] : q.Neg(b[k]);
        for (const Kernels* kernels : ring_test::SupportedKernels()) {
          ASSERT_EQ(Product(*kernels, tables, ring_test::Sparse(n, {{e, 1}}), b), expected)
              << kernels->name << " " << e;
        }
      }
    }
  }
}

}  // namespace
}  // namespace privdnn
