// What an owner's server hosts: packages that open sessions with users. A session is a state machine on bytes. It knows
// no network, no user and no ledger, so that the parties implement it and the service, which knows nothing of what the
// bytes mean, carries it.
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

// Images out of the budget of one segment. Each segment of a package has a budget of its own.
struct Charge {
  uint64_t segment = 0;
  uint64_t images = 0;
};

// What a message does to the user's budget. It is done, in this order, before the message's step is taken.
struct BudgetEvents {
  // The message begins an inference, whose images are taken out of the budget. They are given back when the session
  // ends before they are committed.
  std::optional<Charge> reserve;
  // The step tells the user an answer or a part of it: everything reserved is used up, whatever becomes of the step.
  bool commit = false;
};

// One user's conversation: a sequence of messages, each with a reply. Used by one thread at a time, not always the same
// one. Its package outlives it.
class Session {
 public:
  virtual ~Session() = default;
  // What the next message does to the budget, judged by its header alone. InvalidArgument for malformed bytes. Cheap:
  // the budget is looked at after this, and before any work is done.
  virtual absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const = 0;
  // Takes the next message, which has been peeked at, and returns the reply. After an error the session is over. The
  // message of an InvalidArgument error reaches the user, those of all others only the owner's log.
  virtual absl::StatusOr<Bytes> Step(std::span<const uint8_t> message) = 0;
};

// What the service has to know of a package.
struct PackageInfo {
  std::string id;             // 64 lower-case hex digits: SHA-256 that names the encrypted-model package
  std::string user;           // the only one who has sessions and is told of the package; empty: every user
  uint64_t segments = 1;      // at least 1
  uint64_t image_budget = 0;  // images one user may ever have answered, for each segment (0 = none left)
  double output_noise = 0;    // what the user is told of errors in replies: their deviation; 0: replies are exact
};

// A package that the owner answers for: what all its sessions share. Const and thread-safe.
class HostedPackage {
 public:
  explicit HostedPackage(PackageInfo info) : info_(std::move(info)) {}
  HostedPackage(const HostedPackage&) = delete;
  HostedPackage& operator=(const HostedPackage&) = delete;
  virtual ~HostedPackage() = default;

  const PackageInfo& info() const { return info_; }
  // Errors as of Session::Step.
  virtual absl::StatusOr<std::unique_ptr<Session>> OpenSession() const = 0;

 private:
  const PackageInfo info_;
};

}  // namespace privdnn
