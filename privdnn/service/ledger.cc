#include "privdnn/service/ledger.h"

#include <algorithm>
#include <limits>

namespace privdnn {
namespace {

constexpr uint64_t kMaxBudget = std::numeric_limits<int64_t>::max();  // databases' integers are signed

}  // namespace

Ledger::~Ledger() { (void)Close(); }

absl::Status Ledger::CheckOpen() const {
  if (!closed_) return absl::OkStatus();
  return FailedPrecondition("the ledger is closed");
}

Ledger::Account& Ledger::AccountOf(const UsageAccount& key) {
  const std::scoped_lock lock(mutex_);
  return accounts_[key];
}

absl::StatusOr<uint64_t> Ledger::Charge(const std::string& package_id, const std::string& user, uint64_t images,
                                        uint64_t budget) {
  if (images == 0) return InvalidArgument("a charge of 0 images");
  budget = std::min(budget, kMaxBudget);
  const UsageAccount key{package_id, user};
  Account& account = AccountOf(key);
  const std::scoped_lock lock(account.mutex);
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  if (account.unspent < images) PRIVDNN_RETURN_IF_ERROR(Reserve(key, account, images, budget));
  account.unspent -= images;
  account.spent = std::min(options_.reserve_images, account.spent + std::min(images, options_.reserve_images));
  const uint64_t used = account.recorded - std::min(account.unspent, account.recorded);
  return budget > used ? budget - used : 0;
}

absl::Status Ledger::Reserve(const UsageAccount& key, Account& account, uint64_t images, uint64_t budget) {
  const uint64_t missing = images - account.unspent;
  const uint64_t ahead = std::min(account.spent, budget / 100);
  PRIVDNN_ASSIGN_OR_RETURN(const auto addition, store_->Add(key, missing, std::max(missing, ahead), budget));
  if (addition.added == 0) {
    const uint64_t used = addition.recorded - std::min(account.unspent, addition.recorded);
    return ResourceExhausted("{} of the {} images allowed are used, {} more would exceed that", used, budget, images);
  }
  account.recorded = addition.recorded;
  account.unspent += addition.added;
  account.reserved = addition.added > missing;
  return absl::OkStatus();
}

void Ledger::GiveBack(const std::string& package_id, const std::string& user, uint64_t images) {
  Account& account = AccountOf({package_id, user});
  const std::scoped_lock lock(account.mutex);
  account.unspent += images;
}

void Ledger::Enter(const std::string& package_id, const std::string& user) {
  Account& account = AccountOf({package_id, user});
  const std::scoped_lock lock(account.mutex);
  ++account.sessions;
}

void Ledger::Leave(const std::string& package_id, const std::string& user) {
  const UsageAccount key{package_id, user};
  Account& account = AccountOf(key);
  const std::scoped_lock lock(account.mutex);
  if (--account.sessions > 0) return;
  account.spent = 0;
  if ((account.unspent == 0 && !account.reserved) || closed_) return;
  const UsageEntry unspent{key, account.unspent};
  if (!store_->Subtract(std::span(&unspent, 1)).ok()) return;
  account.recorded -= std::min(account.unspent, account.recorded);
  account.unspent = 0;
  account.reserved = false;
}

absl::StatusOr<std::vector<UsageEntry>> Ledger::TakeLost() {
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  return store_->TakeLost();
}

absl::StatusOr<uint64_t> Ledger::Used(const std::string& package_id, const std::string& user) {
  const UsageAccount key{package_id, user};
  Account& account = AccountOf(key);
  const std::scoped_lock lock(account.mutex);
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t recorded, store_->Read(key));
  return recorded - std::min(account.unspent, recorded);
}

absl::StatusOr<std::vector<UsageEntry>> Ledger::Entries() {
  PRIVDNN_RETURN_IF_ERROR(CheckOpen());
  return store_->Entries();
}

absl::Status Ledger::Close() {
  const std::scoped_lock lock(mutex_);
  if (closed_.exchange(true)) return absl::OkStatus();
  std::vector<UsageEntry> unspent;
  for (auto& [key, account] : accounts_) {
    const std::scoped_lock account_lock(account.mutex);  // the last charge of it is done, others find the ledger closed
    if (account.unspent > 0 || account.reserved) unspent.push_back({key, account.unspent});
    account.unspent = 0;
  }
  return store_->Subtract(unspent);
}

}  // namespace privdnn
