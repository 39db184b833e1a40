#include "privdnn/shares/local.h"
#include "privdnn/shares/maximum.h"
#include "privdnn/shares/relu.h"
#include "privdnn/shares/square.h"
#include "privdnn/shares/test_parties.h"

namespace privdnn {
namespace {

// Edges of [-2^(bits-1), 2^(bits-1)), then random values; a multiple of the batch.
std::vector<int64_t> Values(int bits, size_t count, uint64_t seed) {
  const int64_t top = int64_t{1} << (bits - 1);
  std::vector<int64_t> values = {0, 1, -1, top - 1, -top, top / 2, -top / 2, 1 - top, top - 2};
  DeterministicRandom random(seed);
  while (values.size() < PaddedCount(count)) {
    uint64_t word;
    random.Fill(std::span<uint64_t>(&word, 1));
    values.push_back(static_cast<int64_t>(word % static_cast<uint64_t>(2 * top)) - top);
  }
  values.resize(PaddedCount(count));
  return values;
}

class SharesTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Bits, SharesTest, testing::Range(2, 33));

TEST_P(SharesTest, ComparisonFindsTheSign) {
  const int bits = GetParam();
  const auto values = Values(bits, 256, 1);
  DeterministicRandom random(2);
  const SharedValues x = Share(values, bits, random);
  const auto [first, second] =
      RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<ShareWords> {
        PRIVDNN_ASSIGN_OR_RETURN(Comparison comparison, Comparison::Prepare(party, own.size(), bits));
        const Bytes message = comparison.FirstMessage(own);
        PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange("test", message, message.size()));
        return comparison.Finish(party, own, reply);
      });
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(BitOf(*first, i) ^ BitOf(*second, i), values[i] < 0 ? 1u : 0u) << values[i];
  }
}

TEST_P(SharesTest, ReluRectifiesAndExtends) {
  const int bits = GetParam();
  for (const int out_bits : {bits, std::min(bits + 1, 32), 32}) {
    const auto values = Values(bits, 256, 3);
    DeterministicRandom random(4);
    const SharedValues x = Share(values, bits, random);
    const auto [first, second] =
        RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<ShareValues> {
          PRIVDNN_ASSIGN_OR_RETURN(Relu relu, Relu::Prepare(party, own.size(), bits, out_bits));
          return relu.Run(party, own);
        });
    ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(Rebuild((*first)[i], (*second)[i], out_bits), std::max<int64_t>(values[i], 0))
          << values[i] << " to " << out_bits << " bits";
      EXPECT_EQ((*first)[i] & ~LowMask(out_bits), 0u);
    }
  }
}

TEST_P(SharesTest, ExtensionKeepsValuesThatFit) {
  const int bits = GetParam();
  for (const int out_bits : {bits + 1, bits + 7, 32}) {
    if (bits < 3 || out_bits <= bits || out_bits > 32) continue;
    const auto values = Values(bits - 1, 256, 3);
    DeterministicRandom random(4);
    const SharedValues x = Share(values, bits, random);
    const auto [first, second] =
        RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<ShareValues> {
          PRIVDNN_ASSIGN_OR_RETURN(Extension extension, Extension::Prepare(party, own.size(), bits, out_bits));
          return extension.Run(party, own);
        });
    ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(Rebuild((*first)[i], (*second)[i], out_bits), values[i]) << bits << " to " << out_bits << " bits";
    }
  }
}

TEST_P(SharesTest, SquaresAreModuloTheSameSize) {
  const int bits = GetParam();
  const auto values = Values(bits, 256, 5);
  DeterministicRandom random(6);
  const SharedValues x = Share(values, bits, random);
  const auto [first, second] =
      RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<ShareValues> {
        PRIVDNN_ASSIGN_OR_RETURN(Square square, Square::Prepare(party, own.size(), bits));
        return square.Run(party, own);
      });
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto expected = static_cast<uint32_t>(static_cast<uint64_t>(values[i] * values[i])) & LowMask(bits);
    EXPECT_EQ(((*first)[i] + (*second)[i]) & LowMask(bits), expected) << values[i];
  }
}

TEST(Maximum, TakesTheLarger) {
  constexpr int kBits = 13;
  auto a = Values(kBits - 1, 256, 7), b = Values(kBits - 1, 256, 8);
  std::ranges::reverse(b);
  b[10] = a[10];
  std::vector<int64_t> both = a;
  both.insert(both.end(), b.begin(), b.end());
  DeterministicRandom random(9);
  const SharedValues x = Share(both, kBits, random);
  const auto [first, second] =
      RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<ShareValues> {
        const std::span<const uint32_t> all = own;
        PRIVDNN_ASSIGN_OR_RETURN(Maximum maximum, Maximum::Prepare(party, 256, kBits));
        return maximum.Run(party, all.first(256), all.subspan(256));
      });
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(Rebuild((*first)[i], (*second)[i], kBits), std::max(a[i], b[i]));
}

TEST(ArgMax, FindsTheFirstLargestAndTellsPartyOneAlone) {
  constexpr int kBits = 16;
  for (const size_t classes : {2, 3, 5, 10, 43}) {
    const size_t images = 7;
    std::vector<int64_t> scores = Values(kBits - 1, images * classes, 10 + classes);
    scores.resize(images * classes);
    // All equal; the last two equal and largest.
    for (size_t c = 0; c < classes; ++c) scores[classes + c] = -5;
    scores[3 * classes - 1] = scores[3 * classes - 2] = (1 << (kBits - 2)) - 1;
    DeterministicRandom random(11);
    const SharedValues x = Share(scores, kBits, random);
    const auto [first, second] =
        RunShared(x, [&](SharesParty& party, const ShareValues& own) -> absl::StatusOr<std::vector<uint32_t>> {
          PRIVDNN_ASSIGN_OR_RETURN(ArgMax arg_max, ArgMax::Prepare(party, images, classes, kBits));
          return arg_max.Run(party, own);
        });
    ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
    EXPECT_TRUE(first->empty());
    ASSERT_EQ(second->size(), images);
    for (size_t image = 0; image < images; ++image) {
      const auto row = scores.begin() + static_cast<std::ptrdiff_t>(image * classes);
      EXPECT_EQ((*second)[image], std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row) << classes;
    }
  }
}

TEST(Local, DroppedBitsAreOffByAtMostOneDown) {
  constexpr int kBits = 26;
  const auto values = Values(kBits, 4096, 12);
  DeterministicRandom random(13);
  int below = 0;
  for (const int by : {1, 7, 13}) {
    SharedValues x = Share(values, kBits, random);
    for (ShareValues& share : x.of) DropLowBits(share, by);
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t difference = Rebuild(x.of[0][i], x.of[1][i], kBits - by) - (values[i] >> by);
      const int64_t modulus = int64_t{1} << (kBits - by);
      const bool exact = difference == 0, less = difference == -1 || difference == modulus - 1;
      EXPECT_TRUE(exact || less) << values[i];
      below += less;
    }
  }
  EXPECT_GT(below, 1000);
}

TEST(Local, NarrowedValuesStayIfTheyFit) {
  const auto values = Values(13, 256, 14);
  DeterministicRandom random(15);
  SharedValues x = Share(values, 26, random);
  for (ShareValues& share : x.of) Narrow(share, 13);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(Rebuild(x.of[0][i], x.of[1][i], 13), values[i]);
}

}  // namespace
}  // namespace privdnn
