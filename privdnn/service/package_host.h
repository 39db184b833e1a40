// Decides who may ask what, and has it answered: the server without its transport.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"
#include "privdnn/service/ledger.h"
#include "privdnn/service/server.h"

namespace privdnn {

// Enough of a package's id for a log line or a message.
inline std::string ShortPackageId(const std::string& id) { return id.substr(0, 12); }

// All that a user hears of failures that are the owner's own.
inline constexpr char kNoAnswer[] = "the owner could not answer the query";

struct Answered {
  Bytes reply;
  QuerySize size;
  uint64_t compute_ns = 0;
  uint64_t images_remaining = 0;
};

// What a user is told of a package.
struct OfferedPackage {
  std::string id;
  uint64_t image_budget = 0;
  uint64_t images_remaining = 0;  // of the segment of which the least is left
  double output_noise = 0;
};

// Thread-safe. Its errors may be shown to users; details that are not their business go to the log.
class PackageHost {
 public:
  // Uses packages, limits and ledger of `options`. InvalidArgument for bad ids, missing functions, no ledger
  // and limits that are out of range.
  static absl::StatusOr<std::unique_ptr<PackageHost>> Create(const ServerOptions& options,
                                                             std::shared_ptr<spdlog::logger> logger);

  // InvalidArgument if `id` is not an id, NotFound if it is not hosted, PermissionDenied if it is for another user.
  absl::StatusOr<const HostedPackage*> Find(const std::string& id, const std::string& user) const;
  // Checks the query against the limits, charges the user's budget, then answers. What was charged stays charged
  // whatever happens then. InvalidArgument, ResourceExhausted or Internal.
  absl::StatusOr<Answered> Answer(const HostedPackage& package, const std::string& user,
                                  std::span<const uint8_t> query);
  // The packages that are for `user`, by id.
  absl::StatusOr<std::vector<OfferedPackage>> Offers(const std::string& user);
  absl::Status Close() { return ledger_->Close(); }

  uint64_t max_message_bytes() const { return max_message_bytes_; }
  uint64_t max_images_per_message() const { return max_images_per_message_; }

 private:
  PackageHost() = default;
  absl::Status AddPackage(const HostedPackage& package);
  absl::StatusOr<QuerySize> Peek(const HostedPackage& package, std::span<const uint8_t> query) const;
  absl::StatusOr<Bytes> Compute(const HostedPackage& package, std::span<const uint8_t> query) const;
  // Passes on InvalidArgument, the user's own mistake; logs everything else and returns `instead` as an Internal error.
  absl::Status Conceal(const absl::Status& status, const HostedPackage& package, const char* instead) const;

  std::map<std::string, HostedPackage> packages_;
  uint64_t max_message_bytes_ = 0;
  uint64_t max_images_per_message_ = 0;
  std::shared_ptr<Ledger> ledger_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace privdnn
