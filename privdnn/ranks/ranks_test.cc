// This program starts itself under mpirun; as a rank, its argument says what it does.
#include "privdnn/ranks/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "privdnn/ranks/test_mpirun.h"

namespace privdnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kPieces = 60;

Bytes Pack(uint64_t n) {
  ByteWriter w;
  w.U64(n);
  return std::move(w).Take();
}

uint64_t Unpack(std::span<const uint8_t> bytes) {
  ByteReader r(bytes, "piece");
  return *r.U64("number");
}

// Pieces 0 to `count` - 1.
NextPieceFn Numbers(uint64_t count) {
  return [n = uint64_t{0}, count]() mutable -> std::optional<Bytes> {
    if (n == count) return std::nullopt;
    return Pack(n++);
  };
}

// What a piece is and takes, by scenario.
absl::StatusOr<Bytes> Make(const std::string& scenario, int rank, std::span<const uint8_t> request,
                           const GoOnFn& go_on) {
  const uint64_t n = Unpack(request);
  std::this_thread::sleep_for(std::chrono::milliseconds(scenario == "slow" && rank == 1 ? 100 : 2));
  if (scenario == "fail" && rank == 1) return InvalidArgument("piece {} is bad", n);
  if (scenario == "killed" && rank == 1) ::raise(SIGKILL);
  if (scenario == "throws" && rank == 1) throw std::runtime_error("out of luck");
  if (scenario == "long" && rank == 1) return Bytes((size_t{1} << 30) - 63);
  if (scenario == "big") return Bytes(size_t{1} << 20, static_cast<uint8_t>(n));
  // The first pieces of the first Spread wait to be told to stop.
  for (int i = 0; scenario == "stop" && n >= 1000 && i < 5000; ++i) {
    if (!go_on()) return absl::CancelledError("told to stop");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Pack(n * n);
}

// Rank 0: prints what came of it.
absl::Status Lead(const std::string& scenario, Ranks& ranks, const PieceFn& piece) {
  const GoOnFn go_on = [] { return true; };
  ranks.OnDeparture([](const absl::Status& why) { std::printf("left: %s\n", Message(why).c_str()); });
  PRIVDNN_RETURN_IF_ERROR(ranks.Meet("the data", go_on));
  if (scenario == "stop") {
    uint64_t n = 1000;
    const auto begin = std::chrono::steady_clock::now();
    const absl::Status status = ranks.Spread(
        [&n] { return std::optional(Pack(n++)); }, piece, [](uint64_t, int, const Bytes&) { return absl::OkStatus(); },
        [&] { return std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(100); });
    std::printf("first: %s\n", Message(status).c_str());
  }
  for (int round = 0; round < (scenario == "throws" ? 2 : 1); ++round) {
    std::vector<uint64_t> replies(kPieces);
    std::map<int, int> made;
    PRIVDNN_RETURN_IF_ERROR(ranks.Spread(
        Numbers(kPieces), piece,
        [&](uint64_t at, int rank, const Bytes& reply) {
          ++made[rank];
          replies[at] = scenario == "big" ? reply.size() * (at + 1) * (reply.back() == at) : Unpack(reply);
          return absl::OkStatus();
        },
        go_on));
    std::printf("sum %llu\n",
                static_cast<unsigned long long>(std::accumulate(replies.begin(), replies.end(), uint64_t{0})));
    for (const auto& [rank, count] : made) std::printf("rank %d made %d\n", rank, count);
  }
  return absl::OkStatus();
}

int RunAsRank(const std::string& scenario) {
  auto ranks = Ranks::Join();
  if (!ranks.ok()) return 3;
  const int rank = ranks->rank();
  const PieceFn piece = [&](std::span<const uint8_t> request, const GoOnFn& go_on) {
    return Make(scenario, rank, request, go_on);
  };
  absl::Status status;
  if (rank == 0) {
    status = Lead(scenario, *ranks, piece);
  } else if (scenario == "absent" && rank == 1) {
    status = NotFound("model.onnx is not there");
  } else {
    status = ranks->Serve(scenario == "other" && rank == 1 ? "other data" : "the data", piece, [] { return true; });
  }
  if (rank == 0) std::printf("end: %s\n", status.ok() ? "ok" : Message(status).c_str());
  std::fflush(stdout);
  const bool told = ranks->Leave(status);
  return status.ok() || (rank > 0 && told) ? 0 : 1;
}

class RanksTest : public MpirunTest {
 protected:
  // Of n^2, n < kPieces.
  static constexpr uint64_t kSum = (kPieces - 1) * kPieces * (2 * kPieces - 1) / 6;
  static int Made(const Mpirun& ended, int rank) {
    const std::string line = fmt::format("rank {} made ", rank);
    const size_t at = ended.output.find(line);
    return at == std::string::npos ? 0 : std::stoi(ended.output.substr(at + line.size()));
  }
};

TEST_F(RanksTest, MakeEveryPieceOnce) {
  for (const int n : {2, 4}) {
    const Mpirun ended = Run(n, "squares");
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr(fmt::format("sum {}\n", kSum)));
    int made = 0;
    for (int rank = 0; rank < n; ++rank) {
      EXPECT_GT(Made(ended, rank), 0) << "rank " << rank << " of " << n << "\n" << ended.output;
      made += Made(ended, rank);
    }
    EXPECT_EQ(made, kPieces);
  }
}

TEST_F(RanksTest, GiveASlowRankFewerPieces) {
  const Mpirun ended = Run(3, "slow");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr(fmt::format("sum {}\n", kSum)));
  EXPECT_LT(Made(ended, 1), Made(ended, 2)) << ended.output;
}

TEST_F(RanksTest, PassOnLongReplies) {
  const Mpirun ended = Run(2, "big");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr(fmt::format("sum {}\n", (kPieces * (kPieces + 1) / 2) * (uint64_t{1} << 20))));
}

TEST_F(RanksTest, StopInOrderAndGoOn) {
  const Mpirun ended = Run(3, "stop");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("first: interrupted\n"));
  EXPECT_THAT(ended.output, HasSubstr(fmt::format("sum {}\n", kSum)));
}

TEST_F(RanksTest, NameTheRankThatFails) {
  for (const auto& [scenario, message] :
       {std::pair<std::string, std::string>{"fail", "): piece "},
        {"absent", "): model.onnx is not there"},
        {"other", "): works on other data than rank 0: other data; rank 0: the data"}}) {
    const Mpirun ended = Run(3, scenario);
    EXPECT_EQ(ended.exit_code, 1) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("end: rank 1 (")) << scenario;
    EXPECT_THAT(ended.output, HasSubstr(message));
  }
}

TEST_F(RanksTest, MakeWhatARankLeavesBehind) {
  for (const int n : {2, 3}) {
    for (const auto& [scenario, reason] : {std::pair<std::string, std::string>{"throws", ": out of luck\n"},
                                           {"long", ": a reply of 1073741761 bytes; at most 1073741760\n"}}) {
      SCOPED_TRACE(fmt::format("{} with {}", scenario, n));
      const Mpirun ended = Run(n, scenario);
      EXPECT_EQ(ended.exit_code, 0) << ended.output;
      EXPECT_THAT(ended.output, AllOf(HasSubstr("left: rank 1 ("), HasSubstr("): piece "), HasSubstr(reason)));
      EXPECT_EQ(Made(ended, 1), 0);
      // By those that are left, and again in a second Spread.
      const std::string sum = fmt::format("sum {}\n", kSum);
      const size_t at = ended.output.find(sum);
      ASSERT_NE(at, std::string::npos) << ended.output;
      EXPECT_EQ(ended.output.find(sum, at + 1) != std::string::npos, scenario == "throws");
    }
  }
}

TEST_F(RanksTest, EndWhenOneIsKilled) {
  const Mpirun ended = Run(3, "killed");
  EXPECT_NE(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("rank 1"));
  EXPECT_THAT(ended.output, HasSubstr("signal 9"));
}

TEST(PlainProcess, IsNoRank) { EXPECT_FALSE(Ranks::Started()); }

}  // namespace
}  // namespace privdnn

int main(int argc, char** argv) {
  if (privdnn::Ranks::Started()) return privdnn::RunAsRank(argc > 1 ? argv[1] : "");
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
