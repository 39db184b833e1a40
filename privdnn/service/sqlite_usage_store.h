// Records used images in an SQLite file.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "privdnn/service/ledger.h"
#include "privdnn/service/usage_store.h"

struct sqlite3;

namespace privdnn {

// Uses one connection. Calls wait for each other, and up to five seconds for other processes that write.
class SqliteUsageStore final : public UsageStore {
 public:
  // Opens or makes the file (mode 0600); ":memory:" keeps nothing. Fails with FailedPrecondition if the file is not a
  // ledger, has another version, or is on a file system where SQLite's write-ahead log does not work (network file
  // systems).
  static absl::StatusOr<std::unique_ptr<SqliteUsageStore>> Open(const std::string& path);
  SqliteUsageStore(const SqliteUsageStore&) = delete;
  SqliteUsageStore& operator=(const SqliteUsageStore&) = delete;
  ~SqliteUsageStore() override;

  absl::StatusOr<Addition> Add(const UsageAccount& account, uint64_t least, uint64_t most, uint64_t limit) override;
  absl::Status Subtract(std::span<const UsageEntry> entries) override;
  absl::StatusOr<std::vector<UsageEntry>> TakeLost() override;
  absl::StatusOr<uint64_t> Read(const UsageAccount& account) override;
  absl::StatusOr<std::vector<UsageEntry>> Entries() override;

 private:
  SqliteUsageStore(sqlite3* database, std::string path, std::string holder)
      : database_(database), path_(std::move(path)), holder_(std::move(holder)) {}
  absl::Status Initialize();
  absl::Status Execute(const char* sql);
  absl::Status SqlError(const char* what) const;
  absl::StatusOr<int64_t> QueryInteger(const char* sql);
  absl::StatusOr<std::string> QueryText(const char* sql);
  absl::StatusOr<uint64_t> ReadRecorded(const UsageAccount& account);
  absl::Status AddRecorded(const UsageAccount& account, int64_t images);
  absl::Status Reserve(const UsageAccount& account, int64_t images);
  absl::StatusOr<std::vector<std::string>> EndedHolders();
  absl::StatusOr<std::vector<UsageEntry>> TakeLostInTransaction();
  absl::StatusOr<Addition> AddInTransaction(const UsageAccount& account, uint64_t least, uint64_t most, uint64_t limit);

  std::mutex mutex_;
  sqlite3* const database_;
  const std::string path_;
  const std::string holder_;  // this process, in reservations
};

// Opens a ledger on an SqliteUsageStore. Returns the errors of SqliteUsageStore::Open.
absl::StatusOr<std::unique_ptr<Ledger>> OpenSqliteLedger(const std::string& path, const LedgerOptions& options = {});

}  // namespace privdnn
