// Transforms and products against Microsoft SEAL; seal_crosscheck/crosscheck.mjs computes the answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "privdnn/ring/poly.h"
#include "privdnn/ring/sampling.h"
#include "privdnn/ring/seal_crosscheck/answers.h"
#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

// The residues of the expansion, taken as coefficients.
CoefficientPoly ExpandCoefficients(const Ring& ring, uint32_t index) {
  Seed seed;
  std::iota(seed.begin(), seed.end(), uint8_t{0});
  const NttPoly values = ExpandUniform(ring, seed, index);
  CoefficientPoly poly(ring);
  std::ranges::copy(values.all(), poly.all().begin());
  return poly;
}

TEST(SealCrosscheck, SameTransformsAndProducts) {
  EXPECT_TRUE(std::ranges::equal(NttPrimes(2), seal_crosscheck::kPrimes));
  for (const Kernels* kernels : ring_test::SupportedKernels()) {
    for (const seal_crosscheck::Answer& answer : seal_crosscheck::kAnswers) {
      const Ring ring = Ring::Create(answer.n, seal_crosscheck::kPrimes, kernels).value();
      const NttPoly transform = ToNtt(ring, ExpandCoefficients(ring, 1));
      EXPECT_EQ(ring_test::Fingerprint(transform.all()), answer.transform) << kernels->name << " n " << answer.n;
      std::vector<int32_t> small(answer.n);
      for (size_t k = 0; k < answer.n; ++k) small[k] = static_cast<int32_t>((k * k + 3 * k) % 21) - 10;
      const NttPoly product =
          Multiply(ring, ToNtt(ring, ExpandCoefficients(ring, 2)), ToNtt(ring, FromSmall(ring, small)));
      EXPECT_EQ(ring_test::Fingerprint(ToCoefficients(ring, product).all()), answer.product)
          << kernels->name << " n " << answer.n;
    }
  }
}

}  // namespace
}  // namespace privdnn
