#include "privdnn/report/step_process.h"

#include <chrono>
#include <utility>

#include "privdnn/base/events.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/pipeline/private_directory.h"
#include "privdnn/report/second_interrupt.h"

namespace privdnn {
namespace {

constexpr std::chrono::milliseconds kGlance{250};
constexpr std::chrono::seconds kPatience{10};  // for a child that is asked to end

absl::StatusOr<StepEnd> RunStep(const std::string& program, const GoOnFn& go_on, const NoteFn& warn,
                                const StepProcess& process, const std::function<void()>& glance) {
  std::vector<std::string> arguments = process.arguments;
  arguments.insert(arguments.begin(), program);
  const SecondInterrupt second(!GoesOn(go_on));
  // A step may put an owner's keys there; they go with it, however it ends.
  PRIVDNN_ASSIGN_OR_RETURN(const PrivateDirectory temporary, PrivateDirectory::Create(warn));
  // Ctrl-C must reach it once only, by End: at the second signal it would end at once, and lose its state of training.
  PRIVDNN_ASSIGN_OR_RETURN(ChildProcess child,
                           ChildProcess::Start(arguments, process.log.string(),
                                               {fmt::format("{}={}", kEventsVariable, process.events.string()),
                                                "TMPDIR=" + temporary.path().string()},
                                               ChildProcess::Group::kOwn));
  absl::StatusOr<ChildExit> end = absl::UnknownError("");
  do {
    end = child.Wait(kGlance, go_on);
    glance();
  } while (absl::IsDeadlineExceeded(end.status()));
  if (absl::IsCancelled(end.status())) child.End(kPatience, [&] { return second.came(); });
  PRIVDNN_RETURN_IF_ERROR(end.status());
  return StepEnd{end->exit_code, end->signal, std::move(end->output)};
}

}  // namespace

RunProcessFn StepsOf(std::string program, GoOnFn go_on, NoteFn warn) {
  return [program = std::move(program), go_on = std::move(go_on), warn = std::move(warn)](
             const StepProcess& process, const std::function<void()>& glance) {
    return RunStep(program, go_on, warn, process, glance);
  };
}

}  // namespace privdnn
