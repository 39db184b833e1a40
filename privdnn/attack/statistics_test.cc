#include "privdnn/attack/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace privdnn {
namespace {

// For even degrees Q(m, y) is the sum of m terms of a Poisson distribution: e^-y sum_{k<m} y^k/k!.
double UpperTailByPoisson(double statistic, int degrees) {
  const double y = statistic / 2;
  double term = std::exp(-y), sum = 0;
  for (int k = 0; k < degrees / 2; ++k) {
    sum += term;
    term *= y / (k + 1);
  }
  return sum;
}

TEST(ChiSquareTails, MatchTheClosedForm) {
  for (const int degrees : {2, 4, 10, 254, 256, 600}) {
    for (const double ratio : {0.5, 0.8, 0.99, 1.0, 1.01, 1.2, 1.5, 2.0}) {
      const double statistic = ratio * degrees;
      const double expected = UpperTailByPoisson(statistic, degrees);
      const Tails tails = ChiSquareTails(statistic, degrees);
      EXPECT_NEAR(tails.upper / expected, 1, 1e-10) << degrees << " " << ratio;
      EXPECT_NEAR(tails.upper + tails.lower, 1, 1e-12);
    }
  }
}

TEST(ChiSquareTails, MatchTheTables) {
  EXPECT_NEAR(ChiSquareTails(3.841458820694124, 1).upper, 0.05, 1e-12);
  EXPECT_NEAR(ChiSquareTails(0.0039321400000195, 1).lower, 0.05, 1e-10);
  EXPECT_NEAR(ChiSquareTails(11.070497693516351, 5).upper, 0.05, 1e-12);
  EXPECT_EQ(ChiSquareTails(0, 255).upper, 1);
}

TEST(BinomialUpperTail, MatchesTheSum) {
  EXPECT_DOUBLE_EQ(BinomialUpperTail(0, 10, 0.5), 1);
  EXPECT_NEAR(BinomialUpperTail(1, 10, 0.5), 1 - 0x1p-10, 1e-14);
  EXPECT_NEAR(BinomialUpperTail(5, 10, 0.5), 638.0 / 1024, 1e-14);
  EXPECT_NEAR(BinomialUpperTail(9, 10, 0.5), 11.0 / 1024, 1e-14);
  EXPECT_NEAR(BinomialUpperTail(10, 10, 0.5), 1.0 / 1024, 1e-14);
  EXPECT_EQ(BinomialUpperTail(11, 10, 0.5), 0);
  // Large numbers, where a sum from one end would begin with terms that underflow.
  EXPECT_NEAR(std::log2(BinomialUpperTail(1000, 1000, 0.5)), -1000, 1e-9);
  EXPECT_NEAR(BinomialUpperTail(2000, 10000, 0.5), 1, 1e-12);
  EXPECT_NEAR(BinomialUpperTail(5000, 10000, 0.5), 0.5 + 0.5 * std::exp(-0.5 * std::log(M_PI * 5000)), 1e-5);
}

// The intervals of 5 and 0 successes in 10 trials are in many tables.
TEST(ClopperPearson, MatchesTheTables) {
  const Interval half = ClopperPearson(5, 10, 0.95);
  EXPECT_NEAR(half.low, 0.18709, 1e-5);
  EXPECT_NEAR(half.high, 0.81291, 1e-5);
  const Interval none = ClopperPearson(0, 10, 0.95);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 1 - std::pow(0.025, 0.1), 1e-12);
  const Interval all = ClopperPearson(4000, 4000, 0.99);
  EXPECT_EQ(all.high, 1);
  EXPECT_NEAR(all.low, std::pow(0.005, 1.0 / 4000), 1e-12);
}

TEST(ClopperPearson, EndsAreWhereTheTailsAreHalfTheRest) {
  for (const uint64_t successes : {1, 1950, 2000, 3999}) {
    const Interval i = ClopperPearson(successes, 4000, 0.99);
    EXPECT_NEAR(BinomialUpperTail(successes, 4000, i.low), 0.005, 1e-9);
    EXPECT_NEAR(1 - BinomialUpperTail(successes + 1, 4000, i.high), 0.005, 1e-9);
    EXPECT_TRUE(i.Contains(static_cast<double>(successes) / 4000));
  }
}

TEST(StudentQuantile, MatchesTheTables) {
  EXPECT_NEAR(StudentQuantile(0.95, 1), 12.7062047, 1e-6);
  EXPECT_NEAR(StudentQuantile(0.95, 3), 3.18244631, 1e-7);
  EXPECT_NEAR(StudentQuantile(0.99, 23), 2.80733568, 1e-7);
  EXPECT_NEAR(StudentQuantile(0.95, 1000), 1.96233908, 1e-7);
}

TEST(StudentInterval, IsTheMeanAndItsStandardErrors) {
  const MeanInterval found = StudentInterval(std::vector<double>{1, 2, 3, 6}, 0.95);
  const double error = std::sqrt((4 + 1 + 0 + 9) / 3.0 / 4.0);
  EXPECT_DOUBLE_EQ(found.mean, 3);
  EXPECT_NEAR(found.interval.low, 3 - 3.18244631 * error, 1e-7);
  EXPECT_NEAR(found.interval.high, 3 + 3.18244631 * error, 1e-7);
  const MeanInterval same = StudentInterval(std::vector<double>{5, 5}, 0.99);
  EXPECT_EQ(same.interval.low, 5);
  EXPECT_EQ(same.interval.high, 5);
}

}  // namespace
}  // namespace privdnn
