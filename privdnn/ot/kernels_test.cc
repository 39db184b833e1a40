#include "privdnn/ot/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/ot/prg.h"
#include "privdnn/ot/transpose.h"

namespace privdnn {
namespace {

std::vector<Block> RandomBlocks(size_t count, RandomSource& random) {
  std::vector<Block> blocks(count);
  random.Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(blocks.data()), blocks.size() * sizeof(Block)));
  return blocks;
}

Block FromBytes(const std::string& hex) {
  Block block;
  auto* bytes = reinterpret_cast<uint8_t*>(&block);
  for (size_t i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return block;
}

class OtKernelsTest : public testing::TestWithParam<const OtKernels*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supported()) GTEST_SKIP() << "this processor has no " << GetParam()->name;
  }
  const OtKernels& kernels() const { return *GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(All, OtKernelsTest, testing::ValuesIn(AllOtKernels().begin(), AllOtKernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(OtKernelsTest, EncryptsAsFips197) {
  AesRoundKeys keys;
  // Appendices B and C.1.
  for (const auto& [key, plain, cipher] :
       {std::tuple("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734",
                   "3925841d02dc09fbdc118597196a0b32"),
        std::tuple("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
                   "69c4e0d86a7b0430d8cdb78070b4c55a")}) {
    kernels().aes_expand(FromBytes(key), keys);
    Block block = FromBytes(plain);
    kernels().aes_encrypt(keys, &block, 1);
    EXPECT_EQ(block, FromBytes(cipher));
  }
}

TEST_P(OtKernelsTest, EncryptAnyNumberOfBlocksAsThePortableOnes) {
  DeterministicRandom random(1);
  const Block key = RandomBlocks(1, random)[0];
  AesRoundKeys keys, expected_keys;
  kernels().aes_expand(key, keys);
  PortableOtKernels().aes_expand(key, expected_keys);
  for (size_t count = 0; count < 75; ++count) {
    std::vector<Block> blocks = RandomBlocks(count + 1, random), expected = blocks;
    kernels().aes_encrypt(keys, blocks.data(), count);
    PortableOtKernels().aes_encrypt(expected_keys, expected.data(), count);
    EXPECT_EQ(blocks, expected) << count;  // the last one is left alone
  }
}

// One bit at a time.
Block SlowProduct(Block a, const Block& b) {
  Block sum;
  for (int i = 0; i < 128; ++i) {
    if ((((i < 64 ? b.low : b.high) >> (i % 64)) & 1) != 0) sum ^= a;
    const uint64_t out = a.high >> 63;
    a = {a.low << 1, (a.high << 1) | (a.low >> 63)};
    if (out != 0) a ^= Block{0x87, 0};
  }
  return sum;
}

TEST_P(OtKernelsTest, MultiplyInTheField) {
  const Block top{0, uint64_t{1} << 63}, x{2, 0}, ones{~uint64_t{0}, ~uint64_t{0}}, one{1, 0};
  const auto product = [&](const Block& a, const Block& b) { return kernels().gf128_inner_product(&a, &b, 1); };
  EXPECT_EQ(product(top, x), (Block{0x87, 0}));  // X^128
  EXPECT_EQ(product(one, ones), ones);
  for (const Block& a : {top, x, ones, one, Block{}}) {
    for (const Block& b : {top, x, ones, one, Block{}}) EXPECT_EQ(product(a, b), SlowProduct(a, b));
  }
  DeterministicRandom random(2);
  for (size_t count = 0; count < 40; ++count) {
    const auto a = RandomBlocks(count, random), b = RandomBlocks(count, random);
    Block expected;
    for (size_t i = 0; i < count; ++i) expected ^= SlowProduct(a[i], b[i]);
    EXPECT_EQ(kernels().gf128_inner_product(a.data(), b.data(), count), expected) << count;
  }
}

TEST_P(OtKernelsTest, PrgCountsInBlocks) {
  const Block seed = FromBytes("000102030405060708090a0b0c0d0e0f");
  Prg whole(kernels(), seed), parts(kernels(), seed);
  std::vector<Block> expected(1000), got(1000);
  whole.Fill(expected);
  size_t at = 0;
  for (const size_t n : {1, 0, 255, 256, 257, 231}) {
    parts.Fill(std::span(got).subspan(at, n));
    at += n;
  }
  ASSERT_EQ(at, 1000u);
  EXPECT_EQ(got, expected);
  AesRoundKeys keys;
  kernels().aes_expand(seed, keys);
  Block last{999, 0};
  kernels().aes_encrypt(keys, &last, 1);
  EXPECT_EQ(expected[999], last);
}

TEST_P(OtKernelsTest, HashIsTheOneOfThePaper) {
  DeterministicRandom random(3);
  const Block key = RandomBlocks(1, random)[0];
  const CorrelationRobustHash hash(kernels(), key);
  AesRoundKeys keys;
  kernels().aes_expand(key, keys);
  const auto in = RandomBlocks(600, random);
  std::vector<Block> out(600);
  hash(in, 77, out);
  for (size_t i = 0; i < in.size(); ++i) {
    Block inner = in[i];
    kernels().aes_encrypt(keys, &inner, 1);
    Block outer = inner ^ Block { 77 + i, 0 };
    kernels().aes_encrypt(keys, &outer, 1);
    ASSERT_EQ(out[i], outer ^ inner) << i;
  }
  std::vector<Block> shared(600);
  hash(in, 77, shared, 16);
  for (size_t i = 0; i < in.size(); ++i) {
    Block one = in[i];
    hash({&one, 1}, 77 + i / 16, {&one, 1});
    ASSERT_EQ(shared[i], one) << i;
  }
  std::vector<Block> same = in;
  hash(same, 77, same);
  EXPECT_EQ(same, out);
}

TEST(OtKernels, BestComesFirstAndUnknownOnesAreNamed) {
  const auto chosen = ChooseOtKernels();
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_TRUE((*chosen)->supported());
}

TEST(Transpose, MovesEachBit) {
  DeterministicRandom random(4);
  const auto rows = RandomBlocks(128, random);
  std::vector<Block> columns = rows;
  Transpose128(std::span<Block, 128>(columns));
  const auto bit = [](const std::vector<Block>& m, size_t i, size_t j) {
    return ((j < 64 ? m[i].low : m[i].high) >> (j % 64)) & 1;
  };
  for (size_t i = 0; i < 128; ++i) {
    for (size_t j = 0; j < 128; ++j) ASSERT_EQ(bit(columns, j, i), bit(rows, i, j)) << i << ' ' << j;
  }
}

}  // namespace
}  // namespace privdnn
