// One step of a report as a child process whose result is kept, so that it needn't run again.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "privdnn/base/file.h"
#include "privdnn/base/reporting.h"
#include "privdnn/report/report_steps.h"
#include "privdnn/report/step_process.h"

namespace privdnn {

struct StepRunnerOptions {
  RunProcessFn run;
  Reporting reporting = {};  // warnings: of steps that have no result
};

// A directory with each step's result (NAME.json), log (NAME.log), events (NAME.events), picture (NAME.png) and, while
// it runs, state of training (NAME-KEY.state). A result is a JSON object with the version of its form. It counts for
// the command line and the subject that it was made with, together with the picture that was made with it, and for the
// very files of earlier steps that it was made of. These lie in a directory that nobody else may open, with what a
// training of them starts from, until RemoveFiles.
class StepRunner {
 public:
  // `subject`: names all that results depend on besides their command lines. FailedPrecondition if another process
  // works in `directory`.
  static absl::StatusOr<StepRunner> Create(std::filesystem::path directory, std::string subject,
                                           StepRunnerOptions options);

  // The step's result, from the directory if it is there. A command that fails gives a result without JSON and with
  // the reason; Cancelled when interrupted. `label`, such as "step 3 of 7", goes in front of progress and logs.
  // What earlier steps make for this one has to be there, see FirstMissing.
  absl::StatusOr<StepResult> Run(const ReportStep& step, const std::vector<std::string>& arguments,
                                 const std::string& label);

  // Of the files that the step takes, the first that has to be made again: it isn't there as it was made, and neither
  // is a result that the step has of it. Empty: none.
  std::string FirstMissing(const ReportStep& step, const std::vector<std::string>& arguments) const;
  // So that the step runs again.
  void Forget(const ReportStep& step) const;

  // Where steps put what later ones take.
  std::filesystem::path files() const { return directory_ / "networks"; }
  absl::Status RemoveFiles() const;

 private:
  StepRunner(std::filesystem::path directory, std::string subject, StepRunnerOptions options, AppendFile lock)
      : directory_(std::move(directory)),
        subject_(std::move(subject)),
        options_(std::move(options)),
        lock_(std::move(lock)) {}
  // A step's result and the digest of the file that it made, if it makes one.
  struct Made {
    StepResult result;
    std::string file_digest;
  };
  std::string Key(const ReportStep& step, const std::vector<std::string>& arguments) const;
  // What there is of an earlier run with this key.
  absl::StatusOr<Made> Kept(const ReportStep& step, const std::string& key) const;
  absl::Status Execute(const ReportStep& step, std::vector<std::string> arguments, const std::string& key,
                       const std::string& label, Made& made) const;
  // Runs the process of a step, whose progress is told under `label`. Its result has a reason if it has no JSON.
  absl::Status RunProcess(const StepProcess& process, const std::string& label, StepResult& result) const;
  // Reads what the step made beside its JSON, and writes the result down.
  absl::Status Keep(const ReportStep& step, const std::vector<std::string>& arguments, const std::string& key,
                    Made& made) const;
  std::filesystem::path File(const ReportStep& step, const std::string& extension) const {
    return directory_ / (step.name + extension);
  }

  std::filesystem::path directory_;
  std::string subject_;
  StepRunnerOptions options_;
  AppendFile lock_;
  std::map<std::string, std::string> made_;  // digests of the files that steps made, by their names
};

// The JSON object that a command printed, or null if it has not ended as commands with a result do: with exit code 0,
// or with 1 when what it looked at failed.
Json ResultOf(const StepEnd& end);

// A command line that a shell takes as these arguments.
std::string ShellLine(const std::vector<std::string>& arguments);

}  // namespace privdnn
