// Reports who has used how much: a ledger's accounts, with the budgets from the keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// One user's account for one segment of a package. Each image takes one query per segment.
struct AccountUsage {
  std::string package_id, user;
  uint64_t segment = 0;
  uint64_t used = 0;                    // images, including those that a running server has reserved and not given back
  std::optional<uint64_t> budget = {};  // images; empty if the package's key was not given

  // Returns the number of images left; empty if the budget is not known.
  std::optional<uint64_t> left() const {
    if (!budget) return std::nullopt;
    return used < *budget ? *budget - used : 0;
  }
};

// Returns every account in a ledger, and the unused accounts of the packages that belong to `keys`, in the order of
// package, user and segment. Charges nothing; a server may run at the same time. Fails with NotFound if there is no
// ledger. Returns errors of the ledger and of the keys, which name the file.
absl::StatusOr<std::vector<AccountUsage>> ReadUsage(const std::filesystem::path& ledger,
                                                    const std::vector<std::filesystem::path>& keys);

}  // namespace privdnn
