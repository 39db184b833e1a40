// Durable record of the images that each account has used. The ledger's policy builds on it.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

struct UsageAccount {
  std::string package_id;  // "id/segment" for a package with several segments
  std::string user;
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const UsageAccount&) const = default;
};

struct UsageEntry {
  UsageAccount account;
  uint64_t images = 0;
};

// Thread-safe. Several processes may share the record, so every function is one transaction. After an error the record
// is unchanged. An account that was never written has used 0 images.
class UsageStore {
 public:
  struct Addition {
    uint64_t recorded = 0;  // after the addition
    uint64_t added = 0;     // 0: fewer than `least` were left
  };

  virtual ~UsageStore() = default;
  // Adds as many images as `limit` (below 2^63) allows the account, from `least` (at least 1) to `most`. Adds none if
  // `limit` allows fewer than `least`. Remembers what goes beyond `least` as this process's reservation in the account,
  // in place of an earlier one. Returns when the addition will survive a crash.
  virtual absl::StatusOr<Addition> Add(const UsageAccount& account, uint64_t least, uint64_t most, uint64_t limit) = 0;
  // Subtracts all of `entries` from the record, or none; no account goes below 0. Ends this process's reservations in
  // these accounts.
  virtual absl::Status Subtract(std::span<const UsageEntry> entries) = 0;
  virtual absl::StatusOr<uint64_t> Read(const UsageAccount& account) = 0;
  // Returns the reservations, summed for each account, of processes that have ended without ending them, and forgets
  // them. They stay in the record.
  virtual absl::StatusOr<std::vector<UsageEntry>> TakeLost() = 0;
  // Returns every account that was written, sorted by package and user.
  virtual absl::StatusOr<std::vector<UsageEntry>> Entries() = 0;
};

}  // namespace privdnn
