#include "privdnn/ot/cot.h"

#include <gmock/gmock.h>

#include <cmath>

#include "privdnn/ot/base_ot.h"
#include "privdnn/ot/iknp_check.h"
#include "privdnn/ot/test_channel.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

const Bytes kContext = {7};

struct Correlations {
  Block delta;
  std::vector<Block> q, t;
};

// Makes correlations in batches of these sizes, one after the other.
absl::StatusOr<Correlations> Make(MemoryPipe& pipe, const std::vector<size_t>& sizes, uint64_t seed = 1) {
  Correlations made;
  const auto party = [&](OtRole role, std::vector<Block>& all) {
    return [&, role](Channel& channel) -> absl::Status {
      DeterministicRandom random(seed, role == OtRole::kSender ? 1 : 2);
      PRIVDNN_ASSIGN_OR_RETURN(const OtKernels* kernels, ChooseOtKernels());
      PRIVDNN_ASSIGN_OR_RETURN(const auto source, MakeIknp(role, {kernels, kContext}, random, channel));
      EXPECT_EQ(source->role(), role);
      for (const size_t size : sizes) {
        std::vector<Block> some(size);
        PRIVDNN_RETURN_IF_ERROR(source->Make(some, channel));
        all.insert(all.end(), some.begin(), some.end());
      }
      if (role == OtRole::kSender) made.delta = source->delta();
      return absl::OkStatus();
    };
  };
  const auto [sender, receiver] = RunBoth(pipe, party(OtRole::kSender, made.q), party(OtRole::kReceiver, made.t));
  PRIVDNN_RETURN_IF_ERROR(sender);
  PRIVDNN_RETURN_IF_ERROR(receiver);
  return made;
}

// How many standard deviations a count of heads is from the mean.
double Sigmas(size_t heads, size_t tosses) {
  return (static_cast<double>(heads) - static_cast<double>(tosses) / 2) / (std::sqrt(static_cast<double>(tosses)) / 2);
}

TEST(Iknp, CorrelatesBlocksByDelta) {
  MemoryPipe pipe;
  const auto made = Make(pipe, {1, 127, 128, 129, 8192, 8193, 20000});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->delta.LowBit());
  ASSERT_EQ(made->q.size(), made->t.size());
  size_t ones = 0;
  std::vector<size_t> bits(128);
  for (size_t j = 0; j < made->q.size(); ++j) {
    const Block &q = made->q[j], &t = made->t[j];
    ASSERT_FALSE(q.LowBit()) << j;
    ASSERT_EQ(t, q ^ (made->delta & MaskOf(t.LowBit() ? 1 : 0))) << j;
    ones += t.LowBit();
    for (size_t i = 0; i < 128; ++i) bits[i] += ((i < 64 ? q.low : q.high) >> (i % 64)) & 1;
  }
  EXPECT_LT(std::abs(Sigmas(ones, made->t.size())), 5);
  for (size_t i = 1; i < 128; ++i) EXPECT_LT(std::abs(Sigmas(bits[i], made->q.size())), 5) << i;
}

TEST(Iknp, SessionsShareNothing) {
  MemoryPipe first, second;
  const auto a = Make(first, {256}, 1), b = Make(second, {256}, 2);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->delta, b->delta);
  for (size_t j = 0; j < 256; ++j) EXPECT_NE(a->q[j], b->q[j]) << j;
}

// A receiver that takes another choice in one row than in the others: row `row` has bit 5 of the choices flipped. All
// else, the check's answer included, it computes as an honest one would.
absl::Status Cheat(size_t row, Channel& channel) {
  PRIVDNN_ASSIGN_OR_RETURN(const OtKernels* kernels, ChooseOtKernels());
  DeterministicRandom random(1, 2);
  PRIVDNN_ASSIGN_OR_RETURN(const auto seeds, SendBaseOts(128, kContext, random, channel));
  constexpr size_t kBlocks = 2;  // 128 transfers and as many masks
  std::vector<Block> choices(kBlocks), message, answers;
  random.Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(choices.data()), sizeof(Block) * kBlocks));
  std::vector<std::vector<Block>> rows;
  for (size_t i = 0; i < 128; ++i) {
    std::vector<Block> t(kBlocks), other(kBlocks);
    Prg(*kernels, seeds.Reveal()[i][0]).Fill(t);
    Prg(*kernels, seeds.Reveal()[i][1]).Fill(other);
    for (size_t c = 0; c < kBlocks; ++c) message.push_back(t[c] ^ other[c] ^ choices[c]);
    if (i == row) message[message.size() - kBlocks].low ^= 1 << 5;
    rows.push_back(t);
  }
  const auto bytes_of = [](const std::vector<Block>& blocks) {
    return std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(blocks.data()), blocks.size() * sizeof(Block));
  };
  const RowHash hash(*kernels, kContext, 0, bytes_of(message), kBlocks);
  answers.push_back(hash(choices));
  for (const auto& t : rows) answers.push_back(hash(t));
  message.insert(message.end(), answers.begin(), answers.end());
  return channel.Exchange("IKNP extension", bytes_of(message), 0).status();
}

TEST(Iknp, CatchesAReceiverThatCheatsInARowUnlessItGuessedThatBitOfDelta) {
  int caught = 0, guessed = 0;
  for (size_t row = 0; row <= 128; row += 4) {  // 128: an honest one
    MemoryPipe pipe;
    Block delta;
    const auto [sender, receiver] = RunBoth(
        pipe,
        [&](Channel& channel) -> absl::Status {
          DeterministicRandom random(1, 1);
          PRIVDNN_ASSIGN_OR_RETURN(const OtKernels* kernels, ChooseOtKernels());
          PRIVDNN_ASSIGN_OR_RETURN(const auto source, MakeIknp(OtRole::kSender, {kernels, kContext}, random, channel));
          delta = source->delta();
          std::vector<Block> q(128);
          return source->Make(q, channel);
        },
        [&](Channel& channel) { return Cheat(row, channel); });
    ASSERT_TRUE(receiver.ok()) << receiver;
    const bool bit = row < 128 && ((row < 64 ? delta.low : delta.high) >> (row % 64) & 1) != 0;
    EXPECT_EQ(sender.ok(), !bit) << row << sender;
    if (bit) {
      EXPECT_THAT(Message(sender), HasSubstr("deviates from the protocol"));
    }
    (bit ? caught : guessed)++;
  }
  EXPECT_GT(caught, 8);
  EXPECT_GT(guessed, 8);
}

TEST(Iknp, CatchesAWrongAnswerToTheCheck) {
  constexpr size_t kRowsBytes = 128 * 2 * 16;  // of a chunk of 128 transfers: 2 blocks a row
  for (const size_t at : {size_t{3}, kRowsBytes, kRowsBytes + 16, kRowsBytes + 16 * 128 + 15}) {
    MemoryPipe pipe;
    pipe.tamper = [&](int, std::string_view step, Bytes& bytes) {
      if (step == "IKNP extension") bytes[at] ^= 1;
    };
    EXPECT_THAT(Message(Make(pipe, {128}).status()), HasSubstr("deviates from the protocol")) << at;
  }
}

TEST(Iknp, SaysThatThePeerIsGone) {
  MemoryPipe pipe;
  pipe.tamper = [&](int, std::string_view step, Bytes& bytes) {
    if (step == "IKNP extension") bytes.resize(100);
  };
  EXPECT_THAT(Message(Make(pipe, {128}).status()), HasSubstr("IKNP extension: a message of 100 bytes, expected"));
}

}  // namespace
}  // namespace privdnn
