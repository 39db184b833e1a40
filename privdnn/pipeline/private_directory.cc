#include "privdnn/pipeline/private_directory.h"

#include <sys/stat.h>
#include <unistd.h>

namespace privdnn {
namespace {

constexpr char kLock[] = "lock";

// Holds a directory. Nothing where files can't be locked.
absl::StatusOr<std::optional<AppendFile>> Lock(const std::filesystem::path& directory, const NoteFn& note) {
  const std::filesystem::path unnamed = directory / "new", name = directory / kLock;
  auto lock = AppendFile::Open(unnamed, 0600);
  if (absl::IsUnimplemented(lock.status())) {
    Note(note, fmt::format("{}; should this process be killed, {} stays", Message(lock.status()), directory.string()));
    return std::optional<AppendFile>();
  }
  PRIVDNN_RETURN_IF_ERROR(lock.status());
  // It gets its name when it is held, so that nobody sees it free.
  std::error_code ec;
  std::filesystem::rename(unnamed, name, ec);
  if (ec) return FailedPrecondition("{}: {}", name.string(), ec.message());
  return std::optional<AppendFile>(*std::move(lock));
}

// All but the lock: what is left when this is cut short, is found and removed by others.
void RemoveContents(const std::filesystem::path& directory) {
  std::error_code failed, ignored;
  for (std::filesystem::directory_iterator entry(directory, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().filename() != kLock) std::filesystem::remove_all(entry->path(), ignored);
  }
}

// Whether some are still in use.
bool RemoveFree(const std::filesystem::path& parent, bool outer) {
  bool in_use = false;
  std::error_code failed, ignored;
  for (std::filesystem::directory_iterator entry(parent, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::filesystem::path& path = entry->path();
    struct stat info {};
    if (!path.filename().string().starts_with("privdnn.") || ::lstat(path.c_str(), &info) != 0 ||
        !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
      continue;
    }
    // A step may outlive its report for a while.
    const bool inner_in_use = outer && RemoveFree(path, /*outer=*/false);
    if (!std::filesystem::exists(path / kLock, ignored)) continue;
    const auto lock = AppendFile::Open(path / kLock);
    in_use |= !lock.ok();
    if (inner_in_use || !lock.ok()) continue;
    RemoveContents(path);
    std::filesystem::remove_all(path, ignored);
  }
  return in_use;
}

}  // namespace

absl::StatusOr<PrivateDirectory> PrivateDirectory::Create(const NoteFn& note) {
  PRIVDNN_ASSIGN_OR_RETURN(TemporaryDirectory directory, TemporaryDirectory::Create());
  PRIVDNN_ASSIGN_OR_RETURN(std::optional<AppendFile> lock, Lock(directory.path(), note));
  return PrivateDirectory(std::move(lock), std::move(directory));
}

PrivateDirectory::~PrivateDirectory() {
  if (!path().empty()) RemoveContents(path());
}

void PrivateDirectory::RemoveAbandoned() {
  if (const auto parent = SystemTemporaryDirectory(); parent.ok()) RemoveFree(*parent, /*outer=*/true);
}

}  // namespace privdnn
