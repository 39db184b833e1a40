#include "privdnn/cli/step_runner.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>

#include "privdnn/base/random.h"
#include "privdnn/cli/report_subject.h"
#include "privdnn/cli/second_interrupt.h"
#include "privdnn/pipeline/private_directory.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxResultBytes = 64 << 20, kMaxPictureBytes = 64 << 20, kMaxLogBytes = 64 << 20;
constexpr std::chrono::milliseconds kGlance{250};
constexpr std::chrono::seconds kPatience{10};  // for a child that is asked to end
constexpr char kProgressMark[] = "progress\t";

// Draws the progress that a child writes into its log.
class LogProgress {
 public:
  LogProgress(std::filesystem::path log, std::string label) : log_(std::move(log)), label_(std::move(label)) {}

  void Draw() {
    const auto text = ReadTextFile(log_, kMaxLogBytes);
    if (!text.ok()) return;  // not there yet
    const size_t end = text->rfind('\n');
    if (end == std::string::npos) return;
    const size_t at = text->rfind(kProgressMark, end);
    if (at == std::string::npos || (at > 0 && (*text)[at - 1] != '\n')) return;
    const std::vector<std::string> fields = Fields(text->substr(at, text->find('\n', at) - at));
    if (fields.size() != 5) return;
    if (!bar_ || fields[1] != phase_) {
      bar_.reset();
      bar_.emplace(label_ + ": " + fields[1]);
      phase_ = fields[1];
    }
    bar_->Update(std::strtoull(fields[2].c_str(), nullptr, 10), std::strtoull(fields[3].c_str(), nullptr, 10),
                 fields[4]);
  }

 private:
  static std::vector<std::string> Fields(const std::string& line) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
      if (c == '\t') {
        fields.emplace_back();
      } else {
        fields.back() += c;
      }
    }
    return fields;
  }

  std::filesystem::path log_;
  std::string label_, phase_;
  std::optional<ProgressBar> bar_;
};

// What a failed command said last: its error, or else all that isn't progress.
std::string Reason(const std::filesystem::path& log, const ChildExit& end) {
  if (end.signal != 0) return fmt::format("ended by signal {}", end.signal);
  std::string said;
  const auto text = ReadTextFile(log, kMaxLogBytes);
  if (text.ok()) {
    for (size_t at = 0; at < text->size();) {
      const size_t next = std::min(text->find('\n', at), text->size());
      const std::string line = text->substr(at, next - at);
      at = next + 1;
      constexpr std::string_view kError = " error ";
      const size_t error = line.find(kError);
      if (error == std::string("00:00:00").size()) {
        said = line.substr(error + kError.size());
      } else if (!line.starts_with(kProgressMark)) {
        said += (said.empty() ? "" : "\n") + line;
      }
    }
  }
  return said.empty() ? fmt::format("exit code {}", end.exit_code) : said;
}

}  // namespace

Json ResultOf(const ChildExit& end) {
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

absl::StatusOr<StepRunner> StepRunner::Create(std::filesystem::path directory, std::string subject) {
  auto lock = AppendFile::Open(directory / "lock");
  if (!lock.ok()) return Annotate(lock.status(), "the report's working directory");
  return StepRunner(std::move(directory), std::move(subject), *std::move(lock));
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
    spdlog::info("{}: {}: is there", label, step.title);
  } else {
    made = Made{{step.name, step.title}, ""};
    spdlog::info("{}: {}", label, step.title);
    PRIVDNN_RETURN_IF_ERROR(Execute(step, arguments, key, label, *made));
    if (made->result.result.is_null()) spdlog::warn("{}: {}", step.title, made->result.reason);
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
  if (!kept.is_object() || kept.value("key", Json()) != key || !kept.contains("result") ||
      !kept.value("seconds", Json()).is_number()) {
    return NotFound("no result");
  }
  Made made{{step.name, step.title}, ""};
  StepResult& result = made.result;
  result.seconds = kept["seconds"].get<double>();
  result.result = std::move(kept["result"]);
  if (!step.makes.empty()) {
    if (!kept.value("made_sha256", Json()).is_string()) return NotFound("no file");
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
  StepResult& result = made.result;
  const std::filesystem::path log = File(step, ".log");
  // Beside the state of a network that is made lies what it began with, and in the state of one that is attacked what
  // was stolen: for nobody else, and gone with the networks.
  const bool secret = !step.makes.empty() || !step.takes.empty();
  const std::filesystem::path state = (secret ? files() : directory_) / (step.name + "-" + key + ".state");
  if (secret && ::mkdir(files().c_str(), S_IRWXU) != 0 && !std::filesystem::is_directory(files())) {
    return FailedPrecondition("{}: can't be made", files().string());
  }
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  arguments.insert(arguments.begin(), OwnPath());
  arguments.push_back("--json");
  if (step.checkpoint) arguments.insert(arguments.end(), {"--checkpoint", state.string()});
  if (step.picture) arguments.insert(arguments.end(), {"--out", File(step, ".png").string()});
  const auto start = std::chrono::steady_clock::now();
  const SecondInterrupt second;
  // A step may put an owner's keys there; they go with it, however it ends.
  PRIVDNN_ASSIGN_OR_RETURN(const PrivateDirectory temporary,
                           PrivateDirectory::Create([](const std::string& line) { spdlog::warn("{}", line); }));
  // Ctrl-C must reach it once only, by End: at the second signal it would end at once, and lose its state of training.
  PRIVDNN_ASSIGN_OR_RETURN(
      ChildProcess child,
      ChildProcess::Start(arguments, log.string(), {"PRIVDNN_PROGRESS=lines", "TMPDIR=" + temporary.path().string()},
                          ChildProcess::Group::kOwn));
  LogProgress progress(log, label);
  absl::StatusOr<ChildExit> end = absl::UnknownError("");
  do {
    end = child.Wait(kGlance, GoOn);
    progress.Draw();
  } while (absl::IsDeadlineExceeded(end.status()));
  if (absl::IsCancelled(end.status())) child.End(kPatience, [&] { return second.came(); });
  PRIVDNN_RETURN_IF_ERROR(end.status());
  if (Interrupted())
    return absl::CancelledError(
        fmt::format("interrupted: the same command goes on from what is in {}", directory_.string()));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.result = ResultOf(*end);
  if (result.result.is_null()) {
    result.reason = Reason(log, *end);
    return absl::OkStatus();
  }
  if (!step.makes.empty()) {
    const std::filesystem::path file = files() / step.makes;
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                                 ignored);
    PRIVDNN_ASSIGN_OR_RETURN(made.file_digest, FileDigest(file));
  }
  if (step.picture) {
    PRIVDNN_ASSIGN_OR_RETURN(result.picture, ReadFile(File(step, ".png"), kMaxPictureBytes));
  }
  Json kept = {{"key", key}, {"arguments", arguments}, {"seconds", result.seconds}, {"result", result.result}};
  if (step.picture) kept["picture_sha256"] = HexEncode(Sha256(result.picture));
  if (!step.makes.empty()) kept["made_sha256"] = made.file_digest;
  PRIVDNN_RETURN_IF_ERROR(
      WriteTextFile(File(step, ".json"), kept.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  std::filesystem::remove(state, ignored);
  return absl::OkStatus();
}

}  // namespace privdnn
