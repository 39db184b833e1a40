#include "privdnn/service/sqlite_usage_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace privdnn {
namespace {

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x5044'4e4c;  // "PDNL"
constexpr int kBusyMilliseconds = 5000;

// A prepared statement that is finalised when it goes. Errors of binding show at the first Step().
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) statement_ = nullptr;
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  void BindText(int index, const std::string& text) {
    Note(sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
  }
  void BindInteger(int index, int64_t value) { Note(sqlite3_bind_int64(statement_, index, value)); }
  // SQLITE_ROW, SQLITE_DONE or an error.
  int Step() {
    if (!statement_ || failed_) return SQLITE_ERROR;
    return sqlite3_step(statement_);
  }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) const {
    const unsigned char* text = sqlite3_column_text(statement_, column);
    return text ? std::string(reinterpret_cast<const char*>(text)) : std::string();
  }

 private:
  void Note(int result) { failed_ = failed_ || result != SQLITE_OK; }
  sqlite3_stmt* statement_ = nullptr;
  bool failed_ = false;
};

// SQLite would make the file readable for everybody; its companions (-wal, -shm) inherit the mode.
absl::Status TouchPrivately(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FailedPrecondition("ledger {}: {}", path, std::generic_category().message(errno));
  ::close(fd);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteUsageStore>> SqliteUsageStore::Open(const std::string& path) {
  if (path != ":memory:") PRIVDNN_RETURN_IF_ERROR(TouchPrivately(path));
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  std::unique_ptr<SqliteUsageStore> store(new SqliteUsageStore(database, path));
  if (result != SQLITE_OK) return FailedPrecondition("ledger {}: {}", path, sqlite3_errstr(result));
  PRIVDNN_RETURN_IF_ERROR(store->Initialize());
  return store;
}

absl::StatusOr<std::unique_ptr<Ledger>> OpenSqliteLedger(const std::string& path, const LedgerOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(auto store, SqliteUsageStore::Open(path));
  return std::make_unique<Ledger>(std::move(store), options);
}

SqliteUsageStore::~SqliteUsageStore() { sqlite3_close(database_); }

absl::Status SqliteUsageStore::Initialize() {
  sqlite3_busy_timeout(database_, kBusyMilliseconds);
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t objects, QueryInteger("SELECT count(*) FROM sqlite_schema"));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t application, QueryInteger("PRAGMA application_id"));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t version, QueryInteger("PRAGMA user_version"));
  if (objects != 0 && application != kApplicationId) {
    return FailedPrecondition("{}: a database of another program, not a ledger", path_);
  }
  if (objects != 0 && version != kVersion) {
    return FailedPrecondition("{}: a ledger of version {}, this program knows version {}", path_, version, kVersion);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string mode, QueryText("PRAGMA journal_mode = WAL"));
  if (path_ != ":memory:" && mode != "wal") {
    return FailedPrecondition("ledger {}: SQLite cannot keep a write-ahead log here (journal mode '{}')", path_, mode);
  }
  PRIVDNN_RETURN_IF_ERROR(Execute("PRAGMA synchronous = FULL"));
  const std::string schema = fmt::format(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS usage("
      " package_id TEXT NOT NULL, user TEXT NOT NULL, images INTEGER NOT NULL CHECK(images >= 0),"
      " PRIMARY KEY(package_id, user)) STRICT, WITHOUT ROWID;"
      "PRAGMA application_id = {}; PRAGMA user_version = {};"
      "COMMIT",
      kApplicationId, kVersion);
  return Execute(schema.c_str());
}

absl::Status SqliteUsageStore::SqlError(const char* what) const {
  const std::string text = fmt::format("ledger {}: {}: {}", path_, what, sqlite3_errmsg(database_));
  if (sqlite3_errcode(database_) == SQLITE_NOTADB) return absl::FailedPreconditionError(text);
  return absl::InternalError(text);
}

absl::Status SqliteUsageStore::Execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  const absl::Status status = SqlError("writing");
  if (!sqlite3_get_autocommit(database_)) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  return status;
}

absl::StatusOr<int64_t> SqliteUsageStore::QueryInteger(const char* sql) {
  Statement statement(database_, sql);
  if (statement.Step() != SQLITE_ROW) return SqlError("reading");
  return statement.Integer(0);
}

absl::StatusOr<std::string> SqliteUsageStore::QueryText(const char* sql) {
  Statement statement(database_, sql);
  if (statement.Step() != SQLITE_ROW) return SqlError("reading");
  return statement.Text(0);
}

absl::StatusOr<uint64_t> SqliteUsageStore::ReadRecorded(const UsageAccount& account) {
  Statement statement(database_, "SELECT images FROM usage WHERE package_id = ?1 AND user = ?2");
  statement.BindText(1, account.package_id);
  statement.BindText(2, account.user);
  const int result = statement.Step();
  if (result == SQLITE_DONE) return uint64_t{0};
  if (result != SQLITE_ROW) return SqlError("reading usage");
  return static_cast<uint64_t>(std::max<int64_t>(0, statement.Integer(0)));
}

absl::Status SqliteUsageStore::AddRecorded(const UsageAccount& account, int64_t images) {
  Statement statement(database_,
                      "INSERT INTO usage VALUES(?1, ?2, max(0, ?3))"
                      " ON CONFLICT DO UPDATE SET images = max(0, images + ?3)");
  statement.BindText(1, account.package_id);
  statement.BindText(2, account.user);
  statement.BindInteger(3, images);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : SqlError("writing usage");
}

absl::StatusOr<UsageStore::Addition> SqliteUsageStore::AddInTransaction(const UsageAccount& account, uint64_t least,
                                                                        uint64_t most, uint64_t limit) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t recorded, ReadRecorded(account));
  const uint64_t left = limit > recorded ? limit - recorded : 0;
  if (least > left) return Addition{.recorded = recorded, .added = 0};
  const uint64_t added = std::min(most, left);
  PRIVDNN_RETURN_IF_ERROR(AddRecorded(account, static_cast<int64_t>(added)));
  return Addition{.recorded = recorded + added, .added = added};
}

absl::StatusOr<UsageStore::Addition> SqliteUsageStore::Add(const UsageAccount& account, uint64_t least, uint64_t most,
                                                           uint64_t limit) {
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));  // no other process reads or writes in between
  const auto addition = AddInTransaction(account, least, most, limit);
  if (!addition.ok() || addition->added == 0) {
    PRIVDNN_RETURN_IF_ERROR(Execute("ROLLBACK"));
    return addition;
  }
  PRIVDNN_RETURN_IF_ERROR(Execute("COMMIT"));
  return addition;
}

absl::Status SqliteUsageStore::Subtract(std::span<const UsageEntry> entries) {
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  for (const auto& [account, images] : entries) {
    const absl::Status status = AddRecorded(account, -static_cast<int64_t>(images));
    if (status.ok()) continue;
    (void)Execute("ROLLBACK");
    return status;
  }
  return Execute("COMMIT");
}

absl::StatusOr<uint64_t> SqliteUsageStore::Read(const UsageAccount& account) {
  const std::scoped_lock lock(mutex_);
  return ReadRecorded(account);
}

absl::StatusOr<std::vector<UsageEntry>> SqliteUsageStore::Entries() {
  const std::scoped_lock lock(mutex_);
  Statement statement(database_, "SELECT package_id, user, images FROM usage ORDER BY package_id, user");
  std::vector<UsageEntry> entries;
  int result = SQLITE_ROW;
  while ((result = statement.Step()) == SQLITE_ROW) {
    entries.push_back({{statement.Text(0), statement.Text(1)}, static_cast<uint64_t>(statement.Integer(2))});
  }
  if (result != SQLITE_DONE) return SqlError("reading usage");
  return entries;
}

}  // namespace privdnn
