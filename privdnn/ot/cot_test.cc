#include "privdnn/ot/cot.h"

#include <gmock/gmock.h>

#include <cmath>

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

// Rows and check of a chunk of 128 transfers: 2 blocks a row.
constexpr size_t kRowBytes = 2 * 16, kRowsBytes = 128 * kRowBytes;

TEST(Iknp, CatchesAReceiverThatChangesARowUnlessItGuessedDeltasBit) {
  MemoryPipe honest;
  const Block delta = Make(honest, {128})->delta;
  int caught = 0;
  for (size_t row = 0; row < 128; row += 9) {
    MemoryPipe pipe;
    pipe.tamper = [&](int, std::string_view step, Bytes& bytes) {
      if (step == "IKNP extension") bytes[row * kRowBytes + 3] ^= 0x10;
    };
    const auto made = Make(pipe, {128});
    // The check's coefficients depend on every byte that was sent, so all rows are hashed anew.
    EXPECT_FALSE(made.ok());
    EXPECT_THAT(Message(made.status()), HasSubstr("deviates from the protocol"));
    caught += !made.ok();
  }
  EXPECT_EQ(caught, 15);
  EXPECT_TRUE(delta.LowBit());
}

TEST(Iknp, CatchesAWrongAnswerToTheCheck) {
  for (const size_t at : {kRowsBytes, kRowsBytes + 16, kRowsBytes + 16 * 128 + 15}) {
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
