#include "privdnn/ot/base_ot.h"

#include <gmock/gmock.h>

#include <set>

#include "privdnn/ot/test_channel.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

const Bytes kContext = {1, 2, 3};

auto RunOts(MemoryPipe& pipe, const Secret<uint8_t>& choices, const Bytes& receiver_context = kContext,
            uint64_t seed = 1) {
  return RunBoth(
      pipe,
      [&](Channel& channel) {
        DeterministicRandom random(seed);
        return SendBaseOts(choices.size(), kContext, random, channel);
      },
      [&](Channel& channel) {
        DeterministicRandom random(seed + 1);
        return ReceiveBaseOts(choices, receiver_context, random, channel);
      });
}

Secret<uint8_t> Choices(size_t count) {
  Secret<uint8_t> choices(count);
  for (size_t i = 0; i < count; ++i) choices.RevealMutable()[i] = static_cast<uint8_t>(0x6b >> (i % 7) & 1);
  return choices;
}

TEST(BaseOt, ReceiverGetsTheChosenBlocks) {
  MemoryPipe pipe;
  const auto choices = Choices(128);
  const auto [pairs, blocks] = RunOts(pipe, choices);
  ASSERT_TRUE(pairs.ok() && blocks.ok()) << pairs.status() << blocks.status();
  std::set<std::pair<uint64_t, uint64_t>> seen;
  for (size_t i = 0; i < 128; ++i) {
    const auto& pair = pairs->Reveal()[i];
    EXPECT_EQ(blocks->Reveal()[i], pair[choices.Reveal()[i]]) << i;
    for (const Block& block : pair) seen.insert({block.low, block.high});
  }
  EXPECT_EQ(seen.size(), 256u) << "all blocks differ";
  EXPECT_EQ(pipe.bytes_to(0), 128u * 64);
  EXPECT_EQ(pipe.bytes_to(1), 32u);
}

TEST(BaseOt, ContextsSeparateRuns) {
  MemoryPipe pipe;
  const auto choices = Choices(8);
  const auto [pairs, blocks] = RunOts(pipe, choices, {1, 2, 4});
  ASSERT_TRUE(pairs.ok() && blocks.ok());
  for (size_t i = 0; i < 8; ++i) {
    for (const Block& block : pairs->Reveal()[i]) EXPECT_NE(blocks->Reveal()[i], block);
  }
}

// The message of a receiver has the same distribution for both choices: each point by itself is uniform, and which one
// the receiver knows is not to be seen. Here: with the same random bits, the points are exchanged but for the hash.
TEST(BaseOt, MessagesDependOnAllRandomness) {
  Bytes first, second;
  for (Bytes* message : {&first, &second}) {
    MemoryPipe pipe;
    pipe.tamper = [&](int to, std::string_view, Bytes& bytes) {
      if (to == 0) *message = bytes;
    };
    ASSERT_TRUE(RunOts(pipe, Choices(4), kContext, message == &first ? 1 : 3).first.ok());
  }
  for (size_t at = 0; at < first.size(); at += 32) {
    EXPECT_NE(
        Bytes(first.begin() + static_cast<std::ptrdiff_t>(at), first.begin() + static_cast<std::ptrdiff_t>(at + 32)),
        Bytes(second.begin() + static_cast<std::ptrdiff_t>(at), second.begin() + static_cast<std::ptrdiff_t>(at + 32)));
  }
}

TEST(BaseOt, RefusesWhatIsNoPoint) {
  const auto choices = Choices(4);
  for (const int to : {0, 1}) {
    for (const uint8_t fill : {0xff, 0x01}) {  // not canonical; not on the curve
      MemoryPipe pipe;
      pipe.tamper = [&](int end, std::string_view, Bytes& bytes) {
        if (end == to) std::fill_n(bytes.end() - 32, 32, fill);
      };
      const auto [pairs, blocks] = RunOts(pipe, choices);
      const absl::Status status = to == 0 ? pairs.status() : blocks.status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(Message(status), HasSubstr("not valid"));
    }
  }
  // The neutral element as the sender's point would make all blocks public.
  MemoryPipe pipe;
  pipe.tamper = [](int to, std::string_view, Bytes& bytes) {
    if (to == 1) std::ranges::fill(bytes, uint8_t{0});
  };
  EXPECT_THAT(Message(RunOts(pipe, choices).second.status()), HasSubstr("the sender's point is not valid"));
}

TEST(BaseOt, RefusesMessagesOfOtherSizes) {
  MemoryPipe pipe;
  pipe.tamper = [](int to, std::string_view, Bytes& bytes) {
    if (to == 0) bytes.pop_back();
  };
  EXPECT_THAT(Message(RunOts(pipe, Choices(4)).first.status()), HasSubstr("a message of 255 bytes, expected 256"));
}

}  // namespace
}  // namespace privdnn
