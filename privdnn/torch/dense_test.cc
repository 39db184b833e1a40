#include "privdnn/torch/dense.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace privdnn {
namespace {

using ::testing::HasSubstr;

Matrix Random(int64_t rows, int64_t columns, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Matrix m{rows, columns, std::vector<double>(static_cast<size_t>(rows * columns))};
  for (double& v : m.values) v = normal(random);
  return m;
}

double At(const Matrix& m, int64_t i, int64_t j) { return m.values[static_cast<size_t>(i * m.columns + j)]; }

// At the least point the gradient a^T (a x - b) + lambda x is 0, whether there are more rows or more columns.
TEST(RidgeRegression, IsWhereTheGradientVanishes) {
  for (const auto& [rows, columns] : {std::pair{9, 4}, {4, 9}, {5, 5}}) {
    const Matrix a = Random(rows, columns, 1), b = Random(rows, 2, 2);
    const std::vector<double> lambdas = {1e-6, 0.5};
    const auto solutions = RidgeRegression(a, b, lambdas);
    ASSERT_TRUE(solutions.ok()) << solutions.status();
    for (size_t l = 0; l < lambdas.size(); ++l) {
      const Matrix& x = (*solutions)[l];
      ASSERT_EQ(x.rows, columns);
      for (int64_t s = 0; s < 2; ++s) {
        for (int64_t k = 0; k < columns; ++k) {
          double gradient = lambdas[l] * At(x, k, s);
          for (int64_t i = 0; i < rows; ++i) {
            double left = -At(b, i, s);
            for (int64_t j = 0; j < columns; ++j) left += At(a, i, j) * At(x, j, s);
            gradient += At(a, i, k) * left;
          }
          EXPECT_NEAR(gradient, 0, 1e-9);
        }
      }
    }
  }
}

TEST(RidgeRegression, RefusesWhatDoesNotFit) {
  const auto message = [](const Matrix& a, const Matrix& b, double lambda) {
    return Message(RidgeRegression(a, b, {lambda}).status());
  };
  EXPECT_THAT(message(Random(3, 2, 1), Random(4, 1, 1), 1), HasSubstr("6 values for 3x2, 4 for 4x1"));
  EXPECT_THAT(message({2, 2, {1, 2, 3}}, Random(2, 1, 1), 1), HasSubstr("3 values for 2x2"));
  EXPECT_THAT(message(Random(3, 2, 1), Random(3, 1, 1), 0), HasSubstr("too small"));
  Matrix infinite = Random(3, 2, 1);
  infinite.values[0] = INFINITY;
  EXPECT_THAT(message(infinite, Random(3, 1, 1), 1), HasSubstr("not finite"));
}

TEST(SolvePositive, SolvesOrSaysWhyNot) {
  const Matrix factor = Random(5, 5, 1), x = Random(5, 2, 2);
  Matrix a{5, 5, std::vector<double>(25)}, b{5, 2, std::vector<double>(10)};
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < 5; ++j) {
      for (int64_t k = 0; k < 5; ++k) a.values[static_cast<size_t>(i * 5 + j)] += At(factor, i, k) * At(factor, j, k);
    }
  }
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t s = 0; s < 2; ++s) {
      for (int64_t k = 0; k < 5; ++k) b.values[static_cast<size_t>(i * 2 + s)] += At(a, i, k) * At(x, k, s);
    }
  }
  const auto found = SolvePositive(a, b);
  ASSERT_TRUE(found.ok()) << found.status();
  for (size_t k = 0; k < x.values.size(); ++k) EXPECT_NEAR(found->values[k], x.values[k], 1e-9);
  EXPECT_THAT(Message(SolvePositive(a, Random(4, 2, 1)).status()), HasSubstr("8 for 4x2"));
  EXPECT_THAT(Message(SolvePositive(Random(4, 5, 1), b).status()), HasSubstr("20 values for 4x5"));
  Matrix upper = a, lower = a, side = b;
  upper.values[4] = NAN;  // not read
  ASSERT_TRUE(SolvePositive(upper, b).ok());
  EXPECT_NEAR(SolvePositive(upper, b)->values[0], x.values[0], 1e-9);
  lower.values[20] = NAN;
  EXPECT_THAT(Message(SolvePositive(lower, b).status()), HasSubstr("not finite"));
  side.values[9] = INFINITY;
  EXPECT_THAT(Message(SolvePositive(a, side).status()), HasSubstr("not finite"));
  a.values[12] = -1;
  EXPECT_THAT(Message(SolvePositive(a, b).status()), HasSubstr("5x5 is not positive definite"));
}

}  // namespace
}  // namespace privdnn
