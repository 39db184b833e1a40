#include "privdnn/ring/kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "privdnn/ring/test_util.h"

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

// All implementations, the scalar one included, against the definitions.

// Every supported kernel set, for every number of units, against sums made here with U128. `fill` makes n residues.
template <typename Fill>
void CheckInnerProducts(const Modulus& q, size_t tiles, size_t rows, size_t terms, const Fill& fill) {
  const size_t tile_words = terms * kTile, row_stride = (tiles + 1) * kTile;
  const Words weights = fill(0, tiles * rows * tile_words);
  const Words untouched(rows * row_stride, ~uint64_t{0});  // what lies between rows of the output stays as it is
  std::array<Words, kMaxUnitsPerPass> features, expected, got;
  const uint64_t* f[kMaxUnitsPerPass];
  uint64_t* out[kMaxUnitsPerPass];
  for (size_t i = 0; i < kMaxUnitsPerPass; ++i) {
    f[i] = (features[i] = fill(i + 1, tiles * tile_words)).data();
    expected[i] = untouched;
    for (size_t row = 0; row < rows; ++row) {
      for (size_t k = 0; k < tiles * kTile; ++k) {
        const size_t tile = k / kTile, lane = k % kTile;
        ring_test::U128 sum = 0;
        for (size_t j = 0; j < terms; ++j) {
          sum += static_cast<ring_test::U128>(weights[(tile * rows + row) * tile_words + j * kTile + lane]) *
                 features[i][tile * tile_words + j * kTile + lane];
        }
        expected[i][row * row_stride + k] = static_cast<uint64_t>(sum % q.value());
      }
    }
  }
  for (const Kernels* kernels : ring_test::SupportedKernels()) {
    for (size_t units = 1; units <= kMaxUnitsPerPass; ++units) {
      for (size_t i = 0; i < kMaxUnitsPerPass; ++i) out[i] = (got[i] = untouched).data();
      kernels->inner_products(q, {.tiles = tiles,
                                  .rows = rows,
                                  .terms = terms,
                                  .units = units,
                                  .weights = weights.data(),
                                  .features = f,
                                  .out = out,
                                  .row_stride = row_stride});
      for (size_t i = 0; i < kMaxUnitsPerPass; ++i) {
        ASSERT_EQ(got[i], i < units ? expected[i] : untouched)
            << kernels->name << " q " << q.value() << " rows " << rows << " terms " << terms << " unit " << i << " of "
            << units;
      }
    }
  }
}

TEST(Kernels, InnerProductsMatchTheDefinition) {
  for (const uint64_t prime : kPrimes) {
    const Modulus q = MakeModulus(prime);
    const auto fill = [&](uint64_t seed, size_t n) { return RandomResidues(seed, n, q); };
    // Every way in which rows and terms can be left over after blocks of rows and unrolled terms.
    for (size_t rows = 1; rows <= 9; ++rows) {
      for (size_t terms = 1; terms <= 9; ++terms) CheckInnerProducts(q, 2, rows, terms, fill);
    }
    CheckInnerProducts(q, 3, 13, 14, fill);
    CheckInnerProducts(q, 1, 33, 137, fill);
  }
}

// All q-1 and kMaxTerms terms are the worst case of the lazy sums.
TEST(Kernels, InnerProductsOfTheLargestResiduesDoNotOverflow) {
  for (const uint64_t prime : kPrimes) {
    const Modulus q = MakeModulus(prime);
    const auto largest = [&](uint64_t, size_t n) { return Words(n, prime - 1); };
    for (size_t rows = 1; rows <= 4; ++rows) CheckInnerProducts(q, 1, rows, kMaxTerms, largest);
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
  // What fits a cache, and what doesn't.
  for (const auto& [n, terms] : {std::pair<size_t, size_t>{64, 3}, {8192, 33}}) {
    for (const Kernels* kernels : ring_test::SupportedKernels()) {
      AlignedVector<uint64_t> tiles(n * terms, 0);
      for (size_t i = 0; i < terms; ++i) {
        const size_t term = (i + 2) % terms;
        Words poly(n);
        for (size_t k = 0; k < n; ++k) poly[k] = n * term + k;
        kernels->scatter_tiles(n, terms, term, poly.data(), tiles.data());
      }
      for (size_t k = 0; k < n; ++k) {
        for (size_t term = 0; term < terms; ++term) {
          ASSERT_EQ(tiles[(k / kTile * terms + term) * kTile + k % kTile], n * term + k) << kernels->name;
        }
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
