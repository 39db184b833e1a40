#include "privdnn/ring/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

using ring_test::Fingerprint;
using ring_test::kPrimes;
using ring_test::MakeModulus;

constexpr size_t kSamples = 1 << 20;

// Pearson's statistic for counts against probabilities, at most six standard deviations above its mean (a right
// sampler fails once in 10^7 seeds or less).
void ExpectChiSquare(const std::vector<uint64_t>& counts, const std::vector<double>& probabilities) {
  const double total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
  double statistic = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i];
    ASSERT_GT(expected, 4.0);
    statistic += (static_cast<double>(counts[i]) - expected) * (static_cast<double>(counts[i]) - expected) / expected;
  }
  const double degrees = static_cast<double>(counts.size()) - 1;
  EXPECT_LT(statistic, degrees + 6 * std::sqrt(2 * degrees) + 6);
}

TEST(SampleTernary, IsUniformInEveryPositionAndPair) {
  std::vector<int32_t> samples(kSamples);
  DeterministicRandom random(1);
  SampleTernary(random, samples);
  std::vector<uint64_t> by_position(8 * 3), pairs(9);
  for (size_t k = 0; k < samples.size(); ++k) {
    ASSERT_GE(samples[k], -1);
    ASSERT_LE(samples[k], 1);
    ++by_position[k % 8 * 3 + static_cast<size_t>(samples[k] + 1)];
    if (k > 0) ++pairs[static_cast<size_t>(3 * (samples[k - 1] + 1) + samples[k] + 1)];
  }
  ExpectChiSquare(by_position, std::vector<double>(24, 1.0 / 24));
  ExpectChiSquare(pairs, std::vector<double>(9, 1.0 / 9));
}

TEST(SampleCenteredBinomial, HasExactProbabilities) {
  std::vector<int32_t> samples(3 * kSamples);
  DeterministicRandom random(2);
  SampleCenteredBinomial(random, samples);
  // P(x) = C(42, 21+x) / 2^42; values of 14 and more to a side share a cell. The three samples of a group apart.
  constexpr int kTail = 14;
  constexpr size_t kCells = 2 * kTail + 1;
  std::vector<double> probabilities(kCells, 0);
  for (int x = -kBinomialBits; x <= kBinomialBits; ++x) {
    const double log_choose = std::lgamma(43) - std::lgamma(22 + x) - std::lgamma(22 - x);
    probabilities[static_cast<size_t>(std::clamp(x, -kTail, kTail) + kTail)] +=
        std::exp(log_choose - 42 * std::log(2.0));
  }
  std::vector<std::vector<uint64_t>> counts(3, std::vector<uint64_t>(kCells));
  double square_sum = 0, neighbour_sum = 0;
  for (size_t k = 0; k < samples.size(); ++k) {
    ASSERT_LE(std::abs(samples[k]), kBinomialBits);
    ++counts[k % 3][static_cast<size_t>(std::clamp(samples[k], -kTail, kTail) + kTail)];
    square_sum += samples[k] * samples[k];
    if (k > 0) neighbour_sum += samples[k] * samples[k - 1];
  }
  for (const auto& c : counts) ExpectChiSquare(c, probabilities);
  const auto total = static_cast<double>(samples.size());
  EXPECT_NEAR(square_sum / total, kBinomialVariance, 0.06);
  EXPECT_NEAR(neighbour_sum / total, 0, 6 * kBinomialVariance / std::sqrt(total));
}

// Sources of constant bytes reach the ends of the ranges.
class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(uint64_t word) : word_(word) {}
  void Fill(std::span<uint8_t> out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(word_ >> (8 * (i % 8)));
  }
  std::unique_ptr<RandomSource> Fork() override { return std::make_unique<ConstantRandom>(word_); }

 private:
  uint64_t word_;
};

TEST(Samplers, ReachTheEndsOfTheirRanges) {
  std::vector<int32_t> small(100);
  ConstantRandom zeros(0), ones(~uint64_t{0}), first_side((uint64_t{1} << 21) - 1);
  SampleTernary(zeros, small);
  EXPECT_EQ(small, std::vector<int32_t>(100, -1));
  SampleTernary(ones, small);
  EXPECT_EQ(small, std::vector<int32_t>(100, 1));
  SampleCenteredBinomial(ones, small);
  EXPECT_EQ(small, std::vector<int32_t>(100, 0));
  SampleCenteredBinomial(first_side, small);
  EXPECT_EQ(small[0], 21);
  EXPECT_EQ(small[1], 21);
  EXPECT_EQ(small[2], 0);
  const Modulus q = MakeModulus(kPrimes[4]);
  std::vector<uint64_t> residues(100);
  SampleUniform(zeros, q, residues);
  EXPECT_EQ(residues, std::vector<uint64_t>(100, 0));
  SampleUniform(ones, q, residues);
  EXPECT_EQ(residues, std::vector<uint64_t>(100, q.value() - 1));
}

TEST(SampleUniform, IsUniform) {
  for (const uint64_t prime : kPrimes) {
    std::vector<uint64_t> samples(kSamples);
    DeterministicRandom random(3);
    SampleUniform(random, MakeModulus(prime), samples);
    std::vector<uint64_t> high(64), parity(2);
    for (const uint64_t x : samples) {
      ASSERT_LT(x, prime);
      ++high[static_cast<size_t>(static_cast<ring_test::U128>(x) * 64 / prime)];
      ++parity[x % 2];
    }
    ExpectChiSquare(high, std::vector<double>(64, 1.0 / 64));
    ExpectChiSquare(parity, {0.5, 0.5});
  }
}

// The answers below were computed by reference/known_answers.py, which follows the header and shares no code.
TEST(Samplers, KnownAnswers) {
  std::vector<int32_t> ternary(40004), binomial(10001);
  std::vector<uint64_t> uniform(10001);
  DeterministicRandom one(1), two(2), three(3);
  SampleTernary(one, ternary);
  SampleCenteredBinomial(two, binomial);
  SampleUniform(three, MakeModulus(kPrimes[4]), uniform);
  EXPECT_EQ(std::vector<int32_t>(ternary.begin(), ternary.begin() + 12),
            (std::vector<int32_t>{0, 1, 1, 1, -1, 1, -1, 1, -1, 0, 1, 0}));
  EXPECT_EQ(std::vector<int32_t>(binomial.begin(), binomial.begin() + 12),
            (std::vector<int32_t>{0, -1, 2, -6, -1, 1, 2, -5, 1, -1, 1, 1}));
  EXPECT_EQ(std::vector<uint64_t>(uniform.begin(), uniform.begin() + 3),
            (std::vector<uint64_t>{112637603367704, 680332460779003, 639549993627481}));
  EXPECT_EQ(Fingerprint(std::span<const int32_t>(ternary)),
            "0d4c8f1223288587fc8e477424997cf24b6bf94e825b70780995f21465037a2e");
  EXPECT_EQ(Fingerprint(std::span<const int32_t>(binomial)),
            "a8464c508031daf18612894191c9bf3218f2bd76c17579336b33a5b2a5e83799");
  EXPECT_EQ(Fingerprint(std::span<const uint64_t>(uniform)),
            "8e3571dc72468477904718ffcc1c630e71ba6abb1be99e279a353fb2ecb8dd96");
}

TEST(ExpandUniform, KnownAnswers) {
  Seed seed;
  std::iota(seed.begin(), seed.end(), uint8_t{0});
  const std::vector<uint64_t> primes = {1125899904679937, 562949954142209, 1146881};
  const Ring ring = Ring::Create(4096, primes).value();
  const NttPoly a = ExpandUniform(ring, seed, 7);
  EXPECT_EQ(a.limb(0)[0], 362528185977711u);
  EXPECT_EQ(a.limb(0)[1], 23488954621095u);
  EXPECT_EQ(a.limb(0)[4095], 838390031107195u);
  EXPECT_EQ(a.limb(1)[0], 382135210718693u);
  EXPECT_EQ(a.limb(2)[0], 859719u);
  const char* const expected[] = {"96a68b53dda106808819e56f456fe243513706c25247359bb1b64b51d4043f9e",
                                  "185611158710f222c9242ebda28df64d099e4b50c8a8bd756258be9864439dc9",
                                  "81e69ee71b42a266e7762666e05783d564c1cd83d31c6d69bba426d4a62dc833"};
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Fingerprint(a.limb(i)), expected[i]);
}

TEST(ExpandUniform, DependsOnSeedIndexAndPrime) {
  const Ring ring = Ring::Create(2048, NttPrimes(2)).value();
  Seed seed{};
  const NttPoly a = ExpandUniform(ring, seed, 0);
  EXPECT_EQ(ExpandUniform(ring, seed, 0), a);
  EXPECT_NE(ExpandUniform(ring, seed, 1), a);
  seed[31] = 1;
  EXPECT_NE(ExpandUniform(ring, seed, 0), a);
  EXPECT_NE(a.limb(0)[0], a.limb(1)[0]);
  // A limb does not depend on which other primes there are.
  const Ring second = Ring::Create(2048, std::vector<uint64_t>{NttPrimes(2)[1]}).value();
  seed[31] = 0;
  const NttPoly b = ExpandUniform(second, seed, 0);
  EXPECT_TRUE(std::ranges::equal(b.limb(0), a.limb(1)));
}

}  // namespace
}  // namespace privdnn
