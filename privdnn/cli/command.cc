#include "privdnn/cli/command.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <tbb/info.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>
#include <system_error>

#include "privdnn/base/file.h"
#include "privdnn/base/standard_streams.h"

namespace privdnn {
namespace {

constexpr char kWrongUsage[] = "privdnn/wrong-usage";

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

void OnSignal(int signal) {
  if (interrupted.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

// The innermost command on the command line.
const CLI::App& GivenCommand(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands()[0];
  return *command;
}

// With the parents' names: "privdnn attack extract".
std::string FullName(const CLI::App& command) {
  std::string name = command.get_name();
  for (const CLI::App* parent = command.get_parent(); parent != nullptr; parent = parent->get_parent()) {
    name = fmt::format("{} {}", parent->get_name(), name);
  }
  return name;
}

// What is wrong, and where help is.
std::string WithHint(const std::string& text, const CLI::App& command) {
  return fmt::format("{}\nRun `{} --help` for more information.\n", text, FullName(command));
}

// What is wrong with the command line. CLI11 doesn't say which word it took for no command.
std::string UsageMessage(const CLI::App& app, const CLI::Error& error) {
  const CLI::App& command = GivenCommand(app);
  const std::string name = FullName(command);
  std::string text = error.what();
  const auto commands = command.get_subcommands([](const CLI::App*) { return true; });
  if (!commands.empty() && error.get_name() == "RequiredError") {
    const std::vector<std::string> words = command.remaining();
    text = words.empty() ? name + " needs a command" : fmt::format("{} has no command '{}'", name, words[0]);
    for (size_t i = 0; i < commands.size(); ++i) text += (i == 0 ? ": one of " : ", ") + commands[i]->get_name();
  }
  return WithHint(text, command);
}

enum class Sign { kPositive, kNonNegative, kAny };

template <typename Number>
CLI::Validator Bounded(const std::string& name, const std::string& what, Sign sign) {
  const auto check = [what, sign](const std::string& text) -> std::string {
    Number value = 0;
    // CLI11 takes the nearest number there is for one too large.
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
    const bool read = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
    const bool signs = sign == Sign::kAny || value > 0 || (sign == Sign::kNonNegative && value == 0);
    if (read && signs) return {};
    return fmt::format("{} is not a {}", text, what);
  };
  return CLI::Validator(check, name);
}

// The text of a log line. Foreign files may have given names in it, which control no terminal.
class PrintableText : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
    for (const char c : message.payload)
      to.push_back(std::iscntrl(static_cast<unsigned char>(c)) && c != '\n' ? '?' : c);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<PrintableText>(); }
};

// To the program that started this one, if it asked for events.
void TellWhy(const std::string& error) {
  const auto events = EventWriter::FromEnvironment();
  if (!events.ok()) return spdlog::warn("nobody is told of this error: {}", Message(events.status()));
  if (events->has_value()) (*events)->Write(ErrorEvent{error});
}

// Exit code 2, after saying what is wrong with the command line.
int FailUsage(const std::string& text) {
  WriteStderr(text);
  TellWhy(text.substr(0, text.find_last_not_of('\n') + 1));
  return 2;
}

// The paths that an option was given.
struct GivenPaths {
  std::string option, kind;
  std::vector<std::string> paths;
};

std::vector<GivenPaths> PathsOf(const CLI::App& command) {
  std::vector<GivenPaths> given;
  for (const CLI::Option* option : command.get_options()) {
    const std::string kind = option->get_type_name().substr(0, option->get_type_name().find(' '));
    if (option->count() > 0 && (kind == kFile || kind == kNewFile || kind == kFolder)) {
      given.push_back({option->get_name(), kind, option->results()});
    }
  }
  return given;
}

// A file that is read would be lost, or of two that are written the first.
absl::Status CheckPaths(const CLI::App& command) {
  const std::vector<GivenPaths> given = PathsOf(command);
  for (const GivenPaths& one : given) {
    if (std::ranges::find(one.paths, "") != one.paths.end()) return WrongUsage(one.option + ": the name is empty");
  }
  for (const GivenPaths& output : given) {
    if (output.kind != kNewFile) continue;
    for (const GivenPaths& other : given) {
      if (&other == &output || other.kind == kFolder) continue;
      for (const std::string& path : other.paths) {
        if (!IsSameFile(path, output.paths[0])) continue;
        return WrongUsage(fmt::format("{} and {} are the same file, {}", other.option, output.option, path));
      }
    }
  }
  return absl::OkStatus();
}

// Exit code 1, after saying what went wrong.
int Fail(const std::string& error) {
  spdlog::error("{}", error);
  TellWhy(error);
  return 1;
}

// Puts a result on stdout. If whoever reads it has gone, as in `privdnn ... | head`, ends as other programs do.
int Print(const std::string& text, int exit_code) {
  const absl::Status written = WriteStdout(text);
  if (absl::IsCancelled(written)) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  return written.ok() ? exit_code : Fail(Message(written));
}

// What the exception says that is being handled. Errors that input can cause are no exceptions, but memory and threads
// may run out anywhere.
std::string DescribeException() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::system_error& e) {
    if (e.code() != std::errc::resource_unavailable_try_again) return fmt::format("internal error: {}", e.what());
    return fmt::format("no thread can be started: {}; a limit on processes or memory is reached (ulimit -u, -v)",
                       e.what());
  } catch (const std::exception& e) {
    return fmt::format("internal error: {}", e.what());
  } catch (...) {
    return "internal error";
  }
}

// For an exception that no thread's function catches.
[[noreturn]] void EndAfterException() {
  const std::string what = std::current_exception() ? DescribeException() : "internal error";
  WriteStderr("privdnn: " + what + "\n");
  ::_exit(1);
}

}  // namespace

absl::Status WrongUsage(const std::string& what) {
  absl::Status status = absl::InvalidArgumentError(what);
  status.SetPayload(kWrongUsage, {});
  return status;
}
bool IsWrongUsage(const absl::Status& status) { return status.GetPayload(kWrongUsage).has_value(); }

void HandleInterrupts() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
}

bool Interrupted() { return interrupted.load(); }

ProgressFn MakeProgress(const std::shared_ptr<ProgressBar>& bar) {
  return [bar](uint64_t done, uint64_t total, const std::string& note) {
    bar->Update(done, total, note);
    return !Interrupted();
  };
}

Reporting ReportingToPeople() {
  return {.begin = [](const std::string& label) { return MakeProgress(std::make_shared<ProgressBar>(label)); },
          .note = [](const std::string& line) { spdlog::info("{}", line); },
          .warn = [](const std::string& line) { spdlog::warn("{}", line); },
          .go_on = GoOn};
}

ProgressFn Evaluating(const std::string& what, int64_t count, const std::string& unit) {
  return MakeProgress(std::make_shared<ProgressBar>(fmt::format("evaluating {}, {} {}", what, count, unit)));
}

absl::Status NotEvaluated(const absl::Status& status, const std::string& file) {
  return file.empty() ? status : Annotate(status, file + " is written, but not evaluated");
}

CLI::App* AddCommand(CLI::App& app, Globals& globals, const std::string& name, const std::string& description,
                     const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_flag("--json", globals.json, "print one JSON object on stdout");
  // A command that several programs have is shown as the one at hand runs it.
  const std::string full = FullName(*command);
  const std::string program = full.substr(0, full.find(' ')), usual = "privdnn " + name;
  std::string shown = example;
  for (size_t at = shown.find(usual); program != "privdnn" && at != std::string::npos;
       at = shown.find(usual, at + program.size())) {
    shown.replace(at, std::string("privdnn").size(), program);
  }
  command->footer("Example:\n  " + shown);
  return command;
}

void AddThreads(CLI::App* command, int& threads) {
  threads = tbb::info::default_concurrency();
  command->add_option("--threads", threads, "compute with this many threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

CLI::Validator PositiveInt() { return Bounded<int64_t>("POSITIVE", "whole number of 1 to 2^63 - 1", Sign::kPositive); }
CLI::Validator NonNegativeInt() {
  return Bounded<int64_t>("NONNEGATIVE", "whole number of 0 to 2^63 - 1", Sign::kNonNegative);
}
CLI::Validator PositiveNumber() { return Bounded<double>("POSITIVE", "finite number above 0", Sign::kPositive); }
CLI::Validator FiniteNumber() { return Bounded<double>("NUMBER", "finite number", Sign::kAny); }
CLI::Validator NonNegativeNumber() {
  return Bounded<double>("NONNEGATIVE", "finite number from 0 on", Sign::kNonNegative);
}

namespace {

int RunCommandLine(const Program& program, int argc, char** argv) {
  CLI::App app{program.description, program.name};
  app.require_subcommand(1);
  app.set_version_flag("--version", program.name + " " PRIVDNN_VERSION,
                       fmt::format("print the version; `{} version` says more", program.name));
  app.footer(fmt::format(
      "Exit codes: 0 ok, 1 failed, 2 wrong usage. `{} COMMAND --help` has an example of each command.", program.name));
  Globals globals;
  Action action;
  for (const AddCommandFn add : program.commands) add(app, globals, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // Help and the version are no errors.
    if (e.get_exit_code() != 0) return FailUsage(UsageMessage(app, e));
    std::ostringstream text;
    app.exit(e, text, text);
    return Print(text.str(), 0);
  }
  if (!StdoutIsOpen()) return Fail("standard output is closed: results go there (>/dev/null drops them)");
  const absl::Status paths = CheckPaths(GivenCommand(app));
  const auto output = paths.ok() ? action() : paths;
  if (IsWrongUsage(output.status())) return FailUsage(WithHint(Message(output.status()), GivenCommand(app)));
  if (!output.ok()) return Fail(Message(output.status()));
  if (output->json.is_null()) return 0;  // a rank that served another one
  const std::string text =
      globals.json ? output->json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : output->text;
  const int exit_code = Print(text, output->failed ? 1 : 0);
  return output->not_written.ok() ? exit_code : Fail(Message(output->not_written));
}

}  // namespace

int RunProgram(const Program& program, int argc, char** argv) {
  OpenStandardStreams();
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);  // a write fails instead, and says so
  std::set_terminate(EndAfterException);
  // stdout belongs to results; everything else goes to stderr.
  spdlog::set_default_logger(spdlog::stderr_color_mt("privdnn"));
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<PrintableText>('v').set_pattern("%H:%M:%S %^%l%$ %v");
  spdlog::set_formatter(std::move(format));
  HandleInterrupts();
  try {
    return RunCommandLine(program, argc, argv);
  } catch (...) {
    return Fail(DescribeException());
  }
}

}  // namespace privdnn
