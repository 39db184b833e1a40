#include "privdnn/base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace privdnn {
namespace {

std::string ErrnoText() { return std::generic_category().message(errno); }

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::StatusOr<uint64_t> RegularFileSize(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return NotFound("{}: {}", path.string(), ErrnoText());
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{}: not a regular file", path.string());
  return static_cast<uint64_t>(info.st_size);
}

absl::Status CreateParent(const std::filesystem::path& path) {
  std::error_code ec;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ec);
  if (ec) return FailedPrecondition("{}: {}", path.parent_path().string(), ec.message());
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, const std::string& name, std::span<const uint8_t> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailedPrecondition("{}: {}", name, ErrnoText());
    data = data.subspan(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

template <typename Container>
absl::StatusOr<Container> ReadWhole(const std::filesystem::path& path, uint64_t max_bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return NotFound("{}: {}", path.string(), ErrnoText());
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(fd.get(), path));
  if (size > max_bytes) {
    return InvalidArgument("{}: {} bytes, more than the {} allowed", path.string(), size, max_bytes);
  }
  Container data(size, 0);
  uint64_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd.get(), data.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return DataLoss("{}: read {} of {} bytes: {}", path.string(), done, size, n < 0 ? ErrnoText() : "end of file");
    done += static_cast<uint64_t>(n);
  }
  return data;
}

// Removes what processes that died while they wrote this file have left: PATH.tmp and their number.
void RemoveAbandoned(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::string prefix = path.filename().string() + ".tmp";
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t process = 0;
    const auto [rest, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), process);
    if (error != std::errc() || rest != name.data() + name.size() || process < 1) continue;
    if (::kill(process, 0) != 0 && errno == ESRCH) ::unlink(at->path().c_str());
  }
}

}  // namespace

absl::StatusOr<Bytes> ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  return ReadWhole<Bytes>(path, max_bytes);
}
absl::StatusOr<ZeroizingVector<uint8_t>> ReadSecretFile(const std::filesystem::path& path, uint64_t max_bytes) {
  return ReadWhole<ZeroizingVector<uint8_t>>(path, max_bytes);
}
absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path, uint64_t max_bytes) {
  return ReadWhole<std::string>(path, max_bytes);
}

absl::Status CheckPrivate(const std::filesystem::path& path) {
  std::error_code failed;
  const std::filesystem::perms mode = std::filesystem::status(path, failed).permissions();
  if (failed || (mode & std::filesystem::perms::others_all) == std::filesystem::perms::none) return absl::OkStatus();
  return FailedPrecondition("{0}: everyone may read or change this secret (mode {1:04o}); chmod 600 {0}", path.string(),
                            static_cast<unsigned>(mode & std::filesystem::perms::mask));
}

absl::Status CheckWritable(const std::filesystem::path& path) {
  if (path.empty()) return absl::OkStatus();
  std::error_code failed;
  const auto there = std::filesystem::status(path, failed);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return FailedPrecondition("{}: {}", path.string(),
                              std::filesystem::is_directory(there) ? "is a folder" : "is no regular file");
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, failed)) {
    return FailedPrecondition("{}: the folder {} does not exist", path.string(), folder.string());
  }
  return FileWriter::Create(path).status();  // which goes, and removes what it has made
}

bool IsSameFile(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code ignored;
  const bool there = std::filesystem::exists(a, ignored);
  if (there != std::filesystem::exists(b, ignored)) return false;
  if (there) return std::filesystem::is_regular_file(a, ignored) && std::filesystem::equivalent(a, b, ignored);
  // weakly_canonical alone leaves the path of a file that isn't there relative.
  const auto spelled = [&](const std::filesystem::path& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  return spelled(a) == spelled(b);
}

namespace {

std::mutex kept_mutex;
std::vector<std::filesystem::path> kept;  // guarded by kept_mutex

// An owner's key file, or one in PEM: what it unlocks would be lost with it.
bool HoldsPrivateKey(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char head[64] = {};
  if (fd.get() < 0 || ::read(fd.get(), head, sizeof head - 1) <= 0) return false;
  const std::string_view text = head;
  return text.starts_with("PVDNNKEY") ||
         (text.starts_with("-----BEGIN ") && text.find("PRIVATE KEY-----") != std::string_view::npos);
}

absl::Status CheckReplaceable(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return absl::OkStatus();
  if (HoldsPrivateKey(path)) return FailedPrecondition("{}: holds a private key, which is not replaced", path.string());
  const std::lock_guard lock(kept_mutex);
  if (std::ranges::none_of(kept, [&](const auto& file) { return IsSameFile(file, path); })) return absl::OkStatus();
  return FailedPrecondition("{}: belongs to the model that is read, and is not replaced", path.string());
}

}  // namespace

void KeepFile(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::lock_guard lock(kept_mutex);
  kept.push_back(std::filesystem::absolute(path, ignored));
}

absl::StatusOr<FileWriter> FileWriter::Create(const std::filesystem::path& path, unsigned mode) {
  PRIVDNN_RETURN_IF_ERROR(CheckReplaceable(path));
  PRIVDNN_RETURN_IF_ERROR(CreateParent(path));
  std::string temporary = fmt::format("{}.tmp{}", path.string(), ::getpid());
  RemoveAbandoned(path);
  ::unlink(temporary.c_str());  // a file with its own permissions must not be reused
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return FailedPrecondition("{}: {}", path.string(), ErrnoText());
  return FileWriter(path, std::move(temporary), fd);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

absl::Status FileWriter::Append(std::span<const uint8_t> data) { return WriteAll(fd_, temporary_, data); }

absl::Status FileWriter::Commit() {
  if (::fsync(fd_) != 0) return FailedPrecondition("{}: {}", temporary_, ErrnoText());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return FailedPrecondition("{}: {}", path_.string(), ErrnoText());
  }
  temporary_.clear();
  return absl::OkStatus();
}

absl::Status WriteFile(const std::filesystem::path& path, std::span<const uint8_t> data, unsigned mode) {
  PRIVDNN_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path, mode));
  PRIVDNN_RETURN_IF_ERROR(writer.Append(data));
  return writer.Commit();
}

absl::Status WriteTextFile(const std::filesystem::path& path, const std::string& text, unsigned mode) {
  return WriteFile(path, AsBytes(text), mode);
}

absl::StatusOr<AppendFile> AppendFile::Open(const std::filesystem::path& path, unsigned mode) {
  PRIVDNN_RETURN_IF_ERROR(CreateParent(path));
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode));
  if (fd.get() < 0) return FailedPrecondition("{}: {}", path.string(), ErrnoText());
  // First the lock: who held it may have appended until then.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    const bool no_locks = errno == ENOSYS || errno == EOPNOTSUPP;
    if (no_locks) return absl::UnimplementedError(fmt::format("{}: can't be locked: {}", path.string(), ErrnoText()));
    return FailedPrecondition("{}: {}", path.string(), errno == EWOULDBLOCK ? "is in use by another run" : ErrnoText());
  }
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(fd.get(), path));
  return AppendFile(path, fd.Release(), size);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status AppendFile::Append(std::span<const uint8_t> data) {
  absl::Status status = WriteAll(fd_, path_.string(), data);
  if (status.ok()) {
    size_ += data.size();
  } else if (const absl::Status undone = Truncate(size_); !undone.ok()) {
    return FailedPrecondition("{}; and what was written of it stays: {}", Message(status), Message(undone));
  }
  return status;
}

absl::Status AppendFile::Truncate(uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return FailedPrecondition("{}: {}", path_.string(), ErrnoText());
  size_ = size;
  return absl::OkStatus();
}

absl::Status AppendFile::Sync() {
  if (::fdatasync(fd_) != 0) return FailedPrecondition("{}: {}", path_.string(), ErrnoText());
  return absl::OkStatus();
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return NotFound("{}: {}", path.string(), ErrnoText());
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(fd.get(), path));
  if (size == 0) return InvalidArgument("{}: empty file", path.string());
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return FailedPrecondition("{}: {}", path.string(), ErrnoText());
  return MappedFile(static_cast<const uint8_t*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}
MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}
void MappedFile::DropResidentPages() const { ::madvise(const_cast<uint8_t*>(data_), size_, MADV_DONTNEED); }

absl::StatusOr<std::filesystem::path> SystemTemporaryDirectory() {
  std::filesystem::path path = "/tmp";
  std::string named = "/tmp is";
  for (const char* variable : {"TMPDIR", "TMP", "TEMP", "TEMPDIR"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    path = value;
    named = fmt::format("{} names {}, which is", variable, value);
    break;
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return path;
  return FailedPrecondition("{} not a directory for temporary files", named);
}

absl::StatusOr<TemporaryDirectory> TemporaryDirectory::Create() {
  PRIVDNN_ASSIGN_OR_RETURN(const std::filesystem::path parent, SystemTemporaryDirectory());
  std::string name = (parent / "privdnn.XXXXXX").string();
  if (!::mkdtemp(name.data())) return FailedPrecondition("{}: {}", name, ErrnoText());
  return TemporaryDirectory(name);
}
TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::move(other.path_)) {
  other.path_.clear();
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // nothing to be done about a file that will not go
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace privdnn
