// The query budgets: records how many images each user has had answered for each package.
//
// A charge is recorded before the answer is computed. A crash may therefore waste budget, but never lets it be spent
// twice. A durable write takes milliseconds and a query may take less, so the ledger reserves ahead: it records up to
// `reserve_images` images as used in one durable transaction, then spends them from memory. A crash wastes the reserved
// images that were not spent, and those that were given back. For each package and user charged since the start, the
// reservation is at most reserve_images and at most 1 % of the budget. Close() returns these images to the record.
// Several processes may share a record. Near the end of a budget, one of them may then refuse while another still holds
// a reservation.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/service/usage_store.h"

namespace privdnn {

struct LedgerOptions {
  uint64_t reserve_images = 1000;  // 0 or 1: every charge is written at once
};

// Thread-safe. A charge that must be written delays other charges of the same account. It delays other accounts only as
// far as the store does.
class Ledger {
 public:
  explicit Ledger(std::unique_ptr<UsageStore> store, const LedgerOptions& options = {})
      : store_(std::move(store)), options_(options) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  // Calls Close() and drops its result.
  ~Ledger();

  // Uses up `images` (at least 1) of `budget` and returns the number left. Fails with ResourceExhausted, giving the
  // numbers, if too few are left. Charges nothing if it fails. Treats budgets above 2^63 - 1 as 2^63 - 1.
  absl::StatusOr<uint64_t> Charge(const std::string& package_id, const std::string& user, uint64_t images,
                                  uint64_t budget);
  // Undoes a charge, or part of a charge, that this ledger made. Only this ledger can spend these images until Close().
  void GiveBack(const std::string& package_id, const std::string& user, uint64_t images);
  // Returns the images used so far, without this ledger's unspent reservations.
  absl::StatusOr<uint64_t> Used(const std::string& package_id, const std::string& user);
  // Returns everything recorded in the store.
  absl::StatusOr<std::vector<UsageEntry>> Entries();
  // Returns unspent reservations to the record. Charges fail from then on. Calling it again does nothing.
  absl::Status Close();

 private:
  struct Account {
    std::mutex mutex;
    uint64_t recorded = 0;  // in the store when this ledger last added to it
    uint64_t unspent = 0;   // the part of it that is reserved here and not used
  };

  absl::Status CheckOpen() const;
  // Returns an account whose address stays valid as long as the ledger.
  Account& AccountOf(const UsageAccount& key);
  absl::Status Reserve(const UsageAccount& key, Account& account, uint64_t images, uint64_t budget);

  const std::unique_ptr<UsageStore> store_;
  const LedgerOptions options_;
  std::atomic<bool> closed_ = false;  // seen by anyone who locks an account after Close() did
  std::mutex mutex_;                  // guards the map; held only for look-ups, except in Close()
  std::map<UsageAccount, Account> accounts_;
};

}  // namespace privdnn
