// Directories for secrets that go whichever way a command ends.
#pragma once

#include <filesystem>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/base/reporting.h"

namespace privdnn {

// A temporary directory whose file "lock" is held for as long as it is in use; the system lets go of that however the
// process ends. Where files can't be locked there is none, and RemoveAbandoned leaves the directory alone.
class PrivateDirectory {
 public:
  // `note` hears it where files can't be locked.
  static absl::StatusOr<PrivateDirectory> Create(const NoteFn& note = nullptr);
  PrivateDirectory(PrivateDirectory&&) = default;
  PrivateDirectory& operator=(PrivateDirectory&&) = delete;
  ~PrivateDirectory();
  const std::filesystem::path& path() const { return directory_.path(); }

  // Removes this user's directories of that kind under the system's temporary directory that nobody holds any more, as
  // their processes were killed; also those inside another one, as a report's step makes them.
  static void RemoveAbandoned();

 private:
  PrivateDirectory(std::optional<AppendFile> lock, TemporaryDirectory directory)
      : lock_(std::move(lock)), directory_(std::move(directory)) {}
  std::optional<AppendFile> lock_;  // outlives the directory
  TemporaryDirectory directory_;
};

}  // namespace privdnn
