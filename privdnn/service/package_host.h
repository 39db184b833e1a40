// Decides who may have sessions with what: the server without its transport.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/service/hosted_session.h"
#include "privdnn/service/server.h"

namespace privdnn {

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
  // Uses packages, limits and ledger of `options`. InvalidArgument for bad ids, a package or ledger that is
  // missing, and limits that are out of range.
  static absl::StatusOr<std::unique_ptr<PackageHost>> Create(const ServerOptions& options,
                                                             std::shared_ptr<spdlog::logger> logger);

  // A session, which the host outlives. InvalidArgument if `id` is not an id, NotFound if it is not hosted,
  // PermissionDenied if it is for another user, Internal if the package cannot open one.
  absl::StatusOr<std::unique_ptr<HostedSession>> Open(const std::string& id, const std::string& user);
  // The packages that are for `user`, by id.
  absl::StatusOr<std::vector<OfferedPackage>> Offers(const std::string& user);
  absl::Status Close() { return ledger_->Close(); }

  const SessionLimits& limits() const { return limits_; }

 private:
  PackageHost() = default;
  absl::Status AddPackage(std::shared_ptr<const HostedPackage> package);
  absl::StatusOr<const HostedPackage*> Find(const std::string& id, const std::string& user) const;

  std::map<std::string, std::shared_ptr<const HostedPackage>> packages_;
  SessionLimits limits_;
  std::shared_ptr<Ledger> ledger_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace privdnn
