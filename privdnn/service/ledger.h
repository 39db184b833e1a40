// How many images each user has had answered for each package: the query budgets.
//
// A charge is recorded before the answer is computed, so that a crash may waste budget and never gives it away twice.
// A durable write takes milliseconds and a query may take less. The ledger therefore reserves ahead: it records up to
// `reserve_images` images as used in one durable transaction and spends them from memory. The price: a crash wastes
// what was reserved and not spent, at most reserve_images and at most 1 % of the budget for each package and user with
// a charge since the start, and what was given back to it. Close() gives both back to the record. Several processes may
// share a record; near the end of a budget one of them may then refuse while another still holds a reservation.
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

// Thread-safe. Accounts don't wait for each other: a charge that has to be written holds up those of its own account,
// and others only as far as the store makes them wait.
class Ledger {
 public:
  explicit Ledger(std::unique_ptr<UsageStore> store, const LedgerOptions& options = {})
      : store_(std::move(store)), options_(options) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  // Closes; what Close() would return is lost.
  ~Ledger();

  // Uses up `images` (at least 1) of `budget` and returns what is left. ResourceExhausted, with the numbers, if that
  // many are not left; nothing is charged then, nor at any other error. Budgets beyond 2^63 - 1 count as that.
  absl::StatusOr<uint64_t> Charge(const std::string& package_id, const std::string& user, uint64_t images,
                                  uint64_t budget);
  // Undoes a charge, or a part of one, that this ledger has made. The images are this ledger's to spend until Close().
  void GiveBack(const std::string& package_id, const std::string& user, uint64_t images);
  // Images used so far, without what this ledger has reserved and not spent.
  absl::StatusOr<uint64_t> Used(const std::string& package_id, const std::string& user);
  // Everything recorded in the store.
  absl::StatusOr<std::vector<UsageEntry>> Entries();
  // Gives unspent reservations back to the record. Charges fail from then on. Calling it again does nothing.
  absl::Status Close();

 private:
  struct Account {
    std::mutex mutex;
    uint64_t recorded = 0;  // in the store when this ledger last added to it
    uint64_t unspent = 0;   // of it reserved here and not used
  };

  absl::Status CheckOpen() const;
  // Stays where it is as long as the ledger.
  Account& AccountOf(const UsageAccount& key);
  absl::Status Reserve(const UsageAccount& key, Account& account, uint64_t images, uint64_t budget);

  const std::unique_ptr<UsageStore> store_;
  const LedgerOptions options_;
  std::atomic<bool> closed_ = false;  // seen by whoever locks an account after Close() has
  std::mutex mutex_;                  // of the map; but for Close() held for no longer than a look-up
  std::map<UsageAccount, Account> accounts_;
};

}  // namespace privdnn
