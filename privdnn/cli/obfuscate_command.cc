// obfuscate: a network of its own for each user.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/attack/obfuscate.h"
#include "privdnn/attack/retrain.h"
#include "privdnn/base/bytes.h"
#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/recipe_options.h"
#include "privdnn/cli/training_sets.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/service/pki.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/recipes.h"

namespace privdnn {
namespace {

// The tail knows most of what it needs, but the layer that begins anew takes the full rate.
constexpr int kEpochs = 20;
// That outputs are measured on.
constexpr int64_t kCalibrationImages = 1000;

struct ObfuscateCommand {
  ModelInput model;
  std::string selection, user, data_set, data, out, checkpoint;
  int64_t hold_out = 0;
  std::optional<int64_t> samples;
  std::optional<uint64_t> seed;
  double max_loss = 0.5;
  bool no_mixing = false, keep_next = false;
  int64_t kernel = 1;
  int threads = 1;
  RecipeOptions recipe;
};

// The recipe of the model's architecture, or for other models the defaults.
Recipe RecipeFor(const Graph& graph) {
  auto recipe = FindRecipe(graph.name);
  return recipe.ok() ? *std::move(recipe) : Recipe{"mnist", {}};
}

TrainOptions Options(const ObfuscateCommand& command, TrainOptions options) {
  options.epochs = kEpochs;
  options.half_size_epochs = 0;
  options = command.recipe.Apply(options);
  options.seed = command.seed.value_or(1);
  options.threads = command.threads;
  options.checkpoint = command.checkpoint;
  return options;
}

// Secret, unless --seed says otherwise; then other ones for each user.
std::unique_ptr<RandomSource> Randomness(const ObfuscateCommand& command) {
  if (!command.seed) return std::make_unique<SystemRandom>();
  spdlog::warn("kernels drawn by --seed {} are for experiments: whoever knows it knows them", *command.seed);
  const auto digest = Sha256(AsBytes(command.user));
  uint64_t stream = 0;
  std::memcpy(&stream, digest.data(), sizeof(stream));
  return std::make_unique<DeterministicRandom>(*command.seed, stream);
}

// Where a training that is to go on later keeps what it started from: secret kernels are drawn only once. Another
// model, selection or way to obfuscate has another start.
std::string StartFile(const ObfuscateCommand& command, const Graph& graph, const Selection& selection) {
  const std::string what =
      fmt::format("{} {} {} {} {}", HexEncode(Sha256(ExportOnnx(graph))), FormatSelection(selection), command.kernel,
                  command.no_mixing, command.keep_next);
  return fmt::format("{}.{}.{}.onnx", command.checkpoint, command.user, HexEncode(Sha256(AsBytes(what))).substr(0, 8));
}

// `start`, from a file, in the place of a network that was drawn anew from the same model. FailedPrecondition if they
// differ in more than what is drawn.
absl::Status TakeUp(const Graph& start, const Selection& selection, ObfuscatedNetwork& network) {
  PRIVDNN_ASSIGN_OR_RETURN(const HiddenWeights hidden, FindHiddenWeights(network.graph, selection));
  bool same = start.nodes == network.graph.nodes;
  for (const auto& [name, tensor] : network.graph.initializers) {
    const auto found = start.initializers.find(name);
    same = same && found != start.initializers.end() && found->second.shape == tensor.shape;
    if (!same) break;
    if (!network.rates.contains(name)) continue;
    const auto core = hidden.core.find(name);
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const bool drawn = core != hidden.core.end() && core->second[i];
      same = same && (drawn || found->second.values[i] == tensor.values[i]);
    }
  }
  if (!same) return FailedPrecondition("the start of a training with another model, selection or kernel");
  network.graph = start;
  return absl::OkStatus();
}

absl::Status KeepStart(const std::string& path, const Selection& selection, ObfuscatedNetwork& network) {
  std::error_code failed;
  if (std::filesystem::exists(path, failed)) {
    spdlog::info("the secret kernels are those of {}", path);
  } else {
    PRIVDNN_RETURN_IF_ERROR(SaveOnnx(network.graph, path));
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                                 failed);
    if (failed) return FailedPrecondition("{}: {}", path, failed.message());
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph start, LoadOnnx(path));
  return Annotate(TakeUp(start, selection, network), path);
}

Json LayersJson(const ObfuscatedNetwork& network) {
  Json json = Json::array();
  for (const ObfuscatedLayer& layer : network.layers) {
    json.push_back({{"layer", layer.number},
                    {"core_neurons", layer.neurons},
                    {"secret_numbers", layer.secret_numbers},
                    {"kernel_before", layer.kernel_before},
                    {"kernel_after", layer.kernel_after}});
  }
  return json;
}

// What came of it.
struct ObfuscateResult {
  Selection selection;
  ObfuscatedNetwork network;
  std::string data_set;
  TrainOptions options;
  int64_t training_images = 0, validation_images = 0, test_images = 0;
  size_t epochs = 0;
  double seconds = 0;
  // Percent, of validation images: the original, the new network before training, and after it.
  double original = 0, before = 0, after = 0;
  double test_original = 0;  // of test images
  SelectionAccuracy test = {};
  absl::Status not_written;  // why the network is in no file

  double loss() const { return original - after; }
};

bool Kept(const ObfuscateCommand& command, const ObfuscateResult& r) { return r.loss() <= command.max_loss; }

Json ObfuscateJson(const ObfuscateCommand& command, const ObfuscateResult& r) {
  return {{"model", command.model.Name()},
          {"user", command.user},
          {"selection", Json::parse(FormatSelection(r.selection))},
          {"out", command.out},
          {"layers", LayersJson(r.network)},
          {"mixed", !command.no_mixing},
          {"weights_renewed", r.network.renewed},
          {"data_set", r.data_set},
          {"training_images", r.training_images},
          {"epochs", r.epochs},
          {"seconds", r.seconds},
          {"validation_images", r.validation_images},
          {"validation_accuracy_original", r.original},
          {"validation_accuracy_before_training", r.before},
          {"validation_accuracy", r.after},
          {"loss", r.loss()},
          {"max_loss", command.max_loss},
          {"kept", Kept(command, r)},
          {"test_images", r.test_images},
          {"test_accuracy_original", r.test_original},
          {"test_accuracy", r.test.original},
          {"test_accuracy_without_core", r.test.removed},
          {"options", RecipeJson(r.options)}};
}

std::string ObfuscateText(const ObfuscateCommand& command, const ObfuscateResult& r) {
  FactTable table(fmt::format("{}: {} obfuscated for {}", command.out, command.model.Name(), command.user));
  for (const ObfuscatedLayer& layer : r.network.layers) {
    const std::string kernel = layer.kernel_after == layer.kernel_before
                                   ? ""
                                   : fmt::format(", kernel {} instead of {}", fmt::join(layer.kernel_after, "x"),
                                                 fmt::join(layer.kernel_before, "x"));
    table.Add(fmt::format("layer {}", layer.number),
              fmt::format("{} core neurons, {} secret numbers{}", layer.neurons, layer.secret_numbers, kernel));
  }
  table.Add("trained", fmt::format("{} epochs on {} images of {}", r.epochs, r.training_images, r.data_set));
  table.Add("validation images",
            fmt::format("{:.2f} %, before training {:.2f} %, original {:.2f} %", r.after, r.before, r.original));
  table.Add("test images, whole and separated",
            fmt::format("{:.2f} %, original {:.2f} %", r.test.original, r.test_original));
  table.Add("A_r, core neurons removed", fmt::format("{:.2f} %", r.test.removed));
  std::string text = table.Render();
  if (!Kept(command, r)) {
    text += fmt::format("It lost {:.2f} points, which is more than --max-loss {}: train longer (--epochs)\n", r.loss(),
                        command.max_loss);
  }
  return text;
}

absl::StatusOr<TrainingSets> LoadSets(const ObfuscateCommand& command, const ObfuscateResult& r) {
  PRIVDNN_ASSIGN_OR_RETURN(TrainingSets sets,
                           LoadTrainingSets(r.data_set, command.data, command.hold_out, command.threads));
  if (command.samples) {
    PRIVDNN_ASSIGN_OR_RETURN(sets.train, DrawSamples(sets.train, *command.samples, r.options.seed));
  }
  return sets;
}

// Evaluates what there is before training.
absl::Status JudgeBefore(const Graph& graph, const TrainingSets& sets, ObfuscateResult& r) {
  const auto evaluating = [](const char* what, const ImageSet& set, const char* unit) {
    return Evaluating(what, set.count, unit);
  };
  PRIVDNN_ASSIGN_OR_RETURN(
      r.original, Accuracy(graph, sets.validation, evaluating("the original", sets.validation, "validation images")));
  PRIVDNN_ASSIGN_OR_RETURN(r.test_original,
                           Accuracy(graph, sets.test, evaluating("the original", sets.test, "test images")));
  PRIVDNN_ASSIGN_OR_RETURN(r.before,
                           Accuracy(r.network.graph, sets.validation,
                                    evaluating("what there is before", sets.validation, "validation images")));
  return absl::OkStatus();
}

// Trains what follows the new neurons, writes the network and judges it.
absl::Status TrainTail(const ObfuscateCommand& command, const TrainingSets& sets, ObfuscateResult& r) {
  const auto start = std::chrono::steady_clock::now();
  r.options.rates = r.network.rates;
  r.options.on_epoch = [&r](const EpochReport& e) {
    spdlog::info("epoch {} of {}: loss {:.4f}, validation accuracy {:.2f} %, before obfuscation {:.2f} %", e.epoch,
                 r.options.epochs, e.train_loss, e.validation_accuracy, r.original);
  };
  const std::string label = TrainingLabel("training", r.options.epochs, sets.train.count);
  PRIVDNN_ASSIGN_OR_RETURN(const TrainResult result, Train(r.network.graph, sets.train, sets.validation, r.options,
                                                           MakeProgress(std::make_shared<ProgressBar>(label))));
  r.options.on_epoch = nullptr;
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  r.not_written = SaveOnnx(result.graph, command.out);
  const auto test = EvaluateSelection(result.graph, r.selection, sets.test,
                                      Evaluating("the selection", sets.test.count, "test images"));
  if (!test.ok()) return NotEvaluated(test.status(), r.not_written.ok() ? command.out : "");
  r.test = *test;
  r.epochs = result.epochs.size();
  r.after = result.validation_accuracy;
  return absl::OkStatus();
}

absl::StatusOr<CommandOutput> Obfuscate(const ObfuscateCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(command.user));
  for (const std::string& file : {command.out, command.checkpoint}) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.LoadClasses());
  ObfuscateResult r;
  PRIVDNN_ASSIGN_OR_RETURN(r.selection, LoadSelection(command.selection, command.model, graph));
  const Recipe recipe = RecipeFor(graph);
  r.data_set = command.data_set.empty() ? recipe.data_set : command.data_set;
  r.options = Options(command, recipe.options);
  SetExecutorThreads(r.options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const TrainingSets sets, LoadSets(command, r));
  r.training_images = sets.train.count;
  r.validation_images = sets.validation.count;
  r.test_images = sets.test.count;
  const auto random = Randomness(command);
  PRIVDNN_ASSIGN_OR_RETURN(r.network, Obfuscate(graph, r.selection, sets.train.Head(kCalibrationImages),
                                                {command.kernel, !command.no_mixing, !command.keep_next}, *random));
  if (!command.checkpoint.empty()) {
    PRIVDNN_RETURN_IF_ERROR(KeepStart(StartFile(command, graph, r.selection), r.selection, r.network));
  }
  PRIVDNN_RETURN_IF_ERROR(JudgeBefore(graph, sets, r));
  PRIVDNN_RETURN_IF_ERROR(TrainTail(command, sets, r));
  return CommandOutput{ObfuscateJson(command, r), ObfuscateText(command, r), !Kept(command, r), r.not_written};
}

}  // namespace

void AddObfuscate(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "obfuscate",
                 "Make another network for each user, so that core neurons stolen from one are worth less in others",
                 "privdnn obfuscate model.onnx --selection selection.json --user alice --data ~/data "
                 "--out alice.onnx");
  const auto o = std::make_shared<ObfuscateCommand>();
  o->model.AddPositional(command);
  command
      ->add_option("--selection", o->selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  command->add_option("--user", o->user, "make the network for this user")->required();
  command->add_option("--out", o->out, "write this ONNX file, to be encrypted with the same selection")
      ->type_name(kNewFile)
      ->required();
  command
      ->add_option("--data-set", o->data_set,
                   "train the tail on this data set; default: the architecture's own, otherwise mnist")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", o->data, "find it in this data root; default: PRIVDNN_DATA")->type_name(kFolder);
  AddHoldOut(command, o->hold_out);
  command->add_option("--samples", o->samples, "train on this many of the images, drawn at random; default: all")
      ->check(PositiveInt());
  command
      ->add_option(
          "--kernel", o->kernel,
          "give the secret kernels this side, odd; above 1, the layer's own kernels, the package and times grow")
      ->check(CLI::Range(1, 15))
      ->capture_default_str();
  command->add_flag("--no-mixing", o->no_mixing,
                    "make each new neuron from its old one alone, not from all core neurons");
  command->add_flag("--keep-next", o->keep_next, "train the layer behind from its present weights, not from nothing");
  command
      ->add_option("--max-loss", o->max_loss,
                   "exit with code 1 if more than this many points of validation accuracy are lost")
      ->check(NonNegativeNumber())
      ->capture_default_str();
  command->add_option("--seed", o->seed,
                      "draw reproducible kernels, for experiments; default: secret ones, from the system's randomness");
  command
      ->add_option(
          "--checkpoint", o->checkpoint,
          "keep the state of unfinished training in this file; the same command resumes from it. Its starting network "
          "lies "
          "beside it, as FILE.USER.DIGEST.onnx. Both are as secret as the model and stay until you remove them")
      ->type_name(kNewFile);
  AddThreads(command, o->threads);
  o->recipe.Add(command, fmt::format("Training of the tail (default: the architecture's recipe, {} epochs)", kEpochs));
  command->callback([o, &action] { action = [o] { return Obfuscate(*o); }; });
}

}  // namespace privdnn
