#include "privdnn/owner/usage_report.h"

#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "privdnn/owner/owner_server.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {
namespace {

// A ledger's name for a package, "id", or for a segment of one that has several, "id/segment".
std::pair<std::string, uint64_t> ParseAccount(const std::string& name) {
  const size_t slash = name.find('/');
  uint64_t segment = 0;
  if (slash != std::string::npos) std::from_chars(name.data() + slash + 1, name.data() + name.size(), segment);
  return {name.substr(0, slash), segment};
}

}  // namespace

absl::StatusOr<std::vector<AccountUsage>> ReadUsage(const std::filesystem::path& ledger,
                                                    const std::vector<std::filesystem::path>& keys) {
  std::error_code ignored;
  // Opening would make one.
  if (!std::filesystem::exists(ledger, ignored)) return NotFound("{}: there is no such ledger", ledger.string());
  using Account = std::tuple<std::string, std::string, uint64_t>;  // package, user, segment
  std::map<Account, uint64_t> used;
  std::map<std::string, uint64_t> budgets;
  for (const std::filesystem::path& path : keys) {
    PRIVDNN_ASSIGN_OR_RETURN(const OwnerKey key, OwnerKey::Open(path));
    const std::string id = HexEncode(key.package_id());
    budgets[id] = key.image_budget();
    for (uint64_t segment = 0; segment < key.segments().size(); ++segment) used[{id, key.user(), segment}] = 0;
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto store, SqliteUsageStore::Open(ledger.string()));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<UsageEntry> entries, store->Entries());
  for (const UsageEntry& entry : entries) {
    const auto [id, segment] = ParseAccount(entry.account.package_id);
    used[{id, entry.account.user, segment}] = entry.images;
  }
  std::vector<AccountUsage> usages;
  for (const auto& [account, images] : used) {
    const auto& [id, user, segment] = account;
    AccountUsage& usage = usages.emplace_back(AccountUsage{id, user, segment, images});
    if (const auto budget = budgets.find(id); budget != budgets.end()) usage.budget = budget->second;
  }
  return usages;
}

}  // namespace privdnn
