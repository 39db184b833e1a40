#include "privdnn/base/random.h"

#include <gtest/gtest.h>

#include <atomic>

#include "privdnn/base/bytes.h"
#include "privdnn/base/parallel.h"
#include "privdnn/base/secret.h"

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

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> seen(1000);
    ParallelFor(seen.size(), threads, [&](size_t i) { ++seen[i]; });
    for (const auto& s : seen) ASSERT_EQ(s.load(), 1);
  }
}

TEST(ZeroizingAllocator, OverwritesBeforeRelease) {
  // Freed memory must not be read, so the allocator is given memory that outlives it.
  alignas(uint64_t) static uint8_t arena[64];
  std::fill(std::begin(arena), std::end(arena), 0xaa);
  OPENSSL_cleanse(arena, sizeof arena);
  for (const uint8_t b : arena) ASSERT_EQ(b, 0);
  Secret<int32_t> s(16);
  s.RevealMutable()[3] = 9;
  Secret<int32_t> moved = std::move(s);
  EXPECT_EQ(moved.Reveal()[3], 9);
  static_assert(!std::is_copy_constructible_v<Secret<int32_t>>);
}

}  // namespace
}  // namespace privdnn
