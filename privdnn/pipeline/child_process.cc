#include "privdnn/pipeline/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "privdnn/base/cpu.h"

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;

// How long it may go unnoticed that waiting is to end.
constexpr std::chrono::milliseconds kGlance{100};

std::string ErrnoText() { return std::generic_category().message(errno); }

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& t : texts) pointers.push_back(const_cast<char*>(t.c_str()));
  return pointers;
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void BecomeChild(char* const* arguments, char* const* environment, int out, int err, pid_t parent,
                              ChildProcess::Group group) {
  if (group == ChildProcess::Group::kOwn) ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  ::dup2(out, STDOUT_FILENO);
  if (err >= 0) ::dup2(err, STDERR_FILENO);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                 const std::string& stderr_file,
                                                 const std::vector<std::string>& environment, Group group) {
  std::vector<char*> raw = Pointers(arguments), variables = Pointers(environment);
  raw.push_back(nullptr);
  for (char** v = environ; *v; ++v) variables.push_back(*v);
  variables.push_back(nullptr);
  int err = -1;
  if (!stderr_file.empty()) {
    err = ::open(stderr_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (err < 0) return FailedPrecondition("{}: {}", stderr_file, ErrnoText());
  }
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) {
    if (err >= 0) ::close(err);
    return FailedPrecondition("pipe: {}", ErrnoText());
  }
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid == 0) BecomeChild(raw.data(), variables.data(), pipe_ends[1], err, parent, group);
  // Here, too: whoever gets there first. It fails once the child has begun its program, in its group.
  if (pid > 0 && group == Group::kOwn) ::setpgid(pid, pid);
  if (err >= 0) ::close(err);
  ::close(pipe_ends[1]);
  if (pid < 0) {
    ::close(pipe_ends[0]);
    return FailedPrecondition("{}: can't be started: {}", arguments[0], ErrnoText());
  }
  return ChildProcess(pid, pipe_ends[0], group);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      group_(other.group_),
      buffer_(std::move(other.buffer_)) {}

ChildProcess::~ChildProcess() {
  End(std::chrono::milliseconds(0));
  if (out_ >= 0) ::close(out_);
}

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

void ChildProcess::SignalGroup(int signal) const {
  if (pid_ > 0) ::kill(-pid_, signal);
}

void ChildProcess::End(std::chrono::milliseconds patience, const std::function<bool()>& at_once) {
  const auto deadline = Clock::now() + patience;
  if (patience.count() > 0) Signal(SIGTERM);
  while (pid_ > 0 && Clock::now() < deadline && !(at_once && at_once())) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (pid_ > 0) {
    ::kill(group_ == Group::kOwn ? -pid_ : pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
}

uint64_t ChildProcess::PeakRss() const { return PeakRssBytes(std::to_string(pid_)); }

absl::StatusOr<bool> ChildProcess::ReadSome(Clock::time_point deadline, const GoOnFn& go_on) {
  if (!GoesOn(go_on)) return absl::CancelledError("interrupted");
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return absl::DeadlineExceededError("the child process said nothing in time");
  pollfd waiting{out_, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(std::min(left, kGlance).count()));
  if (ready == 0 || (ready < 0 && errno == EINTR)) return true;
  if (ready < 0) return FailedPrecondition("poll: {}", ErrnoText());
  char chunk[65536];
  const ssize_t n = ::read(out_, chunk, sizeof chunk);
  if (n > 0) buffer_.append(chunk, static_cast<size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

absl::StatusOr<std::string> ChildProcess::ReadUntil(const std::string& end, std::chrono::milliseconds patience,
                                                    const GoOnFn& go_on) {
  const auto deadline = Clock::now() + patience;
  for (;;) {
    if (const size_t at = buffer_.find(end); at != std::string::npos) {
      std::string text = buffer_.substr(0, at);
      buffer_.erase(0, at + end.size());
      return text;
    }
    PRIVDNN_ASSIGN_OR_RETURN(const bool more, ReadSome(deadline, go_on));
    if (!more) return Unavailable("the child process ended before it was ready");
  }
}

absl::StatusOr<ChildExit> ChildProcess::Wait(std::chrono::milliseconds patience, const GoOnFn& go_on) {
  const auto deadline = Clock::now() + patience;
  for (bool more = true; more;) {
    PRIVDNN_ASSIGN_OR_RETURN(more, ReadSome(deadline, go_on));
  }
  // Its stdout is closed; it may still run.
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) break;
    if (ended < 0 && errno != EINTR) return FailedPrecondition("wait: {}", ErrnoText());
    if (!GoesOn(go_on)) return absl::CancelledError("interrupted");
    if (Clock::now() >= deadline) return absl::DeadlineExceededError("the child process did not end in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  pid_ = -1;
  ChildExit result;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.output = std::move(buffer_);
  return result;
}

std::string OwnPath() {
  std::error_code failed;  // then empty, and starting it says so
  return std::filesystem::read_symlink("/proc/self/exe", failed).string();
}

}  // namespace privdnn
