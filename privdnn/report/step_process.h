// Runs a step of a report as a process of this program.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"

namespace privdnn {

struct StepProcess {
  std::vector<std::string> arguments;  // after the program's name
  std::filesystem::path log;           // its stderr
  std::filesystem::path events;        // base/events.h
};

struct StepEnd {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;      // that signal
  std::string output;  // its stdout
};

// Runs the process to its end and meanwhile calls `glance` now and then. Whatever the process puts into the system's
// temporary directory, including an owner's keys, is removed with it, however it ends. Fails with Cancelled when
// interrupted; the process has then ended, too.
using RunProcessFn =
    std::function<absl::StatusOr<StepEnd>(const StepProcess& process, const std::function<void()>& glance)>;

// Returns a function that runs steps with `program`, each in its own process group and temporary directory, and tells
// them the events file. When `go_on` returns false, the process is ended in order; a second Ctrl-C or SIGTERM then ends
// it at once. Calls `warn` if a directory would remain should this process be killed.
RunProcessFn StepsOf(std::string program, GoOnFn go_on, NoteFn warn);

}  // namespace privdnn
