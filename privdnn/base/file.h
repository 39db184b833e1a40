// Reads whole files with a size bound. Writes them so that a reader sees either the old content or the new.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "privdnn/base/bytes.h"
#include "privdnn/base/secret.h"
#include "privdnn/base/status.h"

namespace privdnn {

// Reads a file. Fails, naming the file, if it is missing, unreadable or larger than `max_bytes`.
absl::StatusOr<Bytes> ReadFile(const std::filesystem::path& path, uint64_t max_bytes);
// Reads a file into memory that is zeroised when it is released.
absl::StatusOr<ZeroizingVector<uint8_t>> ReadSecretFile(const std::filesystem::path& path, uint64_t max_bytes);
absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path, uint64_t max_bytes);

// Checks that not everyone may read a file of secrets. Fails with FailedPrecondition, saying what to do. Returns OK if
// there is no file: whoever reads it says so.
absl::Status CheckPrivate(const std::filesystem::path& path);

// Fails with FailedPrecondition, saying why, if WriteFile could not write `path` now, if its folder does not exist, or
// if something other than a regular file is there. For paths that are written after long or paid work: leaves no file
// behind and no file changed. Returns OK for an empty path, which stands for no file.
absl::Status CheckWritable(const std::filesystem::path& path);

// Lets no FileWriter of this process replace a file that it reads beside those that were named, such as a model's
// external data.
void KeepFile(const std::filesystem::path& path);

// Whether two paths name one regular file, however they are spelled, links among them; or would, if neither exists.
bool IsSameFile(const std::filesystem::path& a, const std::filesystem::path& b);

// Writes beside the target, syncs, then renames over it. `mode` is the file's permissions (0600 for secrets).
absl::Status WriteFile(const std::filesystem::path& path, std::span<const uint8_t> data, unsigned mode = 0644);
absl::Status WriteTextFile(const std::filesystem::path& path, const std::string& text, unsigned mode = 0644);

// Writes a file in the same way, piece by piece. Nothing appears at `path` before Commit; uncommitted data is removed.
class FileWriter {
 public:
  static absl::StatusOr<FileWriter> Create(const std::filesystem::path& path, unsigned mode = 0644);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();
  absl::Status Append(std::span<const uint8_t> data);
  // Syncs and renames; nothing may follow.
  absl::Status Commit();

 private:
  FileWriter(std::filesystem::path path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  std::filesystem::path path_;
  std::string temporary_;  // empty once committed
  int fd_;
};

// A file to which one process at a time appends.
class AppendFile {
 public:
  // Opens the file, and creates it and its directories if missing. Fails with FailedPrecondition if any process has it
  // open as an AppendFile, and with Unimplemented if the file system has no locks.
  static absl::StatusOr<AppendFile> Open(const std::filesystem::path& path, unsigned mode = 0644);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile();
  uint64_t size() const { return size_; }
  // Appends all of `data` or nothing.
  absl::Status Append(std::span<const uint8_t> data);
  // Truncates the file to `size` bytes, at most size().
  absl::Status Truncate(uint64_t size);
  // Returns when all data is on disk.
  absl::Status Sync();

 private:
  AppendFile(std::filesystem::path path, int fd, uint64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  std::filesystem::path path_;
  int fd_;
  uint64_t size_;
};

// A read-only memory mapping of a whole file. The destructor unmaps it.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  // Tells the kernel that the pages are not needed now; they are read again from the file when touched.
  void DropResidentPages() const;

 private:
  MappedFile(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Returns the system's temporary directory, as the environment names it: TMPDIR, or /tmp without it. Fails with
// FailedPrecondition, naming the variable, if it is no directory.
absl::StatusOr<std::filesystem::path> SystemTemporaryDirectory();

// A directory under the system's temporary directory, removed with its contents by the destructor.
class TemporaryDirectory {
 public:
  static absl::StatusOr<TemporaryDirectory> Create();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace privdnn
