#include "privdnn/attack/distinguisher.h"

#include <gtest/gtest.h>

#include <random>

namespace privdnn {
namespace {

using Rows = std::vector<std::vector<double>>;

// Normal rows whose first feature is shifted.
Rows NormalRows(std::mt19937_64& random, size_t count, size_t size, double shift) {
  std::normal_distribution<double> normal;
  Rows rows(count, std::vector<double>(size));
  for (auto& row : rows) {
    for (double& v : row) v = normal(random);
    row[0] += shift;
  }
  return rows;
}

TEST(Distinguish, SameDistributionGivesChance) {
  int outside95 = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::mt19937_64 random(seed);
    const Rows a = NormalRows(random, 200, 20, 0), b = NormalRows(random, 200, 20, 0);
    const Distinction d = Distinguish(a, b);
    EXPECT_EQ(d.tested, 200u);
    EXPECT_GT(d.p_value, 1e-4) << Describe(d);
    outside95 += d.interval95.Contains(0.5) ? 0 : 1;
  }
  EXPECT_LE(outside95, 7);  // 2 expected; more than 7 has probability 0.001
}

TEST(Distinguish, FindsAShiftInOneFeatureOfMany) {
  std::mt19937_64 random(1);
  const Rows a = NormalRows(random, 2000, 100, 0), b = NormalRows(random, 2000, 100, 2);
  const Distinction d = Distinguish(a, b);
  // The best rule, a threshold at 1, is right with probability Phi(1) = 0.8413.
  EXPECT_GT(d.accuracy, 0.80) << Describe(d);
  EXPECT_LT(d.accuracy, 0.87) << Describe(d);
}

TEST(Distinguish, ConstantFeaturesAreHarmless) {
  std::mt19937_64 random(2);
  Rows a = NormalRows(random, 100, 3, 0), b = NormalRows(random, 100, 3, 20);
  for (Rows* rows : {&a, &b}) {
    for (auto& row : *rows) row[2] = 0.1;
  }
  EXPECT_EQ(Distinguish(a, b).accuracy, 1);
}

TEST(Distinguish, TestsOnlyOnWhatItWasNotTrainedOn) {
  // As many features as training examples: the training half can be learned by heart, the other can't.
  std::mt19937_64 random(3);
  const Rows a = NormalRows(random, 400, 400, 0), b = NormalRows(random, 400, 400, 0);
  LogisticOptions options;
  options.l2 = 1e-4;
  const auto classifier = LogisticClassifier::Train(std::span(a).first(200), std::span(b).first(200), options);
  uint64_t correct = 0;
  for (size_t i = 0; i < 200; ++i) correct += !classifier.IsClassB(a[i]) + classifier.IsClassB(b[i]);
  EXPECT_GT(correct, 390u);
  EXPECT_GT(Distinguish(a, b, options).p_value, 1e-4);
}

}  // namespace
}  // namespace privdnn
