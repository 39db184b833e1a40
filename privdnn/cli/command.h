// What every command has in common: options, output, interruption.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"

namespace privdnn {

using Json = nlohmann::ordered_json;

// What a command found out: one JSON object for machines, text for people. The program prints one of them on stdout.
struct CommandOutput {
  Json json;
  std::string text;
  bool failed = false;  // it is to be printed, but the answer is no: exit code 1
  // A file that should hold some of it and can't be written. Said after the rest, which was paid for; exit code 1.
  absl::Status not_written = {};
};

// What is wrong with a command line and shows only when the command runs, such as options that need each other: exit
// code 2. Annotate would take the mark off.
absl::Status WrongUsage(const std::string& what);
bool IsWrongUsage(const absl::Status& status);

// A command, ready to run: set by the callback of the subcommand that was given.
using Action = std::function<absl::StatusOr<CommandOutput>()>;

// Options shared by commands.
struct Globals {
  bool json = false;
};

// The type names of options and arguments that take paths. They may not be empty, and what a kNewFile is written to may
// be no other file of the command line; a selection in place of a file is a name that no file has.
inline constexpr char kFile[] = "FILE", kNewFile[] = "NEW_FILE", kFolder[] = "FOLDER";

// A subcommand with --json and an example in its help.
CLI::App* AddCommand(CLI::App& app, Globals& globals, const std::string& name, const std::string& description,
                     const std::string& example);
// --threads, default: the processors that this process may use.
void AddThreads(CLI::App* command, int& threads);

// What an option takes: whole numbers that 64 bits hold, or finite ones. CLI11's own would show their bounds, the
// largest double among them, in errors.
CLI::Validator PositiveInt();
CLI::Validator NonNegativeInt();
CLI::Validator PositiveNumber();
CLI::Validator NonNegativeNumber();
CLI::Validator FiniteNumber();

// Ctrl-C and SIGTERM set a flag that long work looks at; a second Ctrl-C ends the process at once.
void HandleInterrupts();
bool Interrupted();
// Unless interrupted: a GoOnFn.
inline bool GoOn() { return !Interrupted(); }

// Draws a progress bar and asks for a stop when interrupted.
ProgressFn MakeProgress(const std::shared_ptr<ProgressBar>& bar);
// Progress bars, log lines and interruption for work that tells of itself.
Reporting ReportingToPeople();

// The same for what is evaluated on so many images, or whatever they are called.
ProgressFn Evaluating(const std::string& what, int64_t count, const std::string& unit = "images");
// The error of an evaluation, with what has been written before; `file` may be empty: nothing has.
absl::Status NotEvaluated(const absl::Status& status, const std::string& file);

// Each adds its subcommand to `app`. When the command line names it, its callback sets `action`.
using AddCommandFn = void (*)(CLI::App& app, Globals& globals, Action& action);
void AddTrain(CLI::App& app, Globals& globals, Action& action);
void AddExport(CLI::App& app, Globals& globals, Action& action);
void AddEval(CLI::App& app, Globals& globals, Action& action);
void AddSelect(CLI::App& app, Globals& globals, Action& action);
void AddObfuscate(CLI::App& app, Globals& globals, Action& action);
void AddPlan(CLI::App& app, Globals& globals, Action& action);
void AddKeygen(CLI::App& app, Globals& globals, Action& action);
void AddEncrypt(CLI::App& app, Globals& globals, Action& action);
void AddServe(CLI::App& app, Globals& globals, Action& action);
void AddUsers(CLI::App& app, Globals& globals, Action& action);
void AddInfer(CLI::App& app, Globals& globals, Action& action);
void AddDemo(CLI::App& app, Globals& globals, Action& action);
void AddBench(CLI::App& app, Globals& globals, Action& action);
void AddBenchKernels(CLI::App& bench, Globals& globals, Action& action);
void AddInspect(CLI::App& app, Globals& globals, Action& action);
void AddData(CLI::App& app, Globals& globals, Action& action);
void AddVersion(CLI::App& app, Globals& globals, Action& action);

// A program: its commands and what its help says.
struct Program {
  std::string name;         // "privdnn"
  std::string description;  // one line
  std::vector<AddCommandFn> commands;
};
// Runs the command that the command line names. Returns the exit code: 0 ok, 1 failed, 2 wrong usage.
int RunProgram(const Program& program, int argc, char** argv);

}  // namespace privdnn
