// The query budgets: records how many images each user has had answered for each package.
//
// A charge is recorded before the answer is computed. A crash may therefore waste budget, but never lets it be spent
// twice. A durable write takes milliseconds and a query may take less, so the ledger reserves ahead: it records more
// images as used than it charges, in one durable transaction, and spends them from memory. It reserves as many as the
// account's sessions have spent so far, at most `reserve_images` and at most 1 % of the budget: nothing for who asks
// once, and few writes for who asks much. When an account's last session ends, and when the ledger closes, unspent
// images return to the record. A crash wastes those of sessions in progress, and what they gave back.
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
  // Undoes a charge, or part of a charge, that this ledger made. Only this ledger can spend these images until they
  // return to the record.
  void GiveBack(const std::string& package_id, const std::string& user, uint64_t images);
  // A session that charges an account begins and ends. If the store fails when the last one ends, what is unspent stays
  // reserved until another does, or until Close().
  void Enter(const std::string& package_id, const std::string& user);
  void Leave(const std::string& package_id, const std::string& user);
  // Returns what ledgers on the same record had reserved when their processes ended without closing them: at most so
  // many images of each account count as used and were not answered. Returns each once.
  absl::StatusOr<std::vector<UsageEntry>> TakeLost();
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
    uint64_t spent = 0;     // by the sessions in progress and those that they overlapped
    uint64_t sessions = 0;
    bool reserved = false;  // the store knows of a reservation
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
