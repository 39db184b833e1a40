#include "privdnn/service/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "privdnn/base/file.h"
#include "privdnn/service/sqlite_usage_store.h"
#include "privdnn/service/test_usage_store.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Ledger> OpenLedger(const std::string& path, uint64_t reserve = 1000) {
  auto ledger = OpenSqliteLedger(path, {.reserve_images = reserve});
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
  EXPECT_EQ(*ledger->Charge("p", "alice", 4, 1'000'000), 999'996u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 1, 1'000'000), 999'995u);
  EXPECT_EQ(ledger->Entries()->at(0).images, 8u);
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
  ASSERT_TRUE(crashed->Charge("p", "alice", 2000, 1'000'000).ok());
  ASSERT_TRUE(crashed->Charge("p", "alice", 1, 1'000'000).ok());
  ASSERT_TRUE(crashed->Charge("small", "alice", 500, 1000).ok());  // 1 % of the budget is 10
  ASSERT_TRUE(crashed->Charge("small", "alice", 1, 1000).ok());
  ASSERT_TRUE(crashed->Charge("once", "alice", 5, 1'000'000).ok());
  auto ledger = OpenLedger(path_);
  EXPECT_EQ(*ledger->Used("p", "alice"), 3000u);
  EXPECT_EQ(*ledger->Used("small", "alice"), 510u);
  EXPECT_EQ(*ledger->Used("once", "alice"), 5u);
}

TEST_F(LedgerTest, ReservesAsMuchAsWasSpentAndReturnsItWhenSessionsEnd) {
  auto ledger = OpenLedger(path_);
  const auto recorded = [&] { return ledger->Entries()->at(0).images; };
  ledger->Enter("p", "alice");
  ledger->Enter("p", "alice");
  std::vector<uint64_t> seen;
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(ledger->Charge("p", "alice", 1, 1'000'000).ok());
    if (seen.empty() || seen.back() != recorded()) seen.push_back(recorded());
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 4, 8, 16}));
  ledger->Leave("p", "alice");
  EXPECT_EQ(recorded(), 16u);  // another session goes on
  ledger->Leave("p", "alice");
  EXPECT_EQ(recorded(), 9u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 1, 1'000'000), 999'990u);
  EXPECT_EQ(recorded(), 10u);  // a new session begins with nothing
}

// The child ends without closing its ledger, as a server that is killed.
TEST_F(LedgerTest, SaysWhatAnEndedProcessHadReserved) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto killed = OpenSqliteLedger(path_);
    for (int i = 0; i < 5; ++i) (void)(*killed)->Charge("p", "alice", 1, 1'000'000);
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  auto ledger = OpenLedger(path_);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ledger->Charge("p", "bob", 1, 1'000'000).ok());  // alive: not lost
  const auto lost = *ledger->TakeLost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].account, (UsageAccount{"p", "alice"}));
  EXPECT_EQ(lost[0].images, 3u);
  EXPECT_EQ(*ledger->Used("p", "alice"), 8u);
  EXPECT_TRUE(ledger->TakeLost()->empty());
  // A reservation that was spent to the last image before an orderly end is none.
  const pid_t orderly = ::fork();
  if (orderly == 0) {
    const auto closed = OpenSqliteLedger(path_);
    for (int i = 0; i < 4; ++i) (void)(*closed)->Charge("p", "carol", 1, 1'000'000);
    ::_exit((*closed)->Close().ok() ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(orderly, &status, 0), orderly);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(ledger->TakeLost()->empty());
  EXPECT_EQ(*ledger->Used("p", "carol"), 4u);
}

TEST_F(LedgerTest, SpendsTheReservationBeforeReservingMore) {
  auto ledger = OpenLedger(path_, 10);
  ASSERT_TRUE(ledger->Charge("p", "alice", 10, 10'000).ok());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ledger->Charge("p", "alice", 1, 10'000).ok());
  EXPECT_EQ(ledger->Entries()->at(0).images, 20u);
  ASSERT_TRUE(ledger->Charge("p", "alice", 1, 10'000).ok());
  EXPECT_EQ(ledger->Entries()->at(0).images, 30u);
  ASSERT_TRUE(ledger->Charge("p", "alice", 100, 10'000).ok());  // 9 from the reservation, 91 more
  EXPECT_EQ(ledger->Entries()->at(0).images, 121u);
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

TEST_F(LedgerTest, WhatIsGivenBackCanBeChargedAgain) {
  auto ledger = OpenLedger(path_);
  EXPECT_EQ(*ledger->Charge("p", "alice", 6, 10), 4u);
  ledger->GiveBack("p", "alice", 5);
  EXPECT_EQ(*ledger->Used("p", "alice"), 1u);
  EXPECT_EQ(ledger->Entries()->at(0).images, 6u);  // a crash wastes it
  EXPECT_EQ(*ledger->Charge("p", "alice", 9, 10), 0u);
  EXPECT_FALSE(ledger->Charge("p", "alice", 1, 10).ok());
  ledger->GiveBack("p", "alice", 2);
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_EQ(*OpenLedger(path_)->Used("p", "alice"), 8u);
}

TEST_F(LedgerTest, AnAccountThatWaitsForTheStoreDoesNotStopOthers) {
  Gate gate;
  const auto ledger = HookedLedger([&](const UsageAccount& account) {
    if (account.user == "slow") gate.Pass();
    return absl::OkStatus();
  });
  EXPECT_EQ(*ledger->Charge("p", "fast", 1, 1'000'000), 999'999u);
  auto slow = std::async(std::launch::async, [&] { return ledger->Charge("p", "slow", 1, 1'000'000); });
  ASSERT_TRUE(gate.WaitForEntry());
  // From memory, from the store, and for an account that is new.
  auto others = std::async(std::launch::async, [&] {
    EXPECT_EQ(*ledger->Charge("p", "fast", 2, 1'000'000), 999'997u);
    EXPECT_EQ(*ledger->Charge("p", "fast", 2000, 1'000'000), 997'997u);
    EXPECT_EQ(*ledger->Charge("p", "new", 1, 10), 9u);
    EXPECT_EQ(*ledger->Used("p", "fast"), 2003u);
  });
  const auto reached = others.wait_for(std::chrono::seconds(10));
  EXPECT_EQ(slow.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  gate.Open();
  EXPECT_EQ(reached, std::future_status::ready);
  EXPECT_EQ(*slow.get(), 999'999u);
}

TEST_F(LedgerTest, AStoreThatFailsLeavesTheAccountAsItWas) {
  absl::Status outcome;
  const auto ledger = HookedLedger([&](const UsageAccount&) { return outcome; }, {.reserve_images = 10});
  EXPECT_EQ(*ledger->Charge("p", "alice", 10, 10'010), 10'000u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 4, 10'010), 9996u);
  outcome = absl::InternalError("disk full");
  EXPECT_EQ(ledger->Charge("p", "alice", 7, 10'010).status(), outcome);  // 6 are reserved
  EXPECT_EQ(ledger->Charge("p", "bob", 1, 10'000).status(), outcome);
  EXPECT_EQ(*ledger->Used("p", "alice"), 14u);
  EXPECT_EQ(*ledger->Used("p", "bob"), 0u);
  EXPECT_EQ(ledger->Entries()->size(), 1u);
  EXPECT_EQ(ledger->Entries()->at(0).images, 20u);
  EXPECT_EQ(*ledger->Charge("p", "alice", 6, 10'010), 9990u);  // what is reserved needs no store
  outcome = absl::OkStatus();
  EXPECT_EQ(*ledger->Charge("p", "alice", 7, 10'010), 9983u);
  EXPECT_EQ(ledger->Entries()->at(0).images, 30u);
  outcome = absl::InternalError("disk full");
  EXPECT_EQ(ledger->Close(), outcome);  // 3 are wasted
  EXPECT_EQ(ledger->Charge("p", "alice", 1, 10'000).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LedgerTest, StoreAddsWhatIsLeftOrNothing) {
  const auto store = *SqliteUsageStore::Open(path_);
  const UsageAccount account{"p", "alice"};
  const auto add = [&](uint64_t least, uint64_t most, uint64_t limit) {
    const auto addition = *store->Add(account, least, most, limit);
    return std::pair(addition.recorded, addition.added);
  };
  EXPECT_EQ(add(2, 5, 10), std::pair(uint64_t{5}, uint64_t{5}));
  EXPECT_EQ(add(6, 9, 10), std::pair(uint64_t{5}, uint64_t{0}));
  EXPECT_EQ(add(2, 9, 10), std::pair(uint64_t{10}, uint64_t{5}));
  EXPECT_EQ(add(1, 1, 10), std::pair(uint64_t{10}, uint64_t{0}));
  EXPECT_EQ(add(1, 1, 9), std::pair(uint64_t{10}, uint64_t{0}));  // a budget that was made smaller
  const std::vector<UsageEntry> entries = {{account, 4}, {{"q", "bob"}, 1}};
  ASSERT_TRUE(store->Subtract(entries).ok());
  EXPECT_EQ(*store->Read(account), 6u);
  EXPECT_EQ(*store->Read({"q", "bob"}), 0u);
}

TEST_F(LedgerTest, RefusesForeignFiles) {
  ASSERT_TRUE(WriteTextFile(path_, std::string(5000, 'x')).ok());
  const auto opened = OpenSqliteLedger(path_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << opened.status();
  EXPECT_THAT(Message(opened.status()), HasSubstr(path_));
  EXPECT_EQ(OpenSqliteLedger((dir_.path() / "none" / "l").string()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace privdnn
