// Where it is recorded durably how many images each account has used. The ledger's policy stands on it.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

struct UsageAccount {
  std::string package_id;  // of a package with several segments: "id/segment"
  std::string user;
  auto operator<=>(const UsageAccount&) const = default;
};

struct UsageEntry {
  UsageAccount account;
  uint64_t images = 0;
};

// Thread-safe. Several processes may share what lies behind it, so that every function is one transaction. At an error
// the record is as it was. An account that was never written has used 0 images.
class UsageStore {
 public:
  struct Addition {
    uint64_t recorded = 0;  // after the addition
    uint64_t added = 0;     // 0: `least` were not left
  };

  virtual ~UsageStore() = default;
  // Adds as many images, from `least` (at least 1) to `most`, as the account may have up to `limit` (below 2^63), or
  // none if that is fewer than `least`. Returns when the addition survives a crash.
  virtual absl::StatusOr<Addition> Add(const UsageAccount& account, uint64_t least, uint64_t most, uint64_t limit) = 0;
  // Takes all of `entries` from the record or none; no account goes below 0.
  virtual absl::Status Subtract(std::span<const UsageEntry> entries) = 0;
  virtual absl::StatusOr<uint64_t> Read(const UsageAccount& account) = 0;
  // Every account that was written, in the order of package and user.
  virtual absl::StatusOr<std::vector<UsageEntry>> Entries() = 0;
};

}  // namespace privdnn
