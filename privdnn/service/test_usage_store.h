// A store of the real kind that tests can hold up and make fail.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {

// Asks `before_write` before every account that it writes, from whatever thread writes, and passes its error on.
class HookedUsageStore final : public UsageStore {
 public:
  using Hook = std::function<absl::Status(const UsageAccount&)>;
  HookedUsageStore(std::unique_ptr<UsageStore> store, Hook before_write)
      : store_(std::move(store)), before_write_(std::move(before_write)) {}

  absl::StatusOr<Addition> Add(const UsageAccount& account, uint64_t least, uint64_t most, uint64_t limit) override {
    PRIVDNN_RETURN_IF_ERROR(before_write_(account));
    return store_->Add(account, least, most, limit);
  }
  absl::Status Subtract(std::span<const UsageEntry> entries) override {
    for (const auto& entry : entries) PRIVDNN_RETURN_IF_ERROR(before_write_(entry.account));
    return store_->Subtract(entries);
  }
  absl::StatusOr<std::vector<UsageEntry>> TakeLost() override { return store_->TakeLost(); }
  absl::StatusOr<uint64_t> Read(const UsageAccount& account) override { return store_->Read(account); }
  absl::StatusOr<std::vector<UsageEntry>> Entries() override { return store_->Entries(); }

 private:
  const std::unique_ptr<UsageStore> store_;
  const Hook before_write_;
};

// A ledger that keeps nothing, on a HookedUsageStore.
inline std::unique_ptr<Ledger> HookedLedger(HookedUsageStore::Hook before_write, const LedgerOptions& options = {}) {
  return std::make_unique<Ledger>(
      std::make_unique<HookedUsageStore>(*SqliteUsageStore::Open(":memory:"), std::move(before_write)), options);
}

// A place where threads wait until it is opened, once.
class Gate {
 public:
  void Pass() {
    std::call_once(first_, [this] { entered_.set_value(); });
    opened_.wait();
  }
  // False if no thread comes within ten seconds.
  bool WaitForEntry() { return entered_.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready; }
  void Open() { open_.set_value(); }

 private:
  std::once_flag first_;
  std::promise<void> entered_, open_;
  std::shared_future<void> opened_ = open_.get_future().share();
};

}  // namespace privdnn
