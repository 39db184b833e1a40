// Programs that a command starts beside itself, and what became of them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"

namespace privdnn {

struct ChildExit {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;      // that signal
  std::string output;  // what was left to read of its stdout
};

// A child with its stdout on a pipe and this process's stderr. It gets SIGTERM if this process dies first. Killed by
// the destructor if it still runs, with its group if that is its own. Waiting for it ends with Cancelled soon after a
// `go_on` has said false.
class ChildProcess {
 public:
  // arguments[0] is the program's path. Its stderr goes to `stderr_file` if one is named. `environment`: "NAME=value",
  // beside this process's and before it. kOwn: a process group of its own, so that a terminal's Ctrl-C reaches this
  // process alone, which then ends the child; with kShared the child gets that signal, too. FailedPrecondition, saying
  // why, if it can't be started.
  enum class Group { kShared, kOwn };
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& arguments,
                                            const std::string& stderr_file = "",
                                            const std::vector<std::string>& environment = {},
                                            Group group = Group::kShared);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  // Reads stdout up to and without `end`, for at most `patience`; DeadlineExceeded or Unavailable (it ended) otherwise.
  absl::StatusOr<std::string> ReadUntil(const std::string& end, std::chrono::milliseconds patience,
                                        const GoOnFn& go_on = nullptr);
  void Signal(int signal) const;
  // To all of its group; it has to have one of its own.
  void SignalGroup(int signal) const;
  // Asks it to end in order, waits for that as long as `patience` and then ends it, with its group if that is its own;
  // at once when `at_once` says so.
  void End(std::chrono::milliseconds patience, const std::function<bool()>& at_once = nullptr);
  // The largest resident set so far, in bytes.
  uint64_t PeakRss() const;
  // Waits for the end, reading stdout meanwhile; DeadlineExceeded after `patience`, and the child goes on.
  absl::StatusOr<ChildExit> Wait(std::chrono::milliseconds patience, const GoOnFn& go_on = nullptr);

 private:
  ChildProcess(pid_t pid, int out, Group group) : pid_(pid), out_(out), group_(group) {}
  // False at the end of the stream; DeadlineExceeded if nothing came.
  absl::StatusOr<bool> ReadSome(std::chrono::steady_clock::time_point deadline, const GoOnFn& go_on);
  pid_t pid_;
  int out_;
  Group group_;
  std::string buffer_;
};

// The path of the running program.
std::string OwnPath();

}  // namespace privdnn
