// Estimates of lattice reduction against published ones, and what follows for keys under chosen ciphertexts.
#include "privdnn/segment/key_recovery.h"

#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/segment/planner.h"
#include "privdnn/segment/test_specs.h"

namespace privdnn {
namespace {

LweInstance Kyber(uint64_t n, double deviation) {
  return {
      .n = n, .samples = n, .log_q = std::log2(3329.0), .secret_deviation = deviation, .error_deviation = deviation};
}

// Ternary secret and errors of the Homomorphic Encryption Standard's deviation, 8/sqrt(2 pi), as many samples as
// wanted.
LweInstance Standard(uint64_t n, double log_q) {
  return {.n = n,
          .samples = 10 * n,
          .log_q = log_q,
          .secret_deviation = std::sqrt(2.0 / 3),
          .error_deviation = 8 / std::sqrt(2 * std::acos(-1.0))};
}

// Block sizes that the lattice estimator (github.com/malb/lattice-estimator, README; for Kyber768 Albrecht's talk
// "Estimating the Difficulty of Breaking Lattice-Based Cryptography", FHE.org 2024) prints for Kyber of round 3.
TEST(PrimalAttack, GivesTheEstimatorsBlockSizesForKyber) {
  EXPECT_EQ(PrimalAttack(Kyber(512, std::sqrt(1.5))).block_size, 406u);
  EXPECT_EQ(PrimalAttack(Kyber(768, 1)).block_size, 624u);
  EXPECT_EQ(std::round(1e6 * RootHermiteFactor(406)), 1003941);
  EXPECT_EQ(std::round(1e6 * RootHermiteFactor(624)), 1002902);
}

// The uSVP column of Albrecht et al., Homomorphic Encryption Standard, 2018 (ePrint 2019/939), tables 1 and 2, secret
// (-1, 1). It was made with an estimator of its time, which differs by at most four block sizes.
TEST(PrimalAttack, GivesTheStandardsTablesToHalfABit) {
  const struct {
    uint64_t n;
    double log_q, bits;
  } classical[] = {{1024, 27, 131.6}, {1024, 19, 193.0},  {1024, 14, 265.6},  {2048, 54, 129.7},
                   {2048, 37, 197.5}, {2048, 29, 259.1},  {4096, 109, 128.1}, {4096, 75, 194.7},
                   {4096, 58, 260.4}, {8192, 218, 128.5}, {8192, 152, 192.2}, {16384, 438, 128.1}},
    quantum[] = {{1024, 25, 132.6}, {2048, 51, 128.6}, {4096, 101, 129.6}, {8192, 202, 129.8}, {16384, 411, 128.2}};
  for (const auto& row : classical) {
    EXPECT_LT(std::abs(PrimalAttack(Standard(row.n, row.log_q)).ClassicalBits() - row.bits), 0.5) << row.n;
  }
  for (const auto& row : quantum) {
    EXPECT_LT(std::abs(PrimalAttack(Standard(row.n, row.log_q)).QuantumBits() - row.bits), 0.5) << row.n;
  }
}

TEST(PrimalAttack, EndsAtBothEnds) {
  EXPECT_EQ(PrimalAttack(Standard(0, 100)).block_size, 0u);
  EXPECT_EQ(PrimalAttack(Standard(0, 100)).ClassicalBits(), 0);
  EXPECT_EQ(PrimalAttack(Standard(1, 100)).block_size, 2u);
  // Errors as large as the modulus: no block size is enough, and the whole lattice is sieved.
  LweInstance hopeless = Standard(100, 3);
  hopeless.error_deviation = 8;
  hopeless.samples = 50;
  EXPECT_EQ(PrimalAttack(hopeless).block_size, 151u);
  EXPECT_EQ(PrimalAttack(hopeless).dimension, 151u);
}

TEST(RootHermiteFactor, FallsWithTheBlockSize) {
  for (uint32_t b = 2; b < 1000; ++b) EXPECT_LT(RootHermiteFactor(b + 1), RootHermiteFactor(b)) << b;
  EXPECT_EQ(RootHermiteFactor(2), 1.02190);
  EXPECT_EQ(RootHermiteFactor(20), 1.01420);
}

// The definition: entropies of the reply's number, by summing over what a phase may be.
TEST(ReplyInformation, IsWhatRoundingAndNoiseLeave) {
  const auto entropy = [](double phase) {  // of round(phase + normal of 8/21)
    double sum = 0;
    for (int k = -20; k <= 20; ++k) {
      const auto below = [&](double x) { return 0.5 * std::erfc(-(x - phase) / (8.0 / 21) / std::sqrt(2.0)); };
      const double p = below(k + 0.5) - below(k - 0.5);
      if (p > 0) sum -= p * std::log2(p);
    }
    return sum;
  };
  for (int i = 1; i <= 50; ++i) EXPECT_LT(36 + 3 - entropy(i / 100.0), ReplyInformation(36)) << i;
  EXPECT_EQ(std::round(100 * (ReplyInformation(36) - 36)), 211);
}

SegmentPlan Plan(const SegmentSpec& spec, int plain_bits) { return *PlanSegment(spec, plain_bits, 1000); }

// LeNet-5 with the plaintext modulus of the embedded model. Each image tells 16 * 39.1/log2(3) = 394 coefficients of
// 4,096.
TEST(CountKeyRecovery, LeNetsKeysFallToSixImages) {
  const SegmentPlan plan = Plan(LeNetSpec(13), 37);
  const KeyRecovery& keys = plan.key_recovery;
  EXPECT_EQ(keys.images_by_packing, 12u);
  EXPECT_EQ(keys.images_by_lattice, 6u);
  EXPECT_EQ(keys.cost.block_size, 90u);
  EXPECT_EQ(std::round(keys.cost.ClassicalBits()), 57);
  EXPECT_EQ(keys.safe_images, 0u);
  const auto bits = [&](uint64_t images) {
    return std::round(KeyCostAfter(plan.geometry(), plan.parameters, images).ClassicalBits());
  };
  EXPECT_EQ(bits(0), 141);
  EXPECT_EQ(bits(1), 126);
  EXPECT_EQ(bits(5), 70);
}

TEST(CountKeyRecovery, OneImageIsEnoughWhereTheMapIsLarge) {
  const KeyRecovery keys = Plan(VggSpec(), 34).key_recovery;
  EXPECT_EQ(keys.images_by_packing, 1u);
  EXPECT_EQ(keys.images_by_lattice, 1u);
  EXPECT_EQ(keys.safe_images, 0u);
}

TEST(CountKeyRecovery, CountsHoldByDefinitionForOnePosition) {
  SegmentSpec spec;
  spec.kind = SegmentKind::kLinear;
  spec.channels = 256;
  spec.groups = {{120, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  const SegmentPlan plan = Plan(spec, 26);
  const KeyRecovery& keys = plan.key_recovery;
  const auto cost = [&](uint64_t images) { return KeyCostAfter(plan.geometry(), plan.parameters, images); };
  EXPECT_LT(keys.images_by_lattice, keys.images_by_packing);
  EXPECT_LT(keys.safe_images, keys.images_by_lattice);
  EXPECT_LE(cost(keys.images_by_lattice).ClassicalBits(), kFeasibleBits);
  EXPECT_GT(cost(keys.images_by_lattice - 1).ClassicalBits(), kFeasibleBits);
  EXPECT_GE(cost(keys.safe_images).QuantumBits(), kSafeBits);
  EXPECT_LT(cost(keys.safe_images + 1).QuantumBits(), kSafeBits);
  for (uint64_t i = 0; cost(i).block_size > 0; ++i) {
    ASSERT_LT(i, keys.images_by_packing);
    EXPECT_LE(cost(i + 1).block_size, cost(i).block_size) << i;
    EXPECT_LT(cost(i + 1).dimension, cost(i).dimension) << i;
  }
  EXPECT_EQ(cost(keys.images_by_packing).block_size, 0u);
  EXPECT_EQ(cost(UINT64_MAX).block_size, 0u);
}

}  // namespace
}  // namespace privdnn
