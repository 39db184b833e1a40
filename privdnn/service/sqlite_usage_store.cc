#include "privdnn/service/sqlite_usage_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <sstream>
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

// Files in /proc have no size. Empty if there is none.
std::string ReadProcFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Names a process for all time: its number, when it was started, and in which run of the machine. Empty if there is no
// such process.
std::string ProcessName(const std::string& pid) {
  const std::string stat = ReadProcFile("/proc/" + pid + "/stat");
  const size_t name_end = stat.rfind(')');  // a program's name may hold anything
  if (name_end == std::string::npos) return "";
  std::istringstream fields(stat.substr(name_end + 1));
  constexpr int kStartTime = 20;  // fields behind the name
  std::string started;
  for (int i = 0; i < kStartTime; ++i) fields >> started;
  std::string boot = ReadProcFile("/proc/sys/kernel/random/boot_id");
  boot.erase(boot.find_last_not_of('\n') + 1);
  return fmt::format("{} {} {}", pid, started, boot);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteUsageStore>> SqliteUsageStore::Open(const std::string& path) {
  if (path != ":memory:") PRIVDNN_RETURN_IF_ERROR(TouchPrivately(path));
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  std::unique_ptr<SqliteUsageStore> store(
      new SqliteUsageStore(database, path, ProcessName(std::to_string(::getpid()))));
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
      "CREATE TABLE IF NOT EXISTS reserved("
      " holder TEXT NOT NULL, package_id TEXT NOT NULL, user TEXT NOT NULL, images INTEGER NOT NULL,"
      " PRIMARY KEY(holder, package_id, user)) STRICT, WITHOUT ROWID;"
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

absl::Status SqliteUsageStore::Reserve(const UsageAccount& account, int64_t images) {
  Statement statement(database_, images > 0
                                     ? "INSERT INTO reserved VALUES(?1, ?2, ?3, ?4)"
                                       " ON CONFLICT DO UPDATE SET images = ?4"
                                     : "DELETE FROM reserved WHERE holder = ?1 AND package_id = ?2 AND user = ?3");
  statement.BindText(1, holder_);
  statement.BindText(2, account.package_id);
  statement.BindText(3, account.user);
  if (images > 0) statement.BindInteger(4, images);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : SqlError("writing a reservation");
}

absl::StatusOr<std::vector<std::string>> SqliteUsageStore::EndedHolders() {
  Statement statement(database_, "SELECT DISTINCT holder FROM reserved");
  std::vector<std::string> ended;
  int result = SQLITE_ROW;
  while ((result = statement.Step()) == SQLITE_ROW) {
    const std::string holder = statement.Text(0);
    if (ProcessName(holder.substr(0, holder.find(' '))) != holder) ended.push_back(holder);
  }
  if (result != SQLITE_DONE) return SqlError("reading reservations");
  return ended;
}

absl::StatusOr<std::vector<UsageEntry>> SqliteUsageStore::TakeLostInTransaction() {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<std::string> ended, EndedHolders());
  std::map<UsageAccount, uint64_t> lost;
  for (const std::string& holder : ended) {
    Statement rows(database_, "DELETE FROM reserved WHERE holder = ?1 RETURNING package_id, user, images");
    rows.BindText(1, holder);
    int result = SQLITE_ROW;
    while ((result = rows.Step()) == SQLITE_ROW) {
      lost[{rows.Text(0), rows.Text(1)}] += static_cast<uint64_t>(std::max<int64_t>(0, rows.Integer(2)));
    }
    if (result != SQLITE_DONE) return SqlError("reading reservations");
  }
  std::vector<UsageEntry> entries;
  for (const auto& [account, images] : lost) entries.push_back({account, images});
  return entries;
}

absl::StatusOr<UsageStore::Addition> SqliteUsageStore::AddInTransaction(const UsageAccount& account, uint64_t least,
                                                                        uint64_t most, uint64_t limit) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t recorded, ReadRecorded(account));
  const uint64_t left = limit > recorded ? limit - recorded : 0;
  if (least > left) return Addition{.recorded = recorded, .added = 0};
  const uint64_t added = std::min(most, left);
  PRIVDNN_RETURN_IF_ERROR(AddRecorded(account, static_cast<int64_t>(added)));
  PRIVDNN_RETURN_IF_ERROR(Reserve(account, static_cast<int64_t>(added - least)));
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
    absl::Status status = AddRecorded(account, -static_cast<int64_t>(images));
    if (status.ok()) status = Reserve(account, 0);
    if (status.ok()) continue;
    (void)Execute("ROLLBACK");
    return status;
  }
  return Execute("COMMIT");
}

absl::StatusOr<std::vector<UsageEntry>> SqliteUsageStore::TakeLost() {
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  auto lost = TakeLostInTransaction();
  PRIVDNN_RETURN_IF_ERROR(Execute(lost.ok() ? "COMMIT" : "ROLLBACK"));
  return lost;
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
