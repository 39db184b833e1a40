#include "privdnn/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace privdnn {
namespace {

// 0, or errno.
int WriteWhole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

void OpenStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // Gets the lowest free number, which is `stream`.
    (void)::open("/dev/null", stream == STDOUT_FILENO ? O_RDONLY : O_RDWR);
  }
}

bool StdoutIsOpen() {
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

void WriteStderr(std::string_view text) { (void)WriteWhole(STDERR_FILENO, text); }

absl::Status WriteStdout(std::string_view text) {
  const int error = std::fflush(stdout) != 0 ? errno : WriteWhole(STDOUT_FILENO, text);
  if (error == 0) return absl::OkStatus();
  const std::string why = "standard output: " + std::generic_category().message(error);
  return error == EPIPE ? absl::CancelledError(why) : absl::FailedPreconditionError(why);
}

}  // namespace privdnn
