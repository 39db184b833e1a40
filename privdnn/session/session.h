// Packages that an owner's server hosts, and their sessions with users. A session is a state machine on bytes. It knows
// no network, user or ledger. The parties implement sessions; the service carries their bytes without knowing what they
// mean.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"

namespace privdnn {

// Images charged to the budget of one segment. Each segment of a package has its own budget.
struct Charge {
  uint64_t segment = 0;
  uint64_t images = 0;
};

// The effect of a message on the user's budget. It is applied, in this order, before Session::Step handles the message.
struct BudgetEvents {
  // The message begins an inference and takes its images out of the budget. They are given back if the session ends
  // before they are committed.
  std::optional<Charge> reserve;
  // The step sends the user an answer or part of one. Everything reserved is then used up, even if the step fails.
  bool commit = false;
};

// One user's conversation: a sequence of messages, each with a reply. Only one thread at a time uses it, but not always
// the same one. Its package must outlive it.
class Session {
 public:
  virtual ~Session() = default;
  // Returns the next message's effect on the budget, judged by its header alone. Fails with InvalidArgument for
  // malformed bytes. Must be cheap: the budget is checked after this and before any work.
  virtual absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const = 0;
  // Handles the next message and returns the reply. Peek must have been called for the message. After an error the
  // session is over. The text of an InvalidArgument error reaches the user; that of any other error reaches only the
  // owner's log.
  virtual absl::StatusOr<Bytes> Step(std::span<const uint8_t> message) = 0;
};

// What the service must know about a package.
struct PackageInfo {
  std::string id;             // 64 lower-case hex digits: the SHA-256 that identifies the package
  std::string user;           // the only user who sees the package and has sessions; empty: every user
  uint64_t segments = 1;      // at least 1
  uint64_t image_budget = 0;  // most images ever answered for one user, for each segment (0 = none left)
  double output_noise = 0;    // standard deviation of errors in replies, as told to the user; 0: exact
};

// A package that the owner answers for. Holds what all its sessions share. Const and thread-safe.
class HostedPackage {
 public:
  explicit HostedPackage(PackageInfo info) : info_(std::move(info)) {}
  HostedPackage(const HostedPackage&) = delete;
  HostedPackage& operator=(const HostedPackage&) = delete;
  virtual ~HostedPackage() = default;

  const PackageInfo& info() const { return info_; }
  // Opens a session. Errors reach the user and the log as those of Session::Step do.
  virtual absl::StatusOr<std::unique_ptr<Session>> OpenSession() const = 0;

 private:
  const PackageInfo info_;
};

}  // namespace privdnn
