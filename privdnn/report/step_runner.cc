#include "privdnn/report/step_runner.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include "privdnn/base/events.h"
#include "privdnn/base/random.h"
#include "privdnn/report/report_subject.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxResultBytes = 64 << 20, kMaxPictureBytes = 64 << 20;
// Of the form in which results are kept.
constexpr int kVersion = 1;

// What a step says of itself while it runs.
class StepEvents {
 public:
  StepEvents(std::filesystem::path file, std::string label, const Reporting& reporting)
      : reader_(std::move(file)), label_(std::move(label)), reporting_(reporting) {}

  // Reads on. Events that can't be read are no error of the step; they are said to be once.
  void Read() {
    if (failed_) return;
    const auto events = reader_.Read();
    if (!events.ok()) {
      failed_ = true;
      Note(reporting_.warn, fmt::format("{}: progress is lost: {}", label_, Message(events.status())));
      return;
    }
    for (const Event& event : *events) {
      if (const auto* error = std::get_if<ErrorEvent>(&event)) {
        error_ = error->message;
      } else {
        Draw(std::get<ProgressEvent>(event));
      }
    }
  }
  // The last error; empty: none.
  const std::string& error() const { return error_; }

 private:
  void Draw(const ProgressEvent& event) {
    if (!progress_ || event.label != phase_) {
      progress_ = nullptr;  // one at a time
      progress_ = Begin(reporting_.begin, label_ + ": " + event.label);
      phase_ = event.label;
    }
    progress_(event.done, event.total, event.note);
  }

  EventReader reader_;
  std::string label_, phase_, error_;
  const Reporting& reporting_;
  ProgressFn progress_;
  bool failed_ = false;
};

bool IsFileDigest(const Json& json) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  return text.size() == kPrefix.size() + 64 && text.starts_with(kPrefix) &&
         text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string::npos;
}

bool IsTime(const Json& json) {
  return json.is_number() && std::isfinite(json.get<double>()) && json.get<double>() >= 0;
}

}  // namespace

Json ResultOf(const StepEnd& end) {
  if (end.exit_code != 0 && end.exit_code != 1) return nullptr;
  Json json = Json::parse(end.output, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json(nullptr);
}

std::string ShellLine(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& a : arguments) {
    const bool plain = !a.empty() && std::ranges::all_of(a, [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-_./,:=+@%").find(c) != std::string::npos;
    });
    std::string quoted = a;
    if (!plain) {
      quoted = "'";
      for (const char c : a) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      quoted += "'";
    }
    line += (line.empty() ? "" : " ") + quoted;
  }
  return line;
}

absl::StatusOr<StepRunner> StepRunner::Create(std::filesystem::path directory, std::string subject,
                                              StepRunnerOptions options) {
  auto lock = AppendFile::Open(directory / "lock");
  if (!lock.ok()) return Annotate(lock.status(), "the report's working directory");
  return StepRunner(std::move(directory), std::move(subject), std::move(options), *std::move(lock));
}

std::string StepRunner::Key(const ReportStep& step, const std::vector<std::string>& arguments) const {
  Json whole = {subject_, arguments};
  for (const std::string& file : step.takes) {
    const auto made = made_.find(file);
    whole.push_back(made == made_.end() ? "" : made->second);
  }
  return HexEncode(Sha256(AsBytes(whole.dump(-1, ' ', false, Json::error_handler_t::replace)))).substr(0, 16);
}

absl::StatusOr<StepResult> StepRunner::Run(const ReportStep& step, const std::vector<std::string>& arguments,
                                           const std::string& label) {
  const std::string key = Key(step, arguments);
  std::vector<std::string> shown = arguments;
  shown.insert(shown.begin(), "privdnn");
  auto made = Kept(step, key);
  if (made.ok()) {
    Note(options_.reporting.note, fmt::format("{}: {}: is there", label, step.title));
  } else {
    made = Made{{step.name, step.title}, ""};
    Note(options_.reporting.note, fmt::format("{}: {}", label, step.title));
    PRIVDNN_RETURN_IF_ERROR(Execute(step, arguments, key, label, *made));
    if (made->result.result.is_null())
      Note(options_.reporting.warn, fmt::format("{}: {}", step.title, made->result.reason));
  }
  if (!step.makes.empty()) made_[step.makes] = made->file_digest;
  made->result.command = ShellLine(shown);
  return std::move(made->result);
}

std::string StepRunner::FirstMissing(const ReportStep& step, const std::vector<std::string>& arguments) const {
  if (step.takes.empty() || Kept(step, Key(step, arguments)).ok()) return "";
  for (const std::string& file : step.takes) {
    const auto digest = FileDigest(files() / file);
    const auto made = made_.find(file);
    if (!digest.ok() || made == made_.end() || *digest != made->second) return file;
  }
  return "";
}

void StepRunner::Forget(const ReportStep& step) const {
  std::error_code ignored;
  std::filesystem::remove(File(step, ".json"), ignored);
}

absl::Status StepRunner::RemoveFiles() const {
  std::error_code failed;
  std::filesystem::remove_all(files(), failed);
  return failed ? FailedPrecondition("{}: {}", files().string(), failed.message()) : absl::OkStatus();
}

absl::StatusOr<StepRunner::Made> StepRunner::Kept(const ReportStep& step, const std::string& key) const {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(File(step, ".json"), kMaxResultBytes));
  Json kept = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!kept.is_object() || kept.value("version", Json()) != kVersion || kept.value("key", Json()) != key ||
      !kept.value("result", Json()).is_object() || !IsTime(kept.value("seconds", Json()))) {
    return NotFound("no result");
  }
  Made made{{step.name, step.title}, ""};
  StepResult& result = made.result;
  result.seconds = kept["seconds"].get<double>();
  result.result = std::move(kept["result"]);
  if (!step.makes.empty()) {
    if (!IsFileDigest(kept.value("made_sha256", Json()))) return NotFound("no file");
    made.file_digest = kept["made_sha256"].get<std::string>();
  }
  if (step.picture) {
    PRIVDNN_ASSIGN_OR_RETURN(result.picture, ReadFile(File(step, ".png"), kMaxPictureBytes));
    // An interrupted run with other options may have left another one there.
    if (kept.value("picture_sha256", Json()) != HexEncode(Sha256(result.picture))) return NotFound("no picture");
  }
  return made;
}

absl::Status StepRunner::Execute(const ReportStep& step, std::vector<std::string> arguments, const std::string& key,
                                 const std::string& label, Made& made) const {
  // Beside the state of a network that is made lies what it began with, and in the state of one that is attacked what
  // was stolen: for nobody else, and gone with the networks.
  const bool secret = !step.makes.empty() || !step.takes.empty();
  const std::filesystem::path state = (secret ? files() : directory_) / (step.name + "-" + key + ".state");
  std::error_code ignored;
  if (secret && ::mkdir(files().c_str(), S_IRWXU) != 0 && !std::filesystem::is_directory(files(), ignored)) {
    return FailedPrecondition("{}: can't be made", files().string());
  }
  arguments.push_back("--json");
  if (step.checkpoint) arguments.insert(arguments.end(), {"--checkpoint", state.string()});
  if (step.picture) arguments.insert(arguments.end(), {"--out", File(step, ".png").string()});
  PRIVDNN_RETURN_IF_ERROR(RunProcess({arguments, File(step, ".log"), File(step, ".events")}, label, made.result));
  if (made.result.result.is_null()) return absl::OkStatus();
  PRIVDNN_RETURN_IF_ERROR(Keep(step, arguments, key, made));
  std::filesystem::remove(state, ignored);
  return absl::OkStatus();
}

absl::Status StepRunner::RunProcess(const StepProcess& process, const std::string& label, StepResult& result) const {
  std::error_code ignored;
  for (const auto& file : {process.log, process.events}) std::filesystem::remove(file, ignored);
  const auto start = std::chrono::steady_clock::now();
  StepEvents events(process.events, label, options_.reporting);
  PRIVDNN_ASSIGN_OR_RETURN(const StepEnd end, options_.run(process, [&] { events.Read(); }));
  if (!GoesOn(options_.reporting.go_on)) {
    return absl::CancelledError(
        fmt::format("interrupted: the same command goes on from what is in {}", directory_.string()));
  }
  events.Read();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.result = ResultOf(end);
  if (!result.result.is_null()) return absl::OkStatus();
  if (end.signal != 0) {
    result.reason = fmt::format("ended by signal {}", end.signal);
  } else {
    result.reason = events.error().empty() ? fmt::format("exit code {}", end.exit_code) : events.error();
  }
  return absl::OkStatus();
}

absl::Status StepRunner::Keep(const ReportStep& step, const std::vector<std::string>& arguments, const std::string& key,
                              Made& made) const {
  StepResult& result = made.result;
  Json kept = {{"version", kVersion},
               {"key", key},
               {"arguments", arguments},
               {"seconds", result.seconds},
               {"result", result.result}};
  if (step.picture) {
    PRIVDNN_ASSIGN_OR_RETURN(result.picture, ReadFile(File(step, ".png"), kMaxPictureBytes));
    kept["picture_sha256"] = HexEncode(Sha256(result.picture));
  }
  if (!step.makes.empty()) {
    const std::filesystem::path file = files() / step.makes;
    std::error_code ignored;
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                                 ignored);
    PRIVDNN_ASSIGN_OR_RETURN(made.file_digest, FileDigest(file));
    kept["made_sha256"] = made.file_digest;
  }
  return WriteTextFile(File(step, ".json"), kept.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace privdnn
