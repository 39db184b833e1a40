// What a step's result depends on besides its command line.
#pragma once

#include <filesystem>

#include "privdnn/base/status.h"

namespace privdnn {

// Names the contents of a file: "sha256:" and 64 digits. NotFound if it can't be read.
absl::StatusOr<std::string> FileDigest(const std::filesystem::path& file);

// Names the state of a data set: a digest of the absolute path of its folder, and the path, size and time of change of
// each file in it. A folder that isn't there has a state, too: whoever loads the data set says what is missing.
std::string DataState(const std::filesystem::path& folder);

}  // namespace privdnn
