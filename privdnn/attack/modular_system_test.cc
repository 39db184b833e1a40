#include "privdnn/attack/modular_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace privdnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kP = ModularSystem::kPrime;

TEST(ModularSystem, TellsNewEquationsFromOldOnes) {
  ModularSystem system(3, 1, 1);
  // x + y = 3, 2x + 2y = 6, y + z = 5, x - z = -2.
  const auto first = system.Add(std::vector<uint32_t>{1, 1, 0, 3, 2, 2, 0, 6, 0, 1, 1, 5, 1, 0, kP - 1, kP - 2});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, ElementsAre(true, false, true, false));
  EXPECT_EQ(system.rank(), 2u);
  EXPECT_FALSE(system.determined());
  const auto last = system.Add(std::vector<uint32_t>{0, 0, kP - 1, 3});  // z = -3
  ASSERT_TRUE(last.ok());
  EXPECT_THAT(*last, ElementsAre(true));
  ASSERT_TRUE(system.determined());
  EXPECT_EQ(system.Solution(0, 0), -5);
  EXPECT_EQ(system.Solution(1, 0), 8);
  EXPECT_EQ(system.Solution(2, 0), -3);
  EXPECT_THAT(Message(system.Add(std::vector<uint32_t>{1, 1, 1, 1}).status()), HasSubstr("contradicts"));
}

// Equations by the largest residues, where sums of products are closest to overflow, and by random ones.
TEST(ModularSystem, SolvesWhatItIsGivenExactly) {
  std::mt19937_64 random(1);
  for (const size_t n : {1u, 7u, 130u, 600u}) {
    for (const bool largest : {false, true}) {
      const size_t sides = 3;
      std::vector<int64_t> solution(n * sides);
      for (int64_t& v : solution) v = static_cast<int64_t>(random() % kP) - kP / 2;
      std::vector<uint32_t> equations;
      const size_t rows = n + 5;
      for (size_t i = 0; i < rows; ++i) {
        std::vector<uint32_t> row(n);
        for (uint32_t& v : row) v = largest ? kP - 1 - static_cast<uint32_t>(random() % 2) : random() % kP;
        for (size_t s = 0; s < sides; ++s) {
          uint64_t sum = 0;
          for (size_t c = 0; c < n; ++c) {
            sum = (sum + uint64_t{row[c]} * ModularResidue(solution[c * sides + s])) % kP;
          }
          row.push_back(static_cast<uint32_t>(sum));
        }
        equations.insert(equations.end(), row.begin(), row.end());
      }
      ModularSystem system(n, sides, 2);
      const size_t split = (n / 2) * (n + sides);  // in two calls
      ASSERT_TRUE(system.Add(std::span(equations).first(split)).ok());
      ASSERT_TRUE(system.Add(std::span(equations).subspan(split)).ok());
      ASSERT_TRUE(system.determined()) << n << " " << largest;
      for (size_t c = 0; c < n; ++c) {
        for (size_t s = 0; s < sides; ++s) ASSERT_EQ(system.Solution(c, s), solution[c * sides + s]) << n << " " << c;
      }
    }
  }
}

TEST(ModularSystem, FindsPivotsWhereverTheyAre) {
  // The last unknowns come first, and some never.
  ModularSystem system(200, 1, 1);
  std::vector<uint32_t> equations;
  for (size_t i = 0; i < 150; ++i) {
    std::vector<uint32_t> row(201);
    row[199 - i] = 5;
    if (i > 0) row[200 - i] = 1;
    row[200] = static_cast<uint32_t>(i);
    equations.insert(equations.end(), row.begin(), row.end());
  }
  const auto added = system.Add(equations);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_THAT(*added, ::testing::Each(true));
  EXPECT_EQ(system.rank(), 150u);
  const auto again = system.Add(equations);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(*again, ::testing::Each(false));
}

}  // namespace
}  // namespace privdnn
