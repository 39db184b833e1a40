#include "ring/kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "ring/test_util.h"

namespace privdnn {
namespace {

using ring_test::kPrimes;
using ring_test::MakeModulus;
using ring_test::RandomResidues;
using ring_test::Words;

// Each vector kernel against the specification.
class VectorKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (!Avx512IfmaKernels().supported()) GTEST_SKIP() << "this processor has no AVX-512 IFMA";
  }
  const Kernels& scalar_ = ScalarKernels();
  const Kernels& vector_ = Avx512IfmaKernels();

  static std::vector<Words> Inputs(size_t n, const Modulus& q) {
    std::vector<Words> inputs = ring_test::EdgeInputs(n, q.value());
    for (uint64_t seed = 0; seed < 4; ++seed) inputs.push_back(RandomResidues(seed, n, q));
    return inputs;
  }
};

TEST_F(VectorKernels, TransformsEqualScalar) {
  for (size_t n = 16; n <= 16384; n *= 2) {
    for (const uint64_t prime : kPrimes) {
      const Modulus q = MakeModulus(prime);
      const NttTables tables = NttTables::Create(n, q).value();
      for (const Words& input : Inputs(n, q)) {
        for (const auto transform : {&Kernels::ntt_forward, &Kernels::ntt_inverse}) {
          Words expected = input, got = input;
          (scalar_.*transform)(tables, expected.data());
          (vector_.*transform)(tables, got.data());
          ASSERT_EQ(got, expected) << "n " << n << " q " << prime << " inverse "
                                   << (transform == &Kernels::ntt_inverse);
        }
      }
    }
  }
}

TEST_F(VectorKernels, PointwiseFunctionsEqualScalar) {
  for (size_t n = 16; n <= 16384; n *= 4) {
    for (const uint64_t prime : kPrimes) {
      const Modulus q = MakeModulus(prime);
      const std::vector<Words> inputs = Inputs(n, q);
      for (const Words& a : inputs) {
        for (const Words& b : inputs) {
          for (const auto function : {&Kernels::multiply, &Kernels::add}) {
            Words expected(n), got(n), in_place = a;
            (scalar_.*function)(q, n, a.data(), b.data(), expected.data());
            (vector_.*function)(q, n, a.data(), b.data(), got.data());
            ASSERT_EQ(got, expected) << "n " << n << " q " << prime << " add " << (function == &Kernels::add);
            (vector_.*function)(q, n, in_place.data(), b.data(), in_place.data());
            ASSERT_EQ(in_place, expected);
          }
        }
      }
    }
  }
}

TEST_F(VectorKernels, InnerProductEqualsScalar) {
  constexpr size_t n = 64;
  for (const uint64_t prime : kPrimes) {
    const Modulus q = MakeModulus(prime);
    for (const size_t terms : {1, 2, 3, 4, 5, 7, 8, 13, 137}) {
      const Words weights = RandomResidues(terms, n * terms, q);
      Words features[kMaxImagesPerPass], expected[kMaxImagesPerPass], got[kMaxImagesPerPass];
      const uint64_t* f[kMaxImagesPerPass];
      uint64_t *e[kMaxImagesPerPass], *g[kMaxImagesPerPass];
      for (size_t i = 0; i < kMaxImagesPerPass; ++i) {
        f[i] = (features[i] = RandomResidues(100 + i, n * terms, q)).data();
        e[i] = (expected[i] = Words(n)).data();
        g[i] = (got[i] = Words(n)).data();
      }
      scalar_.inner_product(q, n, terms, weights.data(), f, kMaxImagesPerPass, e);
      for (size_t images = 1; images <= kMaxImagesPerPass; ++images) {
        vector_.inner_product(q, n, terms, weights.data(), f, images, g);
        for (size_t i = 0; i < images; ++i) ASSERT_EQ(got[i], expected[i]) << "terms " << terms << " images " << images;
      }
    }
  }
}

// All implementations, the scalar one included, against the definitions.
TEST(Kernels, InnerProductMatchesTheDefinition) {
  constexpr size_t n = 32;
  for (const uint64_t prime : kPrimes) {
    const Modulus q = MakeModulus(prime);
    for (const size_t terms : {1, 2, 13, 137, 4096}) {
      for (const bool largest : {true, false}) {  // all q-1 is the worst case of the lazy sums
        const auto fill = [&](uint64_t seed) {
          return largest ? Words(n * terms, prime - 1) : RandomResidues(seed, n * terms, q);
        };
        const Words weights = fill(0);
        std::array<Words, kMaxImagesPerPass> features, expected;
        for (size_t i = 0; i < kMaxImagesPerPass; ++i) {
          features[i] = fill(i + 1);
          expected[i].resize(n);
          for (size_t k = 0; k < n; ++k) {
            ring_test::U128 sum = 0;
            for (size_t j = 0; j < terms; ++j) {
              const size_t at = (k / kTile * terms + j) * kTile + k % kTile;
              sum += static_cast<ring_test::U128>(weights[at]) * features[i][at];
            }
            expected[i][k] = static_cast<uint64_t>(sum % prime);
          }
        }
        for (const Kernels* kernels : ring_test::SupportedKernels()) {
          for (size_t images = 1; images <= kMaxImagesPerPass; ++images) {
            std::array<Words, kMaxImagesPerPass> got;
            const uint64_t* f[kMaxImagesPerPass];
            uint64_t* out[kMaxImagesPerPass];
            for (size_t i = 0; i < images; ++i) {
              got[i].assign(n, ~uint64_t{0});
              f[i] = features[i].data();
              out[i] = got[i].data();
            }
            kernels->inner_product(q, n, terms, weights.data(), f, images, out);
            for (size_t i = 0; i < images; ++i) {
              ASSERT_EQ(got[i], expected[i])
                  << kernels->name << " q " << prime << " terms " << terms << " of " << images;
            }
          }
        }
      }
    }
  }
}

TEST(Kernels, LiftSignedMatchesTheDefinition) {
  std::vector<int32_t> small = {0,
                                1,
                                -1,
                                21,
                                -21,
                                std::numeric_limits<int32_t>::max(),
                                -std::numeric_limits<int32_t>::max(),
                                1146881,
                                -1146881,
                                1146880,
                                -1146882,
                                1 << 30};
  DeterministicRandom random(4);
  std::vector<uint64_t> words(500);
  random.Fill(std::span(words));
  for (const uint64_t w : words) small.push_back(static_cast<int32_t>(w >> 33) * ((w & 1) ? 1 : -1));
  small.resize(512);
  for (const uint64_t prime : kPrimes) {
    const Modulus q = MakeModulus(prime);
    const auto signed_q = static_cast<int64_t>(prime);
    for (const Kernels* kernels : ring_test::SupportedKernels()) {
      Words out(small.size());
      kernels->lift_signed(q, small.size(), small.data(), out.data());
      for (size_t k = 0; k < small.size(); ++k) {
        const int64_t expected = (small[k] % signed_q + signed_q) % signed_q;
        ASSERT_EQ(out[k], static_cast<uint64_t>(expected)) << kernels->name << " " << small[k] << " mod " << prime;
      }
    }
  }
}

TEST(Kernels, ScatterTilesPutsTermsSideBySide) {
  constexpr size_t n = 64, terms = 3;
  for (const Kernels* kernels : ring_test::SupportedKernels()) {
    Words tiles(n * terms, 0);
    for (const size_t term : {2, 0, 1}) {
      Words poly(n);
      for (size_t k = 0; k < n; ++k) poly[k] = 1000 * term + k;
      kernels->scatter_tiles(n, terms, term, poly.data(), tiles.data());
    }
    for (size_t k = 0; k < n; ++k) {
      for (size_t term = 0; term < terms; ++term) {
        ASSERT_EQ(tiles[(k / kTile * terms + term) * kTile + k % kTile], 1000 * term + k) << kernels->name;
      }
    }
  }
}

TEST(KernelsByName, FindsSupportedOnesOnly) {
  EXPECT_EQ(KernelsByName("scalar").value(), &ScalarKernels());
  EXPECT_EQ(KernelsByName("").value(), ring_test::SupportedKernels().front());
  const auto ifma = KernelsByName("avx512ifma");
  EXPECT_EQ(ifma.ok(), Avx512IfmaKernels().supported());
  if (ifma.ok()) {
    EXPECT_EQ(*ifma, &Avx512IfmaKernels());
  }
  const auto unknown = KernelsByName("avx1024");
  ASSERT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(unknown.status()), testing::AllOf(testing::HasSubstr("avx1024"), testing::HasSubstr("scalar")));
}

TEST(ChooseKernels, FollowsTheEnvironmentOnce) {
  const char* name = std::getenv("PRIVDNN_KERNEL");
  const auto expected = KernelsByName(name ? name : "");
  const auto chosen = ChooseKernels();
  ASSERT_EQ(chosen.ok(), expected.ok());
  if (chosen.ok()) {
    EXPECT_EQ(*chosen, *expected);
  }
}

}  // namespace
}  // namespace privdnn
