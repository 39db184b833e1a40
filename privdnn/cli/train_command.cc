#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/recipe_options.h"
#include "privdnn/cli/training_sets.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/graph/preprocess.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/recipes.h"

namespace privdnn {
namespace {

// What is not given comes from the architecture's recipe.
struct TrainCommand {
  std::string architecture = "lenet5-mnist", data, out, checkpoint, initial;
  InputShape initial_shape;
  std::optional<std::string> data_set;
  RecipeOptions recipe;
  uint64_t seed = 1;
  int threads = 1;
  int64_t hold_out = 0;
  bool no_augmentation = false;
};

TrainOptions Options(const TrainCommand& command, TrainOptions options) {
  if (command.no_augmentation) options.augmentation = Augmentation::None();
  options = command.recipe.Apply(options);
  options.seed = command.seed;
  options.threads = command.threads;
  options.checkpoint = command.checkpoint;
  return options;
}

// A model goes on as what every command takes it for: what its metadata says of its input is in the network.
absl::StatusOr<Graph> InitialGraph(const TrainCommand& command, int32_t classes) {
  const ModelInput initial{.path = command.initial, .shape = command.initial_shape};
  if (!command.initial.empty()) return initial.LoadWithOwnOutputs();
  return BuildArchitecture(command.architecture, command.seed, classes);
}

absl::StatusOr<CommandOutput> Train(const TrainCommand& command) {
  for (const std::string& file : {command.out, command.checkpoint}) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  PRIVDNN_ASSIGN_OR_RETURN(const Recipe recipe, FindRecipe(command.architecture));
  const std::string data_set = command.data_set.value_or(recipe.data_set);
  TrainOptions options = Options(command, recipe.options);
  PRIVDNN_ASSIGN_OR_RETURN(const TrainingSets sets,
                           LoadTrainingSets(data_set, command.data, command.hold_out, command.threads));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph initial, InitialGraph(command, sets.train.classes));

  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  int epochs_now = 0;  // without those that a checkpoint holds
  options.on_epoch = [&](const EpochReport& e) {
    spdlog::info("epoch {:3} of {}: loss {:.4f}, validation accuracy {:.2f} %, {:.1f} s", e.epoch, options.epochs,
                 e.train_loss, e.validation_accuracy, seconds());
    ++epochs_now;
  };
  SetExecutorThreads(options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(
      const TrainResult result,
      Train(initial, sets.train, sets.validation, options,
            MakeProgress(std::make_shared<ProgressBar>(TrainingLabel("training", options.epochs, sets.train.count)))));
  const double seconds_per_epoch = epochs_now > 0 ? seconds() / epochs_now : 0;
  // The normalisation lies in the first layer: what the network reads is what every command gives.
  Graph trained = result.graph;
  for (const auto& [key, value] : PreprocessingMetadata({})) trained.metadata[key] = value;
  const absl::Status not_written = SaveOnnx(trained, command.out);
  const std::string written = not_written.ok() ? command.out : "";
  constexpr std::array<int64_t, 2> kRanks = {1, 5};
  const auto validation = TopAccuracies(result.graph, sets.validation, kRanks,
                                        Evaluating("what came of it", sets.validation.count, "validation images"));
  if (!validation.ok()) return NotEvaluated(validation.status(), written);
  const auto test =
      TopAccuracies(result.graph, sets.test, kRanks, Evaluating("what came of it", sets.test.count, "test images"));
  if (!test.ok()) return NotEvaluated(test.status(), written);
  CommandOutput output;
  output.json = {{"architecture", command.architecture},
                 {"data_set", data_set},
                 {"classes", sets.train.classes},
                 {"model", command.out},
                 {"epochs", result.epochs.size()},
                 {"seconds_per_epoch", seconds_per_epoch},
                 {"seed", options.seed},
                 {"training_images", sets.train.count},
                 {"validation_images", sets.validation.count},
                 {"validation_accuracy", (*validation)[0]},
                 {"validation_top5_accuracy", (*validation)[1]},
                 {"test_images", sets.test.count},
                 {"test_accuracy", (*test)[0]},
                 {"test_top5_accuracy", (*test)[1]}};
  output.text = fmt::format(
      "{}: {:.2f} % of {} test images right, {:.2f} % among the first 5 of {} classes ({:.2f} and {:.2f} % of {} "
      "validation images)\n",
      command.out, (*test)[0], sets.test.count, (*test)[1], sets.train.classes, (*validation)[0], (*validation)[1],
      sets.validation.count);
  output.not_written = not_written;
  return output;
}

}  // namespace

void AddTrain(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "train", "Train a network of the paper on your own data files",
                             "privdnn train --arch lenet5-mnist --data ~/data --out model.onnx");
  const auto o = std::make_shared<TrainCommand>();
  command->add_option("--arch", o->architecture, "train this architecture")
      ->check(CLI::IsMember(ArchitectureNames()))
      ->capture_default_str();
  command->add_option("--data-set", o->data_set, "train on this data set; default: the architecture's own")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", o->data, "find it in this data root; default: PRIVDNN_DATA")->type_name(kFolder);
  command->add_option("--out", o->out, "write this ONNX file")->type_name(kNewFile)->required();
  o->initial_shape.Add(
      command, command->add_option("--init", o->initial, "train this ONNX model further, instead of a new network")
                   ->type_name(kFile));
  AddHoldOut(command, o->hold_out);
  command->add_option("--seed", o->seed, "seed initial weights, order and augmentation")->capture_default_str();
  command
      ->add_option("--checkpoint", o->checkpoint,
                   "keep the state of unfinished training in this file; the same command resumes from it")
      ->type_name(kNewFile);
  AddThreads(command, o->threads);
  constexpr char kGroup[] = "Recipe (default: the architecture's own)";
  o->recipe.Add(command, kGroup);
  command
      ->add_flag("--no-augmentation", o->no_augmentation, "use images as they are, apart from the three options above")
      ->group(kGroup);
  command->callback([o, &action] { action = [o] { return Train(*o); }; });
}

}  // namespace privdnn
