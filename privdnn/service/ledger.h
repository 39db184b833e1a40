// How many images each user has had answered for each package: the query budgets, kept in SQLite.
//
// A charge is recorded before the answer is computed, so that a crash may waste budget and never gives it away twice.
// A durable write takes milliseconds and a query may take less. The ledger therefore reserves ahead: it records up to
// `reserve_images` images as used in one durable transaction and spends them from memory. The price: a crash wastes
// what was reserved and not spent, at most reserve_images and at most 1 % of the budget for each package and user with
// a charge since the start. Close() gives it back. Several processes may share a ledger; near the end of a budget one
// of them may then refuse while another still holds a reservation.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "privdnn/base/status.h"

struct sqlite3;

namespace privdnn {

struct LedgerOptions {
  uint64_t reserve_images = 1000;  // 0 or 1: every charge is written at once
};

struct LedgerEntry {
  std::string package_id;  // of a package with several segments: "id/segment"
  std::string user;
  uint64_t images = 0;  // used, with reservations that no ledger has given back
};

// Thread-safe. A charge that has to be written makes the others wait for it.
class Ledger {
 public:
  // Opens or makes the file (mode 0600); ":memory:" keeps nothing. FailedPrecondition if the file is not a ledger, is
  // of another version, or lies where SQLite's write-ahead log does not work (network file systems).
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& path, const LedgerOptions& options = {});
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  // Closes; what Close() would return is lost.
  ~Ledger();

  // Uses up `images` (at least 1) of `budget` and returns what is left. ResourceExhausted, with the numbers, if that
  // many are not left; nothing is charged then, nor at any other error. Budgets beyond 2^63 - 1 count as that.
  absl::StatusOr<uint64_t> Charge(const std::string& package_id, const std::string& user, uint64_t images,
                                  uint64_t budget);
  // Images used so far, without what this ledger has reserved and not spent.
  absl::StatusOr<uint64_t> Used(const std::string& package_id, const std::string& user);
  // Everything recorded in the file, in the order of package and user.
  absl::StatusOr<std::vector<LedgerEntry>> Entries();
  // Gives unspent reservations back and closes the file. Charges fail from then on. Calling it again does nothing.
  absl::Status Close();

 private:
  using Account = std::pair<std::string, std::string>;  // package, user
  struct State {
    uint64_t recorded = 0;  // in the file
    uint64_t unspent = 0;   // of it reserved here and not used
  };

  Ledger(sqlite3* database, std::string path, const LedgerOptions& options)
      : database_(database), path_(std::move(path)), options_(options) {}
  absl::Status Initialize();
  absl::Status CheckOpen() const;
  absl::Status Execute(const char* sql);
  absl::Status SqlError(const char* what) const;
  absl::StatusOr<int64_t> QueryInteger(const char* sql);
  absl::StatusOr<std::string> QueryText(const char* sql);
  absl::StatusOr<uint64_t> ReadRecorded(const Account& account);
  absl::Status AddRecorded(const Account& account, int64_t images);
  absl::Status Reserve(const Account& account, State& state, uint64_t images, uint64_t budget);
  absl::Status ReserveInTransaction(const Account& account, State& state, uint64_t images, uint64_t budget);
  absl::Status ReturnUnspent();

  std::mutex mutex_;
  sqlite3* database_;
  const std::string path_;
  const LedgerOptions options_;
  std::map<Account, State> reserved_;
};

}  // namespace privdnn
