#include "privdnn/shares/relu.h"
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

}  // namespace
}  // namespace privdnn
