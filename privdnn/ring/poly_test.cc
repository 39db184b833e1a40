#include "privdnn/ring/poly.h"

#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

using ring_test::Words;

Ring MakeRing(size_t n, std::vector<uint64_t> primes, const Kernels* kernels = nullptr) {
  return Ring::Create(n, primes, kernels).value();
}

CoefficientPoly RandomPoly(const Ring& ring, uint64_t seed) {
  CoefficientPoly poly(ring);
  DeterministicRandom random(seed);
  for (size_t i = 0; i < ring.num_primes(); ++i) SampleUniform(random, ring.modulus(i), poly.limb(i));
  return poly;
}

Words Copy(std::span<const uint64_t> values) { return Words(values.begin(), values.end()); }

TEST(Ring, DescribesItself) {
  const Ring ring = MakeRing(4096, NttPrimes(2));
  EXPECT_EQ(ring.n(), 4096u);
  EXPECT_EQ(ring.num_primes(), 2u);
  EXPECT_EQ(ring.limbs_size(), 8192u);
  EXPECT_NEAR(ring.log_q(), 100, 1e-5);
  EXPECT_EQ(ring.modulus(1).value(), NttPrimes(2)[1]);
  EXPECT_EQ(&ring.kernels(), ChooseKernels().value());
  EXPECT_EQ(&MakeRing(16, NttPrimes(1), &ScalarKernels()).kernels(), &ScalarKernels());
}

TEST(Ring, RejectsBadParameters) {
  const std::vector<uint64_t> good = NttPrimes(9);
  const auto code = [](size_t n, std::vector<uint64_t> primes) { return Ring::Create(n, primes).status().code(); };
  EXPECT_EQ(code(4096, {}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4096, good), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4096, {good[0], good[1], good[0]}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4096, {good[0] + 2}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4000, {good[0]}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4096, {1048583}), absl::StatusCode::kInvalidArgument);
  Kernels unsupported = ScalarKernels();
  unsupported.supported = [] { return false; };
  EXPECT_EQ(Ring::Create(4096, NttPrimes(1), &unsupported).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RnsPoly, MultipliesLikeTheDefinition) {
  for (const Kernels* kernels : ring_test::SupportedKernels()) {
    const Ring ring = MakeRing(256, {ring_test::kPrimes[4], ring_test::kPrimes[0], ring_test::kPrimes[2]}, kernels);
    const CoefficientPoly a = RandomPoly(ring, 1), b = RandomPoly(ring, 2);
    const CoefficientPoly product = ToCoefficients(ring, Multiply(ring, ToNtt(ring, a), ToNtt(ring, b)));
    for (size_t i = 0; i < ring.num_primes(); ++i) {
      EXPECT_EQ(Copy(product.limb(i)),
                ring_test::NaiveProduct(Copy(a.limb(i)), Copy(b.limb(i)), ring.modulus(i).value()));
    }
    EXPECT_EQ(ToCoefficients(ring, ToNtt(ring, a)), a);
  }
}

TEST(RnsPoly, TransformIsLinear) {
  const Ring ring = MakeRing(2048, NttPrimes(2));
  const CoefficientPoly a = RandomPoly(ring, 3), b = RandomPoly(ring, 4);
  CoefficientPoly sum = a;
  AddInPlace(ring, sum, b);
  NttPoly sum_of_transforms = ToNtt(ring, a);
  AddInPlace(ring, sum_of_transforms, ToNtt(ring, b));
  EXPECT_EQ(ToNtt(ring, sum), sum_of_transforms);
}

TEST(RnsPoly, NegationCancels) {
  const Ring ring = MakeRing(2048, NttPrimes(3));
  CoefficientPoly a = RandomPoly(ring, 5);
  a.limb(0)[7] = 0;
  CoefficientPoly minus = a;
  NegateInPlace(ring, minus);
  AddInPlace(ring, a, minus);
  EXPECT_EQ(a, CoefficientPoly(ring));
  NttPoly zero(ring);
  NegateInPlace(ring, zero);
  EXPECT_EQ(zero, NttPoly(ring));
}

TEST(RnsPoly, LiftsSmallCoefficientsToEveryPrime) {
  const Ring ring = MakeRing(16, {ring_test::kPrimes[0], ring_test::kPrimes[4]});
  std::vector<int32_t> small(16, 0);
  small[1] = 5;
  small[2] = -3;
  small[3] = -2147483647;
  const CoefficientPoly poly = FromSmall(ring, small);
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const Modulus& q = ring.modulus(i);
    EXPECT_EQ(poly.limb(i)[0], 0u);
    EXPECT_EQ(poly.limb(i)[1], 5u);
    EXPECT_EQ(poly.limb(i)[2], q.value() - 3);
    EXPECT_EQ(poly.limb(i)[3], q.Neg(2147483647 % q.value()));
  }
}

TEST(RnsPoly, IsAlignedForTheKernels) {
  const Ring ring = MakeRing(16, NttPrimes(3));
  const NttPoly poly(ring);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(reinterpret_cast<uintptr_t>(poly.limb(i).data()) % 64, 0u);
}

}  // namespace
}  // namespace privdnn
