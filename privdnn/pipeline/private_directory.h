// Directories for secrets, removed however a command ends.
#pragma once

#include <filesystem>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/base/reporting.h"

namespace privdnn {

// A temporary directory with a locked file, "lock". The lock is held while the directory is in use; the system releases
// it however the process ends. If the file system has no locks, there is no such file, and RemoveAbandoned leaves the
// directory alone.
class PrivateDirectory {
 public:
  // Creates a directory. Calls `note` if files can't be locked.
  static absl::StatusOr<PrivateDirectory> Create(const NoteFn& note = nullptr);
  PrivateDirectory(PrivateDirectory&&) = default;
  PrivateDirectory& operator=(PrivateDirectory&&) = delete;
  ~PrivateDirectory();
  const std::filesystem::path& path() const { return directory_.path(); }

  // Removes this user's private directories under the system's temporary directory whose processes were killed, so that
  // nobody holds their locks. Also removes those inside another private directory; a report's steps make such
  // directories.
  static void RemoveAbandoned();

 private:
  PrivateDirectory(std::optional<AppendFile> lock, TemporaryDirectory directory)
      : lock_(std::move(lock)), directory_(std::move(directory)) {}
  std::optional<AppendFile> lock_;  // outlives the directory
  TemporaryDirectory directory_;
};

}  // namespace privdnn
