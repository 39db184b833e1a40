#include "privdnn/cli/inputs.h"

#include <tbb/info.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "embedded/lenet5.h"
#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

// Far above any selection file.
constexpr uint64_t kMaxSelectionBytes = 1 << 20;

const std::map<std::string, Split> kSplits = {{"train", Split::kTrain},
                                              {"test", Split::kTest},
                                              {"validation", Split::kValidationHalf},
                                              {"test-half", Split::kTestHalf}};

}  // namespace

void ModelInput::AddPositional(CLI::App* command) {
  command->add_option("model", path, "read this ONNX model; default: the embedded LeNet-5");
}
void ModelInput::AddOption(CLI::App* command) {
  command->add_option("--model", path, "read this ONNX model; default: the embedded LeNet-5");
}

absl::StatusOr<Graph> ModelInput::Load() const {
  if (path.empty()) return ImportOnnx(lenet5::EmbeddedFile("model.onnx"), "embedded model");
  return LoadOnnx(path);
}

absl::StatusOr<Selection> LoadSelection(const std::string& text, const ModelInput& model, const Graph& graph) {
  if (text.empty() && !model.path.empty()) {
    return WrongUsage(model.path + ": --selection is needed: the default is for the embedded model only");
  }
  if (text.empty()) return ParseSelection(std::string(AsStringView(lenet5::EmbeddedFile("selection.json"))), graph);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(text, ignored)) {
    if (text.find(':') == std::string::npos) return NotFound("{}: no such selection file", text);
    return ParseSelection(text, graph);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(text, kMaxSelectionBytes));
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
  auto* image_option = command->add_option("--images", images, "read images from this IDX file; default: " + otherwise);
  command->add_option("--labels", labels, "read labels from this IDX file")->needs(image_option);
  command->add_option("--data-set", data_set, "use a known data set; default with --data: mnist")
      ->check(CLI::IsMember(DataSetNames()))
      ->excludes(image_option);
  command->add_option("--data", data, "find it in this data root; default with --data-set: PRIVDNN_DATA")
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
  if (!images.empty() && !labels.empty()) {
    constexpr int32_t kAnyLabel = 256;
    PRIVDNN_ASSIGN_OR_RETURN(set, LoadIdx(images, labels, kAnyLabel));
    // The file does not say how many classes there are; a network needs as many as occur.
    set.classes = *std::ranges::max_element(set.labels) + 1;
  } else if (!images.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(set, LoadIdxImages(images));
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

}  // namespace privdnn
