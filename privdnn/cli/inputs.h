// Models, selections and images as commands take them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "privdnn/cli/command.h"
#include "privdnn/data/dataset.h"
#include "privdnn/graph/output_kind.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

// --input-shape, for models that leave the size of images open.
struct InputShape {
  std::vector<int64_t> dimensions;  // without the batch; empty: not given
  // For the model that `model` names.
  void Add(CLI::App* command, CLI::Option* model);
  // A network with one input. Errors name the file, and the option where it is missing.
  absl::StatusOr<Graph> Load(const std::string& path) const;
};

// A model file given as first argument or by --model; without it, the LeNet-5 that the program carries.
struct ModelInput {
  std::string path;
  InputShape shape = {};
  // What the options say of the network's input and output, beyond the file's metadata.
  std::string scale = {}, mean = {}, deviation = {};
  std::optional<bool> bgr = {}, nhwc = {};
  std::optional<OutputKind> output = {};
  void AddPositional(CLI::App* command);
  void AddOption(CLI::App* command);
  // The network that reads pixel / 255 (see WithPreprocessing) and gives scores (see WithScores). Of several outputs
  // the first counts: it is the only one, and what others alone need is dropped.
  absl::StatusOr<Graph> Load() const;
  // The same for commands that count right predictions: InvalidArgument if its outputs are no classes.
  absl::StatusOr<Graph> LoadClasses() const;
  // The same with the outputs that the model has.
  absl::StatusOr<Graph> LoadWithOwnOutputs() const;
  // The options that describe the model, as a command line gives them to another command.
  std::vector<std::string> Options() const;
  std::string Name() const { return path.empty() ? "LeNet-5 (embedded)" : path; }

 private:
  void AddDescription(CLI::App* command);
};

// --selection: a file or "1:0,3;2:5", for `model`'s network. Empty: the default selection if that is the embedded one;
// another network has none, which is an error.
absl::StatusOr<Selection> LoadSelection(const std::string& text, const ModelInput& model, const Graph& graph);

// Images: --images and --labels (see LoadInputs), or one of the known data sets (--data-set, --data, --split), or the
// 1,000 MNIST test images that the program carries.
struct ImageInput {
  std::string images, labels, data_set, data, split;
  int64_t skip = 0;   // leaves out so many at the front
  int64_t limit = 0;  // 0: all
  // `otherwise`: what is taken if none are named, for the help.
  void Add(CLI::App* command, const std::string& otherwise = "the 1,000 embedded MNIST test images");
  // Labels are all 0 and labelled() false if only --images is given.
  absl::StatusOr<ImageSet> Load() const;
  // The same, in the shape that the network's input has (see FitInputs). InvalidArgument for labels of a network whose
  // outputs are no classes.
  absl::StatusOr<ImageSet> LoadFor(const Graph& graph) const;
  bool labelled() const { return images.empty() || !labels.empty(); }
  // Whether any images were named, rather than those that the program carries.
  bool given() const { return !images.empty() || !data_set.empty() || !data.empty() || !split.empty(); }
};

// InvalidArgument if labels don't say what is right, since outputs are no classes.
absl::Status CheckClasses(OutputKind kind);

// Says that predictions are hardly better than chance, and what is the most frequent cause; empty if they are better.
std::string NearChanceHint(double accuracy, int32_t classes);

// The names that --data-set takes.
std::vector<std::string> DataSetNames();

// --data, or else the environment variable PRIVDNN_DATA; an error that says so if both are missing.
absl::StatusOr<std::string> DataRoot(const std::string& option);

}  // namespace privdnn
