// A step of a report as a process of this program.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"

namespace privdnn {

struct StepProcess {
  std::vector<std::string> arguments;  // behind the program's name
  std::filesystem::path log;           // its stderr
  std::filesystem::path events;        // base/events.h
};

struct StepEnd {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;      // that signal
  std::string output;  // its stdout
};

// Runs the process to its end and calls `glance` now and then meanwhile. What the process puts into the system's
// temporary directory, an owner's keys among it, goes with it, however it ends. Cancelled when interrupted; the process
// has ended then, too.
using RunProcessFn =
    std::function<absl::StatusOr<StepEnd>(const StepProcess& process, const std::function<void()>& glance)>;

// Runs steps by `program`, each in a process group and a temporary directory of its own, with the events' file named to
// it. An interruption, when `go_on` says false, ends the process in order; a second Ctrl-C or SIGTERM then ends it at
// once. `warn` hears of a directory that would stay if this process were killed.
RunProcessFn StepsOf(std::string program, GoOnFn go_on, NoteFn warn);

}  // namespace privdnn
