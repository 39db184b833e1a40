#include "privdnn/cli/inputs.h"

#include <spdlog/spdlog.h>
#include <tbb/info.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>

#include "embedded/lenet5.h"
#include "privdnn/base/file.h"
#include "privdnn/cli/choice.h"
#include "privdnn/graph/preprocess.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// Far above any selection file.
constexpr uint64_t kMaxSelectionBytes = 1 << 20;

const std::map<std::string, Split> kSplits = {{"train", Split::kTrain},
                                              {"test", Split::kTest},
                                              {"validation", Split::kValidationHalf},
                                              {"test-half", Split::kTestHalf}};
const std::map<std::string, bool> kChannelOrders = {{"rgb", false}, {"bgr", true}};
const std::map<std::string, bool> kLayouts = {{"nchw", false}, {"nhwc", true}};
const std::map<std::string, OutputKind> kOutputKinds = {{"classes", OutputKind::kClasses},
                                                        {"binary", OutputKind::kBinary},
                                                        {"multi-label", OutputKind::kMultiLabel},
                                                        {"regression", OutputKind::kRegression}};

// "3,32,32"
absl::StatusOr<std::vector<int64_t>> ParseDimensions(const std::string& text) {
  std::vector<int64_t> dimensions;
  for (std::string_view rest = text;;) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 1) {
      return InvalidArgument("'{}' is not a shape of whole numbers from 1 on, such as 3,32,32", text);
    }
    dimensions.push_back(value);
    if (comma == std::string_view::npos) return dimensions;
    rest = rest.substr(comma + 1);
  }
}

absl::Status AddLabels(const std::string& images, const std::string& labels, ImageSet& set) {
  PRIVDNN_ASSIGN_OR_RETURN(set.labels, LoadLabels(labels));
  if (std::ssize(set.labels) != set.count) {
    return InvalidArgument("{} holds {} images, {} holds {} labels", images, set.count, labels, set.labels.size());
  }
  // The file does not say how many classes there are; a network needs as many as occur.
  set.classes = *std::ranges::max_element(set.labels) + 1;
  return absl::OkStatus();
}

}  // namespace

void InputShape::Add(CLI::App* command, CLI::Option* model) {
  const auto set = [this](const std::string& text) { dimensions = ParseDimensions(text).value(); };
  const auto check = [](const std::string& text) { return Message(ParseDimensions(text).status()); };
  command
      ->add_option_function<std::string>("--input-shape", set,
                                         "take inputs of this shape, such as 3,32,32, where the model leaves it open")
      ->check(CLI::Validator(check, ""))
      ->needs(model);
}

absl::StatusOr<Graph> InputShape::Load(const std::string& path) const {
  auto graph = LoadOnnx(path, {dimensions});
  if (absl::IsFailedPrecondition(graph.status())) {
    return InvalidArgument("{} (--input-shape, such as 3,32,32)", Message(graph.status()));
  }
  if (!graph.ok()) return graph;
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckOneInput(*graph), path));
  return graph;
}

void ModelInput::AddPositional(CLI::App* command) {
  shape.Add(
      command,
      command->add_option("model", path, "read this ONNX model; default: the embedded LeNet-5")->type_name(kFile));
  AddDescription(command);
}
void ModelInput::AddOption(CLI::App* command) {
  shape.Add(
      command,
      command->add_option("--model", path, "read this ONNX model; default: the embedded LeNet-5")->type_name(kFile));
  AddDescription(command);
}

void ModelInput::AddDescription(CLI::App* command) {
  const auto number = CLI::Validator([](const std::string& text) { return Message(ParseFraction(text).status()); }, "");
  const auto numbers = CLI::Validator([](const std::string& text) { return Message(ParseNumbers(text).status()); }, "");
  command
      ->add_option("--scale", scale,
                   "the network reads pixels 0..255 times this number; default: 1/255, or as the model's metadata says")
      ->check(number);
  command
      ->add_option("--mean", mean, "less this, after --scale: one number, or one per channel, with commas between them")
      ->check(numbers);
  command->add_option("--std", deviation, "divided by this, after --mean, likewise")->check(numbers);
  AddChoice(command, "--channels", bgr, "the network reads colours in this order; default: rgb", kChannelOrders);
  AddChoice(command, "--layout", nhwc, "the network reads inputs of this layout; default: nchw", kLayouts);
  AddChoice(command, "--output", output,
            "the network's outputs are scores of classes, probabilities (or logits) of one label or of several, or "
            "values; default: as the network's shape and last operator tell",
            kOutputKinds);
}

std::vector<std::string> ModelInput::Options() const {
  std::vector<std::string> options;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) options.insert(options.end(), {name, value});
  };
  add("--input-shape", fmt::format("{}", fmt::join(shape.dimensions, ",")));
  add("--scale", scale);
  add("--mean", mean);
  add("--std", deviation);
  if (bgr) add("--channels", NameOf(kChannelOrders, *bgr));
  if (nhwc) add("--layout", NameOf(kLayouts, *nhwc));
  if (output) add("--output", NameOf(kOutputKinds, *output));
  return options;
}

absl::StatusOr<Graph> ModelInput::LoadWithOwnOutputs() const {
  const bool described = !scale.empty() || !mean.empty() || !deviation.empty() || bgr || nhwc;
  if (path.empty() && described) {
    return WrongUsage("--scale, --mean, --std, --channels and --layout are for a model of your own");
  }
  if (path.empty()) return ImportOnnx(lenet5::EmbeddedFile("model.onnx"), "embedded model");
  const auto prepared = [&]() -> absl::StatusOr<Graph> {
    PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, shape.Load(path));
    auto said = FindPreprocessing(graph);
    if (!said.ok()) return Annotate(said.status(), path);
    Preprocessing p = *said;
    if (!scale.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(p.scale, ParseFraction(scale));
    }
    if (!mean.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(p.mean, ParseNumbers(mean));
    }
    if (!deviation.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(p.deviation, ParseNumbers(deviation));
    }
    p.bgr = bgr.value_or(p.bgr);
    p.nhwc = nhwc.value_or(p.nhwc);
    auto result = WithPreprocessing(graph, p);
    if (!result.ok()) return Annotate(result.status(), path);
    return result;
  };
  return prepared();
}

absl::StatusOr<Graph> ModelInput::Load() const {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadWithOwnOutputs());
  const absl::StatusOr<OutputKind> found = output ? absl::StatusOr<OutputKind>(*output) : FindOutputKind(graph);
  const auto scored = found.ok() ? WithScores(graph, *found) : found.status();
  if (!scored.ok()) return Annotate(scored.status(), Name());
  return scored->outputs.size() == 1 ? scored : Extract(*scored, {scored->outputs[0].name});
}

absl::StatusOr<Graph> ModelInput::LoadClasses() const {
  PRIVDNN_ASSIGN_OR_RETURN(Graph graph, Load());
  PRIVDNN_ASSIGN_OR_RETURN(const OutputKind kind, FindOutputKind(graph));
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckClasses(kind), Name()));
  return graph;
}

absl::StatusOr<Selection> LoadSelection(const std::string& text, const ModelInput& model, const Graph& graph) {
  if (text.empty() && !model.path.empty()) {
    return WrongUsage(model.path + ": --selection is needed: the default is for the embedded model only");
  }
  if (text.empty()) return ParseSelection(std::string(AsStringView(lenet5::EmbeddedFile("selection.json"))), graph);
  std::error_code ignored;
  if (!std::filesystem::exists(text, ignored)) {
    if (text.find(':') != std::string::npos) return ParseSelection(text, graph);
    return NotFound("{}: no such selection file, and no selection such as 1:0,3;2:5-9 or *:all", text);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(text, kMaxSelectionBytes));
  if (std::ranges::any_of(json, [](unsigned char c) { return c < 0x20 && !std::isspace(c); })) {
    return InvalidArgument("{}: is no selection but binary data", text);
  }
  auto selection = ParseSelection(json, graph);
  if (!selection.ok()) return Annotate(selection.status(), text);
  return selection;
}

absl::StatusOr<std::string> DataRoot(const std::string& option) {
  if (!option.empty()) return option;
  const char* environment = std::getenv("PRIVDNN_DATA");
  if (environment && *environment) return std::string(environment);
  return WrongUsage(
      "no data: give --data DIR or set PRIVDNN_DATA to a directory that holds the data sets "
      "(`privdnn data list` says how)");
}

std::vector<std::string> DataSetNames() {
  std::vector<std::string> names;
  for (const DataSetInfo& info : DataSets()) names.emplace_back(info.name);
  return names;
}

void ImageInput::Add(CLI::App* command, const std::string& otherwise) {
  auto* image_option =
      command
          ->add_option("--images", images,
                       "read images from this file: IDX, NumPy's .npy, or rows of numbers (CSV); default: " + otherwise)
          ->type_name(kFile);
  command->add_option("--labels", labels, "read labels from this file: IDX, .npy, or one a line")
      ->type_name(kFile)
      ->needs(image_option);
  command->add_option("--data-set", data_set, "use a known data set; default with --data: mnist")
      ->check(CLI::IsMember(DataSetNames()))
      ->excludes(image_option);
  command->add_option("--data", data, "find it in this data root; default with --data-set: PRIVDNN_DATA")
      ->type_name(kFolder)
      ->excludes(image_option);
  command
      ->add_option("--split", split,
                   "take its images of train, test (default), or a fixed half of test: validation, test-half")
      ->check(CLI::IsMember(kSplits))
      ->excludes(image_option);
  command->add_option("--skip", skip, "leave out the first N images, as answered by an earlier run")
      ->check(NonNegativeInt());
  command->add_option("--limit", limit, "take only the first N images, of those that are not left out")
      ->check(PositiveInt());
}

absl::StatusOr<ImageSet> ImageInput::Load() const {
  ImageSet set;
  if (!images.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(set, LoadInputs(images));
    if (set.named) spdlog::info("{}: its first line names columns and is left out", images);
    if (!labels.empty()) PRIVDNN_RETURN_IF_ERROR(AddLabels(images, labels, set));
  } else if (!data_set.empty() || !data.empty() || !split.empty()) {
    const std::string name = data_set.empty() ? "mnist" : data_set;
    PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(data));
    const LoadOptions options{tbb::info::default_concurrency(),
                              MakeProgress(std::make_shared<ProgressBar>("loading " + name))};
    PRIVDNN_ASSIGN_OR_RETURN(set, LoadDataSet(name, root, kSplits.at(split.empty() ? "test" : split), options));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(set, ParseIdx(lenet5::EmbeddedFile("t10k-1000-images-idx3-ubyte"), "embedded images",
                                           lenet5::EmbeddedFile("t10k-1000-labels-idx1-ubyte"), "embedded labels", 10));
  }
  if (set.count == 0) return InvalidArgument("no images: half of the test set is empty");
  if (skip >= set.count) return InvalidArgument("--skip {}: there are {} images", skip, set.count);
  if (skip > 0) set = set.Slice(skip, set.count);
  return limit > 0 ? set.Head(limit) : set;
}

absl::StatusOr<ImageSet> ImageInput::LoadFor(const Graph& graph) const {
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet set, Load());
  if (graph.inputs.size() != 1) return InvalidArgument("the network has {} inputs, needs 1", graph.inputs.size());
  const std::vector<int64_t>& shape = graph.inputs[0].shape;
  const absl::Status fits = FitInputs({shape.begin() + 1, shape.end()}, set);
  if (!fits.ok()) return Annotate(fits, images.empty() ? "images" : images);
  if (!labels.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const OutputKind kind, FindOutputKind(graph));
    PRIVDNN_RETURN_IF_ERROR(Annotate(CheckClasses(kind), labels));
  }
  return set;
}

absl::Status CheckClasses(OutputKind kind) {
  if (kind == OutputKind::kClasses) return absl::OkStatus();
  return InvalidArgument(
      "the network's outputs are {}; labels and accuracies are of classes (--output says what outputs are, if that is "
      "wrong)",
      OutputKindName(kind));
}

std::string NearChanceHint(double accuracy, int32_t classes) {
  if (classes < 2 || accuracy > 150.0 / classes) return "";
  return fmt::format(
      "{:.2f} % is near chance ({:.2f} % for {} classes): was the network trained on inputs prepared otherwise? It is "
      "given pixel / 255; --scale, --mean, --std, --channels and --layout say what else it reads",
      accuracy, 100.0 / classes, classes);
}

}  // namespace privdnn
