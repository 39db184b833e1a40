// report: what the encryption of a model protects and what it doesn't, as one page, from commands of this program.
#include "privdnn/cli/report_command.h"

#include <algorithm>
#include <ctime>

#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/pipeline/private_directory.h"
#include "privdnn/report/csv.h"
#include "privdnn/report/html.h"
#include "privdnn/report/privacy_report.h"
#include "privdnn/report/report_subject.h"
#include "privdnn/report/run_steps.h"

namespace privdnn {
namespace {

struct ReportCommand {
  ModelInput model;
  ReportInput input;
  std::string effort = "normal", out = "report.html", csv, work;
  std::optional<int64_t> samples, scratch_epochs, recover_epochs, obfuscation_images, obfuscation_epochs;
  std::vector<std::string> skip;
};

// As --selection takes it: "1:0,3;2:5".
std::string Compact(const Selection& selection) {
  std::string text;
  for (const auto& [layer, neurons] : selection.layers) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : ";", layer, fmt::join(neurons, ","));
  }
  return text;
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  char text[11];
  std::strftime(text, sizeof text, "%F", std::gmtime(&now));
  return text;
}

// The report as one object: what is on the page, and each step's own JSON.
Json ReportJson(const Results& results, const Document& document) {
  constexpr const char* kTones[] = {"protects", "exposes", "note"};
  Json json = {{"title", results.title},
               {"facts", Json::object()},
               {"verdict", Json::array()},
               {"not_said", document.not_said},
               {"steps", Json::object()}};
  for (const auto& [what, value] : results.facts) json["facts"][what] = value;
  for (const Sentence& s : document.verdict) {
    json["verdict"].push_back({{"tone", kTones[static_cast<size_t>(s.tone)]}, {"text", s.text}});
  }
  for (const StepResult& s : results.steps) {
    Json step = {{"title", s.title}, {"command", s.command}, {"seconds", s.seconds}, {"result", s.result}};
    if (s.result.is_null()) step["reason"] = s.reason;
    json["steps"][s.name] = std::move(step);
  }
  return json;
}

std::string Text(const Results& results, const Document& document, const ReportCommand& command) {
  std::string text = results.title + "\n";
  for (const Sentence& s : document.verdict) {
    const char* mark = s.tone == Tone::kProtects ? "+" : s.tone == Tone::kExposes ? "!" : " ";
    text += fmt::format("{} {}\n", mark, s.text);
  }
  for (const StepResult& s : results.steps) {
    if (s.result.is_null()) text += fmt::format("no result: {}: {}\n", s.title, s.reason);
  }
  return text + fmt::format("page: {}\n", command.out);
}

// Beside the page.
std::filesystem::path JsonFile(const ReportCommand& command) {
  return std::filesystem::path(command.out).replace_extension(".json");
}

absl::Status WriteReport(const ReportCommand& command, const Document& document, const Json& json) {
  PRIVDNN_RETURN_IF_ERROR(WriteTextFile(command.out, RenderHtml(document)));
  PRIVDNN_RETURN_IF_ERROR(
      WriteTextFile(JsonFile(command), json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  return command.csv.empty() ? absl::OkStatus() : WriteFigures(document, command.csv);
}

// What all results are of: this program, the network, the core neurons, and the data that steps load.
absl::StatusOr<std::string> Subject(const ReportInput& input, const Graph& graph, const Selection& selection) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string program, FileDigest("/proc/self/exe"));
  std::string subject = program + HexEncode(Sha256(ExportOnnx(graph))) + FormatSelection(selection);
  if (input.embedded_images()) return subject;
  PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(input.data));
  PRIVDNN_ASSIGN_OR_RETURN(const DataSetInfo info, FindDataSet(input.images_of()));
  // Each data set lies in a folder of the root.
  const std::string_view folder = info.layout.substr(0, info.layout.find('/'));
  return subject + DataState(std::filesystem::path(root) / folder);
}

// What the attackers get, as --effort and the options beside it say.
Effort EffortOf(const ReportCommand& command) {
  Effort effort = Efforts().at(command.effort);
  effort.samples = command.samples.value_or(effort.samples);
  effort.scratch_epochs = command.scratch_epochs.value_or(effort.scratch_epochs);
  effort.recover_epochs = command.recover_epochs.value_or(effort.recover_epochs);
  effort.obfuscation_images = command.obfuscation_images.value_or(effort.obfuscation_images);
  effort.obfuscation_epochs = command.obfuscation_epochs.value_or(effort.obfuscation_epochs);
  return effort;
}

std::vector<std::pair<std::string, std::string>> Facts(const ReportCommand& command) {
  return {{"model", command.model.Name()},
          {"core neurons", command.input.compact_selection},
          {"images", command.input.embedded_images() ? "1,000 MNIST test images that the program carries"
                                                     : command.input.images_of()},
          {"effort", command.effort},
          {"made", fmt::format("{} (UTC), by privdnn {}", Today(), PRIVDNN_VERSION)}};
}

absl::StatusOr<CommandOutput> Report(ReportCommand command) {
  command.input.effort = EffortOf(command);
  if (std::filesystem::path(command.out).extension() == ".json") {
    return WrongUsage(fmt::format("--out {}: that is where the report's JSON would be", command.out));
  }
  for (const std::string& read : {command.input.selection, command.model.path}) {
    if (read.empty() || !IsSameFile(read, JsonFile(command))) continue;
    return WrongUsage(fmt::format("--out {}: the report's JSON would replace {}", command.out, read));
  }
  for (const std::filesystem::path& file : {std::filesystem::path(command.out), JsonFile(command)}) {
    PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  }
  if (!command.csv.empty()) {
    PRIVDNN_RETURN_IF_ERROR(Annotate(CheckWritable(std::filesystem::path(command.csv) / "figure.csv"), "--csv"));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.LoadClasses());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.input.selection, command.model, graph));
  command.input.model = command.model.path;
  command.input.model_options = command.model.Options();
  command.input.compact_selection = Compact(selection);
  PRIVDNN_ASSIGN_OR_RETURN(const std::string subject, Subject(command.input, graph, selection));
  const std::string work = command.work.empty() ? command.out + ".work" : command.work;
  PrivateDirectory::RemoveAbandoned();  // steps look in a directory of their own only
  const Reporting reporting = ReportingToPeople();
  PRIVDNN_ASSIGN_OR_RETURN(
      StepRunner runner,
      StepRunner::Create(work, subject, {StepsOf(OwnPath(), reporting.go_on, reporting.warn), reporting}));
  command.input.files = runner.files();
  Results results{"Privacy report: " + command.model.Name(), Facts(command), {}};
  PRIVDNN_ASSIGN_OR_RETURN(results, RunSteps(command.input, command.skip, runner, std::move(results)));
  try {
    const Document document = Describe(results);
    CommandOutput output{ReportJson(results, document), Text(results, document, command)};
    output.not_written = WriteReport(command, document, output.json);
    return output;
  } catch (const Json::exception& e) {
    return DataLoss("{}: a step's result there lacks a field: {}; remove it", work, e.what());
  }
}

std::vector<std::string> OptionalParts() {
  std::vector<std::string> names;
  for (const ReportStep& step : ReportSteps()) {
    if (!step.required && std::ranges::find(names, step.part) == names.end()) names.push_back(step.part);
  }
  return names;
}

// Adds the options that override --effort. Returns those that only attackers and users with a data set have.
std::vector<const CLI::Option*> AddEffort(CLI::App* command, ReportCommand& o) {
  command->add_option("--effort", o.effort, "give attackers this much: quick, normal or full")
      ->check(CLI::IsMember(Efforts()))
      ->capture_default_str();
  std::vector<const CLI::Option*> of_data_set;
  const std::string by_effort = "; default: by --effort";
  of_data_set.push_back(
      command
          ->add_option("--samples", o.samples, "give the attacker this many labelled images of a data set" + by_effort)
          ->check(PositiveInt()));
  command->add_option("--scratch-epochs", o.scratch_epochs, "train from nothing for this many epochs" + by_effort)
      ->check(CLI::Range(1, 10000));
  command
      ->add_option("--recover-epochs", o.recover_epochs,
                   "train the encrypted neurons anew for this many epochs" + by_effort)
      ->check(CLI::Range(1, 10000));
  of_data_set.push_back(
      command
          ->add_option("--obfuscation-images", o.obfuscation_images,
                       "train the networks of two users on this many images of a data set, 0: all" + by_effort)
          ->check(NonNegativeInt()));
  of_data_set.push_back(command
                            ->add_option("--obfuscation-epochs", o.obfuscation_epochs,
                                         "train these networks for this many epochs" + by_effort)
                            ->check(CLI::Range(1, 10000)));
  return of_data_set;
}

void AddSubject(CLI::App* command, ReportCommand& o) {
  o.model.AddPositional(command);
  command
      ->add_option("--selection", o.input.selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  command
      ->add_option("--data-set", o.input.data_set,
                   "use a known data set; default with --data: mnist. Without both, the 1,000 embedded MNIST test "
                   "images; the attacker has half of them")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", o.input.data, "find it in this data root; default with --data-set: PRIVDNN_DATA")
      ->type_name(kFolder);
}

void AddFiles(CLI::App* command, ReportCommand& o) {
  command->add_option("--out", o.out, "write this HTML file; the JSON goes beside it, with the extension .json")
      ->type_name(kNewFile)
      ->capture_default_str();
  command->add_option("--csv", o.csv, "write the figures as CSV files and pictures to this directory, which is there")
      ->type_name(kFolder);
  command
      ->add_option("--work", o.work,
                   "keep each step's result in this directory, from which the same command resumes; default: the "
                   "HTML file's name with .work")
      ->type_name(kFolder);
}

}  // namespace

void AddReport(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(
      app, globals, "report",
      "Report what encrypting a selection protects and what it doesn't: attacks, plan and accuracies on one page",
      "privdnn report --out report.html\n"
      "  privdnn report model.onnx --selection s.json --data-set cifar10 --data ~/data --effort "
      "quick");
  const auto o = std::make_shared<ReportCommand>();
  AddSubject(command, *o);
  const auto of_data_set = AddEffort(command, *o);
  command->add_option("--image-budget", o->input.image_budget, "budget this many images, ever, for the package")
      ->check(PositiveInt());
  command->add_option("--skip", o->skip, "leave these steps out")
      ->delimiter(',')
      ->check(CLI::IsMember(OptionalParts()));
  command->add_option("--seed", o->input.seed, "seed all steps; default: their own seeds");
  AddFiles(command, *o);
  AddThreads(command, o->input.threads);
  command->callback([o, of_data_set, &action] {
    for (const CLI::Option* option : of_data_set) {
      if (option->count() > 0 && o->input.embedded_images()) {
        throw CLI::ValidationError(option->get_name(), "needs --data-set or --data");
      }
    }
    action = [o] { return Report(*o); };
  });
}

}  // namespace privdnn
