#include "privdnn/service/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Ledger> OpenLedger(const std::string& path, uint64_t reserve = 1000) {
  auto ledger = Ledger::Open(path, {.reserve_images = reserve});
  EXPECT_TRUE(ledger.ok()) << ledger.status();
  return ledger.ok() ? *std::move(ledger) : nullptr;
}

class LedgerTest : public ::testing::Test {
 protected:
  TemporaryDirectory dir_ = *TemporaryDirectory::Create();
  std::string path_ = (dir_.path() / "ledger.sqlite").string();
};

TEST_F(LedgerTest, CountsPerPackageAndUser) {
  auto ledger = OpenLedger(":memory:");
  EXPECT_EQ(*ledger->Used("p", "alice"), 0u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 3, 10), 7u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 7, 10), 0u);
  EXPECT_EQ(*ledger->Charge("p", "bob", 1, 10), 9u);
  EXPECT_EQ(*ledger->Charge("q", "alice", 1, 10), 9u);
  EXPECT_EQ(*ledger->Used("p", "alice"), 10u);
}

TEST_F(LedgerTest, RefusesWholeChargesAndSaysWhy) {
  auto ledger = OpenLedger(":memory:");
  ASSERT_TRUE(ledger->Charge("p", "alice", 8, 10).ok());
  const auto refused = ledger->Charge("p", "alice", 3, 10);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(refused.status()), HasSubstr("8 of the 10 images allowed are used, 3 more"));
  EXPECT_EQ(*ledger->Used("p", "alice"), 8u);  // a refusal costs nothing
  EXPECT_EQ(*ledger->Charge("p", "alice", 2, 10), 0u);
  EXPECT_EQ(ledger->Charge("p", "alice", 1, 0).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ledger->Charge("p", "alice", 0, 10).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LedgerTest, SurvivesExtremeNumbers) {
  auto ledger = OpenLedger(":memory:");
  EXPECT_FALSE(ledger->Charge("p", "a", ~uint64_t{0}, 10).ok());
  EXPECT_FALSE(ledger->Charge("p", "a", ~uint64_t{0}, ~uint64_t{0}).ok());
  EXPECT_EQ(*ledger->Charge("p", "a", 1, ~uint64_t{0}), (~uint64_t{0} >> 1) - 1);
  EXPECT_EQ(*ledger->Charge("p", "a", (~uint64_t{0} >> 1) - 1, ~uint64_t{0}), 0u);
  EXPECT_FALSE(ledger->Charge("p", "a", 1, ~uint64_t{0}).ok());
}

TEST_F(LedgerTest, OrderlyCloseReturnsTheReservation) {
  auto ledger = OpenLedger(path_);
  EXPECT_EQ(*ledger->Charge("p", "alice", 5, 1'000'000), 999'995u);
  EXPECT_EQ(ledger->Entries()->at(0).images, 1000u);
  EXPECT_EQ(*ledger->Used("p", "alice"), 5u);
  ASSERT_TRUE(ledger->Close().ok());
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_EQ(ledger->Charge("p", "alice", 1, 10).status().code(), absl::StatusCode::kFailedPrecondition);
  ledger = OpenLedger(path_);
  EXPECT_EQ(*ledger->Used("p", "alice"), 5u);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

// A crash leaves the file as a second ledger sees it while the first is open.
TEST_F(LedgerTest, CrashWastesAtMostTheReservationAndGivesNothingAway) {
  auto crashed = OpenLedger(path_);
  ASSERT_TRUE(crashed->Charge("p", "alice", 5, 1'000'000).ok());
  ASSERT_TRUE(crashed->Charge("small", "alice", 5, 1000).ok());  // 1 % of the budget is 10
  ASSERT_TRUE(crashed->Charge("tiny", "alice", 5, 50).ok());
  auto ledger = OpenLedger(path_);
  EXPECT_EQ(*ledger->Used("p", "alice"), 1000u);
  EXPECT_EQ(*ledger->Used("small", "alice"), 10u);
  EXPECT_EQ(*ledger->Used("tiny", "alice"), 5u);
}

TEST_F(LedgerTest, SpendsTheReservationBeforeReservingMore) {
  auto ledger = OpenLedger(path_, 10);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ledger->Charge("p", "alice", 1, 10'000).ok());
  EXPECT_EQ(ledger->Entries()->at(0).images, 10u);
  ASSERT_TRUE(ledger->Charge("p", "alice", 1, 10'000).ok());
  EXPECT_EQ(ledger->Entries()->at(0).images, 20u);
  ASSERT_TRUE(ledger->Charge("p", "alice", 100, 10'000).ok());  // 9 from the reservation, 91 more
  EXPECT_EQ(ledger->Entries()->at(0).images, 111u);
}

TEST_F(LedgerTest, TwoLedgersNeverExceedTheBudgetTogether) {
  auto a = OpenLedger(path_, 7);
  auto b = OpenLedger(path_, 7);
  uint64_t spent = 0;
  for (bool any = true; any;) {
    any = false;
    for (Ledger* ledger : {a.get(), b.get()}) {
      if (!ledger->Charge("p", "alice", 3, 1000).ok()) continue;
      spent += 3;
      any = true;
    }
  }
  EXPECT_LE(spent, 1000u);
  EXPECT_GE(spent, 1000u - 14u);
  ASSERT_TRUE(a->Close().ok());
  EXPECT_EQ(*b->Used("p", "alice"), spent);
}

TEST_F(LedgerTest, ThreadsNeverExceedTheBudget) {
  auto ledger = OpenLedger(path_);
  std::atomic<uint64_t> spent = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) spent += ledger->Charge("p", "alice", 1, 500).ok() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(spent, 500u);
}

TEST_F(LedgerTest, RefusesForeignFiles) {
  ASSERT_TRUE(WriteTextFile(path_, std::string(5000, 'x')).ok());
  const auto opened = Ledger::Open(path_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << opened.status();
  EXPECT_THAT(Message(opened.status()), HasSubstr(path_));
  EXPECT_EQ(Ledger::Open((dir_.path() / "none" / "l").string()).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace privdnn
