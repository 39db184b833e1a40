// Decides which user may have sessions with which package. The server without its transport.
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

// What a user learns about a package.
struct OfferedPackage {
  std::string id;
  uint64_t image_budget = 0;
  uint64_t images_remaining = 0;  // the least over the segments
  double output_noise = 0;
};

// Thread-safe. Its errors may be shown to users; internal details go to the log.
class PackageHost {
 public:
  // Uses the packages, limits and ledger of `options`. Fails with InvalidArgument for bad ids, a missing package or
  // ledger, and limits out of range.
  static absl::StatusOr<std::unique_ptr<PackageHost>> Create(const ServerOptions& options,
                                                             std::shared_ptr<spdlog::logger> logger);

  // Opens a session; the host must outlive it. Fails with InvalidArgument if `id` is not an id, with NotFound if the
  // package is not hosted, with PermissionDenied if it is for another user, and with Internal if the package cannot
  // open a session.
  absl::StatusOr<std::unique_ptr<HostedSession>> Open(const std::string& id, const std::string& user);
  // Returns the packages for `user`, sorted by id.
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
