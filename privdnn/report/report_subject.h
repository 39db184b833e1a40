// Names what a step's result depends on besides its command line.
#pragma once

#include <filesystem>

#include "privdnn/base/status.h"

namespace privdnn {

// Returns a name for the contents of a file: "sha256:" and 64 digits. Fails with NotFound if it can't be read.
absl::StatusOr<std::string> FileDigest(const std::filesystem::path& file);

// Returns a name for the state of a data set: a digest of the absolute path of its directory and of the path, size and
// modification time of each file in it. A directory that doesn't exist has a state, too: loading the data set reports
// what is missing.
std::string DataState(const std::filesystem::path& folder);

}  // namespace privdnn
