// One user's session with a hosted package. Keeps the session within the user's budget and the server's limits. Part of
// the server without its transport.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"
#include "privdnn/service/ledger.h"
#include "privdnn/session/session.h"

namespace privdnn {

// Shortens a package's id for a log line or a message.
inline std::string ShortPackageId(const std::string& id) { return id.substr(0, 12); }

// The only text that a user sees of the owner's internal failures.
inline constexpr char kNoAnswer[] = "the owner could not answer the query";

// Passes on InvalidArgument, which is the user's mistake. Logs every other error and returns `instead` as an Internal
// error.
absl::Status Conceal(const absl::Status& status, const std::string& package_id, spdlog::logger& logger,
                     const char* instead);

// Returns the ledger's name for the budget of a package's segment.
std::string BudgetAccount(const PackageInfo& package, uint64_t segment);

struct SessionLimits {
  uint64_t max_message_bytes = 0;  // for a message and for a reply
  uint64_t max_images_per_message = 0;
};

struct Answered {
  Bytes reply;
  std::vector<Charge> committed;  // by this message
  uint64_t compute_ns = 0;
  uint64_t images_remaining = 0;  // in the segment that was reserved from last
};

// Used by one thread at a time. Its errors may be shown to users; internal details go to the log.
class HostedSession {
 public:
  // The package, ledger and logger must outlive the session.
  HostedSession(const PackageInfo& package, std::string user, std::unique_ptr<Session> session,
                const SessionLimits& limits, Ledger& ledger, spdlog::logger& logger)
      : package_(package),
        user_(std::move(user)),
        session_(std::move(session)),
        limits_(limits),
        ledger_(ledger),
        logger_(logger) {
    for (uint64_t k = 0; k < package_.segments; ++k) ledger_.Enter(BudgetAccount(package_, k), user_);
  }
  HostedSession(const HostedSession&) = delete;
  HostedSession& operator=(const HostedSession&) = delete;
  // Gives back images that are reserved but not committed, and leaves the ledger.
  ~HostedSession();

  const PackageInfo& package() const { return package_; }
  // Checks the message against the limits, reserves and commits the images that the session asks for, then lets the
  // session answer. Commits nothing if `gone` is set by then, since the ledger may have kept the user waiting. Fails
  // with InvalidArgument, ResourceExhausted, Cancelled or Internal. After an error the session is over.
  absl::StatusOr<Answered> Answer(std::span<const uint8_t> message, const std::atomic<bool>& gone);

 private:
  absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const;
  absl::Status Reserve(const Charge& charge);
  absl::StatusOr<Bytes> Step(std::span<const uint8_t> message);

  const PackageInfo& package_;
  const std::string user_;
  const std::unique_ptr<Session> session_;
  const SessionLimits limits_;
  Ledger& ledger_;
  spdlog::logger& logger_;
  std::vector<Charge> reserved_;
  uint64_t images_remaining_ = 0;
};

}  // namespace privdnn
