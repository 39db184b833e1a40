#include "privdnn/service/ledger.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

namespace privdnn {
namespace {

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x5044'4e4c;  // "PDNL"
constexpr int kBusyMilliseconds = 5000;
constexpr uint64_t kMaxBudget = std::numeric_limits<int64_t>::max();  // SQLite's integers are signed

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

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path, const LedgerOptions& options) {
  if (path != ":memory:") PRIVDNN_RETURN_IF_ERROR(TouchPrivately(path));
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  std::unique_ptr<Ledger> ledger(new Ledger(database, path, options));
  if (result != SQLITE_OK) return FailedPrecondition("ledger {}: {}", path, sqlite3_errstr(result));
  const absl::Status ready = ledger->Initialize();
  if (!ready.ok()) return ready;
  return ledger;
}

Ledger::~Ledger() { (void)Close(); }

absl::Status Ledger::Initialize() {
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

absl::Status Ledger::SqlError(const char* what) const {
  const std::string text = fmt::format("ledger {}: {}: {}", path_, what, sqlite3_errmsg(database_));
  if (sqlite3_errcode(database_) == SQLITE_NOTADB) return absl::FailedPreconditionError(text);
  return absl::InternalError(text);
}

absl::Status Ledger::CheckOpen() const {
  if (database_) return absl::OkStatus();
  return FailedPrecondition("ledger {}: is closed", path_);
}

absl::Status Ledger::Execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  const absl::Status status = SqlError("writing");
  if (!sqlite3_get_autocommit(database_)) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  return status;
}

absl::StatusOr<int64_t> Ledger::QueryInteger(const char* sql) {
  Statement statement(database_, sql);
  if (statement.Step() != SQLITE_ROW) return SqlError("reading");
  return statement.Integer(0);
}

absl::StatusOr<std::string> Ledger::QueryText(const char* sql) {
  Statement statement(database_, sql);
  if (statement.Step() != SQLITE_ROW) return SqlError("reading");
  return statement.Text(0);
}

absl::StatusOr<uint64_t> Ledger::ReadRecorded(const Account& account) {
  Statement statement(database_, "SELECT images FROM usage WHERE package_id = ?1 AND user = ?2");
  statement.BindText(1, account.first);
  statement.BindText(2, account.second);
  const int result = statement.Step();
  if (result == SQLITE_DONE) return uint64_t{0};
  if (result != SQLITE_ROW) return SqlError("reading usage");
  return static_cast<uint64_t>(std::max<int64_t>(0, statement.Integer(0)));
}

absl::Status Ledger::AddRecorded(const Account& account, int64_t images) {
  Statement statement(database_,
                      "INSERT INTO usage VALUES(?1, ?2, max(0, ?3))"
                      " ON CONFLICT DO UPDATE SET images = max(0, images + ?3)");
  statement.BindText(1, account.first);
  statement.BindText(2, account.second);
  statement.BindInteger(3, images);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : SqlError("writing usage");
}

absl::StatusOr<uint64_t> Ledger::Charge(const std::string& package_id, const std::string& user, uint64_t images,
                                        uint64_t budget) {
  if (images == 0) return InvalidArgument("a charge of 0 images");
  budget = std::min(budget, kMaxBudget);
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  const Account account(package_id, user);
  State& state = reserved_[account];
  if (state.unspent < images) PRIVDNN_RETURN_IF_ERROR(Reserve(account, state, images, budget));
  state.unspent -= images;
  const uint64_t used = state.recorded - std::min(state.unspent, state.recorded);
  return budget > used ? budget - used : 0;
}

absl::Status Ledger::Reserve(const Account& account, State& state, uint64_t images, uint64_t budget) {
  PRIVDNN_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));  // no other process reads or writes in between
  State next = state;
  const absl::Status refused = ReserveInTransaction(account, next, images, budget);
  if (!refused.ok()) {
    PRIVDNN_RETURN_IF_ERROR(Execute("ROLLBACK"));
    return refused;
  }
  PRIVDNN_RETURN_IF_ERROR(Execute("COMMIT"));
  state = next;
  return absl::OkStatus();
}

absl::Status Ledger::ReserveInTransaction(const Account& account, State& state, uint64_t images, uint64_t budget) {
  PRIVDNN_ASSIGN_OR_RETURN(state.recorded, ReadRecorded(account));
  const uint64_t missing = images - state.unspent;
  const uint64_t left = budget > state.recorded ? budget - state.recorded : 0;
  if (missing > left) {
    const uint64_t used = state.recorded - std::min(state.unspent, state.recorded);
    return ResourceExhausted("{} of the {} images allowed are used, {} more would exceed that", used, budget, images);
  }
  const uint64_t ahead = std::min(options_.reserve_images, budget / 100);
  const uint64_t reserve = std::min(std::max(missing, ahead), left);
  PRIVDNN_RETURN_IF_ERROR(AddRecorded(account, static_cast<int64_t>(reserve)));
  state.recorded += reserve;
  state.unspent += reserve;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Ledger::Used(const std::string& package_id, const std::string& user) {
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  const Account account(package_id, user);
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t recorded, ReadRecorded(account));
  const auto found = reserved_.find(account);
  const uint64_t unspent = found == reserved_.end() ? 0 : found->second.unspent;
  return recorded - std::min(unspent, recorded);
}

absl::StatusOr<std::vector<LedgerEntry>> Ledger::Entries() {
  const std::scoped_lock lock(mutex_);
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  Statement statement(database_, "SELECT package_id, user, images FROM usage ORDER BY package_id, user");
  std::vector<LedgerEntry> entries;
  int result = SQLITE_ROW;
  while ((result = statement.Step()) == SQLITE_ROW) {
    entries.push_back({statement.Text(0), statement.Text(1), static_cast<uint64_t>(statement.Integer(2))});
  }
  if (result != SQLITE_DONE) return SqlError("reading usage");
  return entries;
}

absl::Status Ledger::ReturnUnspent() {
  PRIVDNN_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  for (const auto& [account, state] : reserved_) {
    if (state.unspent == 0) continue;
    const absl::Status status = AddRecorded(account, -static_cast<int64_t>(state.unspent));
    if (status.ok()) continue;
    (void)Execute("ROLLBACK");
    return status;
  }
  PRIVDNN_RETURN_IF_ERROR(Execute("COMMIT"));
  reserved_.clear();
  return absl::OkStatus();
}

absl::Status Ledger::Close() {
  const std::scoped_lock lock(mutex_);
  if (!database_) return absl::OkStatus();
  const absl::Status returned = ReturnUnspent();
  sqlite3_close(database_);
  database_ = nullptr;
  return returned;
}

}  // namespace privdnn
