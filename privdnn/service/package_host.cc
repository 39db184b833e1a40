#include "privdnn/service/package_host.h"

#include <algorithm>

#include "privdnn/service/transport.h"

namespace privdnn {
namespace {

bool IsPackageId(const std::string& id) {
  return id.size() == 64 &&
         std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsFor(const PackageInfo& package, const std::string& user) { return package.user.empty() || package.user == user; }

}  // namespace

absl::StatusOr<std::unique_ptr<PackageHost>> PackageHost::Create(const ServerOptions& options,
                                                                 std::shared_ptr<spdlog::logger> logger) {
  if (options.max_message_bytes < 1 || options.max_message_bytes > kLargestMessageBytes) {
    return InvalidArgument("max_message_bytes is {}, must be 1 to {}", options.max_message_bytes, kLargestMessageBytes);
  }
  if (options.max_images_per_message < 1) return InvalidArgument("max_images_per_message is 0, must be at least 1");
  if (!options.ledger) return InvalidArgument("ledger: there is none");
  std::unique_ptr<PackageHost> host(new PackageHost());
  host->ledger_ = options.ledger;
  host->logger_ = std::move(logger);
  host->limits_ = {.max_message_bytes = options.max_message_bytes,
                   .max_images_per_message = options.max_images_per_message};
  for (const auto& package : options.packages) PRIVDNN_RETURN_IF_ERROR(host->AddPackage(package));
  return host;
}

absl::Status PackageHost::AddPackage(std::shared_ptr<const HostedPackage> package) {
  if (!package) return InvalidArgument("package {}: there is none", packages_.size());
  const std::string& id = package->info().id;
  if (!IsPackageId(id)) return InvalidArgument("package '{}': an id has 64 lower-case hexadecimal digits", id);
  if (packages_.contains(id)) return InvalidArgument("package {}: hosted twice", id);
  packages_.emplace(id, std::move(package));
  return absl::OkStatus();
}

absl::StatusOr<const HostedPackage*> PackageHost::Find(const std::string& id, const std::string& user) const {
  if (!IsPackageId(id)) return InvalidArgument("a package id has 64 lower-case hexadecimal digits");
  const auto found = packages_.find(id);
  if (found == packages_.end()) return NotFound("package {} is not hosted here", ShortPackageId(id));
  if (!IsFor(found->second->info(), user)) {
    return absl::PermissionDeniedError(fmt::format("package {} is for another user", ShortPackageId(id)));
  }
  return found->second.get();
}

absl::StatusOr<std::unique_ptr<HostedSession>> PackageHost::Open(const std::string& id, const std::string& user) {
  PRIVDNN_ASSIGN_OR_RETURN(const HostedPackage* package, Find(id, user));
  auto session = package->OpenSession();
  if (!session.ok()) return Conceal(session.status(), id, *logger_, "the owner could not open a session");
  return std::make_unique<HostedSession>(package->info(), user, *std::move(session), limits_, *ledger_, *logger_);
}

absl::StatusOr<std::vector<OfferedPackage>> PackageHost::Offers(const std::string& user) {
  std::vector<OfferedPackage> offers;
  for (const auto& [id, hosted] : packages_) {
    const PackageInfo& package = hosted->info();
    if (!IsFor(package, user)) continue;
    uint64_t most = 0;
    for (uint64_t segment = 0; segment < package.segments; ++segment) {
      const auto used = ledger_->Used(BudgetAccount(package, segment), user);
      if (!used.ok()) return Conceal(used.status(), id, *logger_, "the owner could not read the budgets");
      most = std::max(most, *used);
    }
    const uint64_t remaining = package.image_budget - std::min(most, package.image_budget);
    offers.push_back({id, package.image_budget, remaining, package.output_noise});
  }
  return offers;
}

}  // namespace privdnn
