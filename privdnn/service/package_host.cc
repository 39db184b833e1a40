#include "privdnn/service/package_host.h"

#include <algorithm>
#include <chrono>

#include "privdnn/service/transport.h"

namespace privdnn {
namespace {

bool IsPackageId(const std::string& id) {
  return id.size() == 64 &&
         std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsFor(const HostedPackage& package, const std::string& user) {
  return package.user.empty() || package.user == user;
}

// What the ledger calls a segment's budget.
std::string Account(const HostedPackage& package, uint64_t segment) {
  return package.segments == 1 ? package.id : fmt::format("{}/{}", package.id, segment);
}

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
  host->max_message_bytes_ = options.max_message_bytes;
  host->max_images_per_message_ = options.max_images_per_message;
  for (const auto& package : options.packages) PRIVDNN_RETURN_IF_ERROR(host->AddPackage(package));
  return host;
}

absl::Status PackageHost::AddPackage(const HostedPackage& package) {
  if (!IsPackageId(package.id)) {
    return InvalidArgument("package '{}': an id has 64 lower-case hexadecimal digits", package.id);
  }
  if (!package.peek || !package.answer) return InvalidArgument("package {}: lacks a function", package.id);
  if (!packages_.emplace(package.id, package).second) return InvalidArgument("package {}: hosted twice", package.id);
  return absl::OkStatus();
}

absl::StatusOr<const HostedPackage*> PackageHost::Find(const std::string& id, const std::string& user) const {
  if (!IsPackageId(id)) return InvalidArgument("a package id has 64 lower-case hexadecimal digits");
  const auto found = packages_.find(id);
  if (found == packages_.end()) return NotFound("package {} is not hosted here", ShortPackageId(id));
  const HostedPackage& package = found->second;
  if (!IsFor(package, user)) {
    return absl::PermissionDeniedError(fmt::format("package {} is for another user", ShortPackageId(id)));
  }
  return &package;
}

absl::Status PackageHost::Conceal(const absl::Status& status, const HostedPackage& package, const char* instead) const {
  if (status.code() == absl::StatusCode::kInvalidArgument) return status;
  logger_->error("package={}: {}: {}", ShortPackageId(package.id), instead, status.ToString());
  return absl::InternalError(instead);
}

absl::StatusOr<QuerySize> PackageHost::Peek(const HostedPackage& package, std::span<const uint8_t> query) const {
  if (query.size() > max_message_bytes_) {
    return ResourceExhausted("the query has {} bytes, at most {} are allowed", query.size(), max_message_bytes_);
  }
  const auto size = package.peek(query);
  if (!size.ok()) return Conceal(size.status(), package, "the owner could not read the query");
  if (size->images < 1 || size->images > max_images_per_message_) {
    return InvalidArgument("the query has {} images, must be 1 to {}", size->images, max_images_per_message_);
  }
  if (size->segment >= package.segments) {
    return InvalidArgument("the query is for segment {}, the package has {}", size->segment, package.segments);
  }
  return *size;
}

absl::StatusOr<Bytes> PackageHost::Compute(const HostedPackage& package, std::span<const uint8_t> query) const {
  PRIVDNN_ASSIGN_OR_RETURN(Bytes reply, package.answer(query));
  if (reply.size() <= max_message_bytes_) return reply;
  return FailedPrecondition("the reply has {} bytes, more than the {} allowed", reply.size(), max_message_bytes_);
}

absl::StatusOr<Answered> PackageHost::Answer(const HostedPackage& package, const std::string& user,
                                             std::span<const uint8_t> query) {
  Answered answered;
  PRIVDNN_ASSIGN_OR_RETURN(answered.size, Peek(package, query));
  const auto [segment, images] = answered.size;
  const auto remaining = ledger_->Charge(Account(package, segment), user, images, package.image_budget);
  if (absl::IsResourceExhausted(remaining.status())) return remaining.status();
  if (!remaining.ok()) return Conceal(remaining.status(), package, "the owner could not record the query");
  answered.images_remaining = *remaining;

  const auto start = std::chrono::steady_clock::now();
  auto reply = Compute(package, query);
  answered.compute_ns = static_cast<uint64_t>((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1));
  if (!reply.ok()) return Conceal(reply.status(), package, kNoAnswer);
  answered.reply = *std::move(reply);
  return answered;
}

absl::StatusOr<std::vector<OfferedPackage>> PackageHost::Offers(const std::string& user) {
  std::vector<OfferedPackage> offers;
  for (const auto& [id, package] : packages_) {
    if (!IsFor(package, user)) continue;
    uint64_t most = 0;
    for (uint64_t segment = 0; segment < package.segments; ++segment) {
      const auto used = ledger_->Used(Account(package, segment), user);
      if (!used.ok()) return Conceal(used.status(), package, "the owner could not read the budgets");
      most = std::max(most, *used);
    }
    const uint64_t remaining = package.image_budget - std::min(most, package.image_budget);
    offers.push_back({id, package.image_budget, remaining, package.output_noise});
  }
  return offers;
}

}  // namespace privdnn
