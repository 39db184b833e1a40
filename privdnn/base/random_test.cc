#include "privdnn/base/random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <type_traits>

#include "privdnn/base/bytes.h"
#include "privdnn/base/parallel.h"

namespace privdnn {
namespace {

TEST(Shake128, KnownAnswer) {
  // NIST FIPS 202, SHAKE128 of the empty message.
  Bytes out(16);
  Shake128({}, out);
  EXPECT_EQ(HexEncode(out), "7f9c2ba4e88f827d616045507605853e");
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(HexEncode(Sha256(AsBytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(RandomSource, DeterministicRepeatsAndSystemDoesNot) {
  Bytes a(64), b(64), c(64);
  DeterministicRandom(5).Fill(a);
  DeterministicRandom(5).Fill(b);
  DeterministicRandom(6).Fill(c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  SystemRandom system;
  system.Fill(a);
  system.Fill(b);
  EXPECT_NE(a, b);
}

// Two forks of a source differ, and so do their own forks; only a source that starts afresh repeats them.
TEST(RandomSource, ForksNeverRepeat) {
  const auto draw = [](RandomSource& random) {
    Bytes bytes(16);
    random.Fill(bytes);
    return HexEncode(bytes);
  };
  const auto family = [&](RandomSource& random) {
    std::vector<std::string> drawn;
    for (int k = 0; k < 3; ++k) {
      const auto child = random.Fork(), first = child->Fork(), second = child->Fork();
      for (RandomSource* source : {child.get(), first.get(), second.get(), &random}) {
        drawn.push_back(draw(*source));
      }
    }
    return drawn;
  };
  DeterministicRandom random(5), again(5);
  SystemRandom system;
  const auto first = family(random);
  EXPECT_EQ(family(again), first);
  std::set<std::string> all(first.begin(), first.end());
  for (RandomSource* source : {static_cast<RandomSource*>(&random), static_cast<RandomSource*>(&system)}) {
    for (const std::string& bytes : family(*source)) all.insert(bytes);
  }
  EXPECT_EQ(all.size(), 3 * first.size());
}

// A copy would give the same bytes as what it is a copy of.
static_assert(!std::is_copy_constructible_v<DeterministicRandom> && !std::is_move_constructible_v<DeterministicRandom>);
static_assert(!std::is_copy_assignable_v<DeterministicRandom> && !std::is_move_assignable_v<DeterministicRandom>);

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> seen(1000);
    ParallelFor(seen.size(), threads, [&](size_t i) { ++seen[i]; });
    for (const auto& s : seen) ASSERT_EQ(s.load(), 1);
  }
}

}  // namespace
}  // namespace privdnn
