// Child processes of a command, and how they ended.
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
  int signal = 0;      // the signal that ended it, or 0
  std::string output;  // the part of its stdout not yet read
};

// A child process. Its stdout is a pipe; it shares this process's stderr. The child gets SIGTERM if this process dies
// first. The destructor kills a child that is still running, and its process group if it has its own. Functions that
// wait return Cancelled soon after `go_on` returns false.
class ChildProcess {
 public:
  // Starts a program; arguments[0] is its path. Its stderr goes to `stderr_file` if that is not empty. `environment`
  // holds "NAME=value" strings that are added to this process's environment and override it. With kOwn the child has a
  // process group of its own: Ctrl-C in a terminal reaches this process alone, which then ends the child. With kShared
  // the child gets that signal, too. Fails with FailedPrecondition, and the reason, if the program can't be started.
  enum class Group { kShared, kOwn };
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& arguments,
                                            const std::string& stderr_file = "",
                                            const std::vector<std::string>& environment = {},
                                            Group group = Group::kShared);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  // Reads stdout up to `end`, which is not returned. Fails with DeadlineExceeded after `patience`, and with Unavailable
  // if the child ends first.
  absl::StatusOr<std::string> ReadUntil(const std::string& end, std::chrono::milliseconds patience,
                                        const GoOnFn& go_on = nullptr);
  void Signal(int signal) const;
  // Sends the signal to the child's process group, which must be its own.
  void SignalGroup(int signal) const;
  // Asks the child to end, waits up to `patience`, then kills it, and its process group if it has its own. Kills it at
  // once when `at_once` returns true.
  void End(std::chrono::milliseconds patience, const std::function<bool()>& at_once = nullptr);
  // Returns the child's largest resident set so far, in bytes.
  uint64_t PeakRss() const;
  // Waits for the child to end and reads its stdout meanwhile. Fails with DeadlineExceeded after `patience`; the child
  // then keeps running.
  absl::StatusOr<ChildExit> Wait(std::chrono::milliseconds patience, const GoOnFn& go_on = nullptr);

 private:
  ChildProcess(pid_t pid, int out, Group group) : pid_(pid), out_(out), group_(group) {}
  // Returns false at the end of the stream. Fails with DeadlineExceeded if nothing arrives in time.
  absl::StatusOr<bool> ReadSome(std::chrono::steady_clock::time_point deadline, const GoOnFn& go_on);
  pid_t pid_;
  int out_;
  Group group_;
  std::string buffer_;
};

// Returns the path of the running program.
std::string OwnPath();

}  // namespace privdnn
