// Runs one step of a report as a child process and keeps its result, so that it needn't run again.
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
  Reporting reporting = {};  // warnings are about steps without results
};

// A directory with each step's result (NAME.json), log (NAME.log), events (NAME.events), picture (NAME.png) and, while
// it runs, training state (NAME-KEY.state). A result is a JSON object with the version of its format. It is valid only
// for the command line and the subject for which it was made, together with its picture, and for exactly those files of
// earlier steps from which it was made. These files, and what their training starts from, are in a directory that
// nobody else may open, until RemoveFiles.
class StepRunner {
 public:
  // `subject` names everything that results depend on besides their command lines. Fails with FailedPrecondition if
  // another process works in `directory`.
  static absl::StatusOr<StepRunner> Create(std::filesystem::path directory, std::string subject,
                                           StepRunnerOptions options);

  // Returns the step's result, from the directory if it is there. A command that fails gives a result without JSON and
  // with the reason. Fails with Cancelled when interrupted. `label`, such as "step 3 of 7", goes before progress and
  // logs. The files that earlier steps make for this one must exist; see FirstMissing.
  absl::StatusOr<StepResult> Run(const ReportStep& step, const std::vector<std::string>& arguments,
                                 const std::string& label);

  // Returns the first of the step's input files that must be made again: the file has changed or is missing, and the
  // step has no result made from it. Empty: none.
  std::string FirstMissing(const ReportStep& step, const std::vector<std::string>& arguments) const;
  // Forgets the step's result, so that the step runs again.
  void Forget(const ReportStep& step) const;

  // Returns the directory for files that later steps read.
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
  // Returns what exists of an earlier run with this key.
  absl::StatusOr<Made> Kept(const ReportStep& step, const std::string& key) const;
  absl::Status Execute(const ReportStep& step, std::vector<std::string> arguments, const std::string& key,
                       const std::string& label, Made& made) const;
  // Runs the process of a step and reports its progress under `label`. If there is no JSON, the result has a reason.
  absl::Status RunProcess(const StepProcess& process, const std::string& label, StepResult& result) const;
  // Reads what the step made besides its JSON, and writes the result to the directory.
  absl::Status Keep(const ReportStep& step, const std::vector<std::string>& arguments, const std::string& key,
                    Made& made) const;
  std::filesystem::path File(const ReportStep& step, const std::string& extension) const {
    return directory_ / (step.name + extension);
  }

  std::filesystem::path directory_;
  std::string subject_;
  StepRunnerOptions options_;
  AppendFile lock_;
  std::map<std::string, std::string> made_;  // digests of the files that steps made, by name
};

// Returns the JSON object that a command printed, or null if the exit code is not that of a command with a result: 0,
// or 1 if what it checked failed.
Json ResultOf(const StepEnd& end);

// Returns a command line that a shell parses as these arguments.
std::string ShellLine(const std::vector<std::string>& arguments);

}  // namespace privdnn
