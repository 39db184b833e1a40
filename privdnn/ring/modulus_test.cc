#include "privdnn/ring/modulus.h"

#include <gtest/gtest.h>

#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

using ring_test::kPrimes;
using ring_test::MakeModulus;
using ring_test::U128;

TEST(Modulus, AcceptsPrimesInRangeOnly) {
  for (const uint64_t q : kPrimes) EXPECT_EQ(MakeModulus(q).value(), q);
  EXPECT_EQ(MakeModulus(1048583).bits(), 21);           // the least prime above 2^20
  EXPECT_EQ(MakeModulus(1125899906842597).bits(), 50);  // the greatest below 2^50
  for (const uint64_t q : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{17}, uint64_t{1048573}, uint64_t{1} << 20,
                           uint64_t{1} << 50, uint64_t{1125899906842679}, ~uint64_t{0}}) {
    EXPECT_EQ(Modulus::Create(q).status().code(), absl::StatusCode::kInvalidArgument) << q;
  }
}

TEST(Modulus, RejectsComposites) {
  for (const uint64_t q : {uint64_t{1} << 30, (uint64_t{1} << 40) - 1, uint64_t{1000003} * 1000033,
                           uint64_t{33554393} * 33554383,  // two primes near 2^25
                           uint64_t{3215031751},           // strong pseudoprime to bases 2, 3, 5, 7
                           uint64_t{341550071728321}}) {   // ... to bases 2 to 17
    EXPECT_FALSE(Modulus::Create(q).ok()) << q;
  }
}

TEST(Modulus, MatchesTheRemainderOperator) {
  for (const uint64_t q : kPrimes) {
    const Modulus m = MakeModulus(q);
    auto operands = ring_test::RandomResidues(q, 200, m);
    for (const uint64_t edge : {uint64_t{0}, uint64_t{1}, uint64_t{2}, q / 2, q / 2 + 1, q - 2, q - 1}) {
      operands.push_back(edge);
    }
    for (const uint64_t a : operands) {
      EXPECT_EQ(m.Neg(a), (q - a) % q);
      for (const uint64_t b : operands) {
        ASSERT_EQ(m.Add(a, b), (a + b) % q);
        ASSERT_EQ(m.Sub(a, b), (a + q - b) % q);
        ASSERT_EQ(m.Mul(a, b), static_cast<uint64_t>(static_cast<U128>(a) * b % q));
      }
    }
  }
}

TEST(Modulus, ReducesWideAndSignedNumbers) {
  DeterministicRandom random(1);
  std::vector<uint64_t> words(2000);
  random.Fill(std::span(words));
  for (const uint64_t q : kPrimes) {
    const Modulus m = MakeModulus(q);
    const auto check = [&](U128 x) {
      ASSERT_EQ(m.Reduce(x), static_cast<uint64_t>(x % q));
      ASSERT_EQ(m.ReduceWord(static_cast<uint64_t>(x)), static_cast<uint64_t>(x) % q);
    };
    for (size_t i = 0; i + 1 < words.size(); ++i) {
      const U128 wide = static_cast<U128>(words[i]) << 64 | words[i + 1];
      check(wide);
      check(wide >> 14);
      check(wide >> (i % 128));
      const int64_t x = static_cast<int64_t>(words[i]) >> 2;
      const auto remainder = static_cast<int64_t>(x % static_cast<int64_t>(q));
      ASSERT_EQ(m.FromSigned(x),
                static_cast<uint64_t>(remainder < 0 ? remainder + static_cast<int64_t>(q) : remainder));
    }
    const U128 products = static_cast<U128>(q - 1) * (q - 1);
    for (const U128 x : {U128{0}, U128{q - 1}, U128{q}, U128{2 * q - 1}, products, products * 4096, ~U128{0},
                         (U128{1} << 64) - 1, U128{1} << 64, (U128{1} << 114) - 1}) {
      check(x);
    }
    EXPECT_EQ(m.FromSigned(0), 0u);
    EXPECT_EQ(m.FromSigned(-1), q - 1);
    EXPECT_EQ(m.FromSigned(-static_cast<int64_t>(q)), 0u);
    EXPECT_EQ(m.FromSigned(static_cast<int64_t>(q)), 0u);
    const int64_t most = (int64_t{1} << 62) - 1;
    EXPECT_EQ(m.FromSigned(most), static_cast<uint64_t>(most) % q);
    EXPECT_EQ(m.FromSigned(-most), (q - static_cast<uint64_t>(most) % q) % q);
  }
}

TEST(Modulus, PowersAndInverses) {
  for (const uint64_t q : kPrimes) {
    const Modulus m = MakeModulus(q);
    EXPECT_EQ(m.Pow(5, 0), 1u);
    EXPECT_EQ(m.Pow(0, 5), 0u);
    EXPECT_EQ(m.Pow(3, 4), 81u);
    EXPECT_EQ(m.Pow(7, q - 1), 1u);
    for (const uint64_t a : {uint64_t{1}, uint64_t{2}, q / 3, q - 1}) EXPECT_EQ(m.Mul(a, m.Inverse(a)), 1u);
  }
}

TEST(NttPrimes, AreTheSixteenLargest) {
  // From reference/known_answers.py.
  const std::vector<uint64_t> expected = {1125899904679937, 1125899903991809, 1125899903827969, 1125899903795201,
                                          1125899903500289, 1125899903107073, 1125899902124033, 1125899901665281,
                                          1125899901370369, 1125899900977153, 1125899900846081, 1125899899174913,
                                          1125899896324097, 1125899896160257, 1125899895341057, 1125899893964801};
  EXPECT_EQ(NttPrimes(16), expected);
  EXPECT_EQ(NttPrimes(2), std::vector<uint64_t>(expected.begin(), expected.begin() + 2));
  EXPECT_TRUE(NttPrimes(0).empty());
}

}  // namespace
}  // namespace privdnn
