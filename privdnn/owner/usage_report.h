// Who has used how much: a ledger's accounts beside the budgets that keys name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// One user's account for one segment of a package: an image takes a query of each segment.
struct AccountUsage {
  std::string package_id, user;
  uint64_t segment = 0;
  uint64_t used = 0;                    // images, with what a running server has reserved and not given back
  std::optional<uint64_t> budget = {};  // images; nothing if the package's key was not given

  // Images that are left; nothing if the budget is not known.
  std::optional<uint64_t> left() const {
    if (!budget) return std::nullopt;
    return used < *budget ? *budget - used : 0;
  }
};

// Every account in a ledger, and those of the packages behind `keys` that nobody has asked yet; by package, user and
// segment. Charges nothing: a server may run meanwhile. NotFound if there is no ledger; its errors and those of the
// keys, which name the file.
absl::StatusOr<std::vector<AccountUsage>> ReadUsage(const std::filesystem::path& ledger,
                                                    const std::vector<std::filesystem::path>& keys);

}  // namespace privdnn
