#include "privdnn/cli/attack_retrain_command.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "privdnn/attack/retrain.h"
#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/recipe_options.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/recipes.h"

namespace privdnn {
namespace {

// Of the images that the program carries, so many at the front are the attacker's; the others report.
constexpr int64_t kEmbeddedSamples = 500;
constexpr int64_t kDefaultSamples = 1000;
// As in the paper.
constexpr int kScratchEpochs = 512;
constexpr int kRecoverEpochs = 64;
constexpr char kBefore[] = "before training";
const std::string kTrainingGroup = "Training";

const std::map<std::string, Split> kSampleSplits = {{"train", Split::kTrain}, {"validation", Split::kValidationHalf}};

// What both attacks are asked for.
struct AttackCommand {
  ModelInput model;
  std::string selection, data_set, data, split = "train", out, checkpoint;
  std::optional<int64_t> samples, hold_out;
  int patience = 0;
  uint64_t seed = 1;
  int threads = 1;
  bool augmentation = false;
  RecipeOptions recipe;
};
struct RecoverCommand : AttackCommand {
  bool freeze = false, knows_cut = false;
};
struct TransplantCommand : RecoverCommand {
  std::string from;
};

// The attacker's images, if it trains, those that it holds out to choose the epoch, and those that its network is
// judged by.
struct AttackImages {
  ImageSet samples, held_out, test;
  std::string samples_from, test_from;
};

absl::StatusOr<AttackImages> LoadImages(const AttackCommand& command, bool trains) {
  AttackImages images;
  ImageSet pool;
  if (command.data_set.empty() && command.data.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const ImageSet all, ImageInput().Load());
    pool = all.Head(kEmbeddedSamples);
    images.test = all.Slice(kEmbeddedSamples, all.count);
    images.samples_from =
        fmt::format("the first {} of {} MNIST test images that the program carries", pool.count, all.count);
    images.test_from = fmt::format("the other {} that the program carries", images.test.count);
  } else {
    const std::string name = command.data_set.empty() ? "mnist" : command.data_set;
    PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(command.data));
    const LoadOptions options{command.threads, MakeProgress(std::make_shared<ProgressBar>("loading " + name))};
    if (trains) {
      PRIVDNN_ASSIGN_OR_RETURN(pool, LoadDataSet(name, root, kSampleSplits.at(command.split), options));
    }
    PRIVDNN_ASSIGN_OR_RETURN(images.test, LoadDataSet(name, root, Split::kTestHalf, options));
    images.samples_from = fmt::format("{}, {}", name, command.split);
    images.test_from = fmt::format("{}, test-half", name);
  }
  if (!trains) return images;
  const int64_t count = command.samples.value_or(std::min(kDefaultSamples, pool.count));
  auto drawn = DrawSamples(pool, count, command.seed);
  if (!drawn.ok()) return Annotate(drawn.status(), images.samples_from);
  const int64_t held_out = command.hold_out.value_or(command.patience > 0 ? std::max<int64_t>(count / 10, 1) : 0);
  if (held_out >= count) return InvalidArgument("{} samples, of which {} cannot be held out", count, held_out);
  images.samples = drawn->Head(count - held_out);
  images.held_out = drawn->Slice(count - held_out, count);
  return images;
}

// The architecture's recipe, if the model is one of those, but for as many epochs as the attack takes and with images
// as they are.
absl::StatusOr<TrainOptions> Options(const AttackCommand& command, const Graph& graph, int epochs) {
  TrainOptions options;
  const std::vector<std::string> known = ArchitectureNames();
  if (std::ranges::find(known, graph.name) != known.end()) {
    PRIVDNN_ASSIGN_OR_RETURN(const Recipe recipe, FindRecipe(graph.name));
    options = recipe.options;
  }
  options.epochs = epochs;
  options.half_size_epochs = 0;
  if (!command.augmentation) options.augmentation = Augmentation::None();
  options = command.recipe.Apply(options);
  options.patience = command.patience;
  options.seed = command.seed;
  options.threads = command.threads;
  options.checkpoint = command.checkpoint;
  return options;
}

// What an attack starts from and how its figures are called.
struct Attack {
  AttackNetwork network;
  TrainOptions options;
  std::string name, title;
  std::string before;           // training
  std::string after;            // the paper's symbol for it; empty: it doesn't train
  const Graph* from = nullptr;  // whose core neurons it has
};

// Trains, if it does, and reports; a selection adds A_s and A_r.
absl::StatusOr<CommandOutput> RunAttack(const AttackCommand& command, const Graph& graph,
                                        const std::optional<Selection>& selection, const Attack& attack, Json json) {
  const auto& [network, options, name, title, before_label, symbol, from] = attack;
  const bool trains = !symbol.empty();
  SetExecutorThreads(options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const AttackImages images, LoadImages(command, trains));
  FactTable table(title);
  json["model"] = command.model.Name();
  if (trains) {
    json["samples"] = images.samples.count + images.held_out.count;
    json["samples_from"] = images.samples_from;
    json["samples_held_out"] = images.held_out.count;
    table.Add("the attacker's images", fmt::format("{} of {}", json["samples"].get<int64_t>(), images.samples_from));
  }
  json["test_images"] = images.test.count;
  json["test_images_from"] = images.test_from;
  json["weights"] = network.weights;
  json["weights_unknown"] = network.unknown;
  table.Add("judged by", fmt::format("{} images: {}", images.test.count, images.test_from));
  table.Add("weights that it doesn't know", fmt::format("{} of {}", network.unknown, network.weights));

  const int64_t count = images.test.count;
  if (selection) {
    PRIVDNN_ASSIGN_OR_RETURN(const SelectionAccuracy accuracy,
                             EvaluateSelection(graph, *selection, images.test, Evaluating("the selection", count)));
    json["selection"] = Json::parse(FormatSelection(*selection));
    AddAccuracies(accuracy, json, table);
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(const double original, Accuracy(graph, images.test, Evaluating("the network", count)));
    json["accuracy_original"] = original;
    table.Add("A_o, original", fmt::format("{:.2f} %", original));
  }
  if (from) {
    PRIVDNN_ASSIGN_OR_RETURN(const double source,
                             Accuracy(*from, images.test, Evaluating("the network that was robbed", count)));
    json["accuracy_original_from"] = source;
    table.Add("A_o of the network that was robbed", fmt::format("{:.2f} %", source));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const double before,
                           Accuracy(network.graph, images.test, Evaluating("what there is before", count)));
  json["accuracy_before_training"] = before;
  table.Add(before_label, fmt::format("{:.2f} %", before));
  if (!trains) return CommandOutput{std::move(json), table.Render()};

  const auto start = std::chrono::steady_clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(
      const TrainResult result,
      Retrain(network, images.samples, images.held_out, options,
              MakeProgress(std::make_shared<ProgressBar>(TrainingLabel(name, options.epochs, images.samples.count)))));
  json["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!command.out.empty()) {
    PRIVDNN_RETURN_IF_ERROR(SaveOnnx(result.graph, command.out));
    json["out"] = command.out;
  }
  constexpr std::array<int64_t, 2> kRanks = {1, 5};
  const auto reached = TopAccuracies(result.graph, images.test, kRanks, Evaluating("what came of it", count));
  if (!reached.ok()) return NotEvaluated(reached.status(), command.out);
  json["accuracy_after_training"] = (*reached)[0];
  json["accuracy_after_training_top5"] = (*reached)[1];
  json["epochs"] = result.epochs.size();
  json["final_loss"] = result.epochs.back().train_loss;
  if (images.held_out.count > 0) json["held_out_accuracy"] = result.validation_accuracy;
  json["options"] = RecipeJson(options);
  table.Add(fmt::format("{}, after {} epochs", symbol, result.epochs.size()), fmt::format("{:.2f} %", (*reached)[0]));
  return CommandOutput{std::move(json), table.Render()};
}

std::string TrainingTitle(const AttackCommand& command) {
  return fmt::format("{} attacked by training", command.model.Name());
}

absl::StatusOr<CommandOutput> Scratch(const AttackCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  std::optional<Selection> selection;
  if (!command.selection.empty() || command.model.path.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(selection, LoadSelection(command.selection, command.model, graph));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kScratchEpochs));
  return RunAttack(command, graph, selection,
                   {ScratchNetwork(graph, command.seed), options, "scratch", TrainingTitle(command), kBefore,
                    "A_t, trained from nothing"},
                   {{"attack", "scratch"}});
}

RecoverOptions Knowledge(const RecoverCommand& command) {
  RecoverOptions options{.knows_cut = command.knows_cut, .seed = command.seed};
  if (command.freeze) options.known_rate = 0;
  return options;
}

absl::StatusOr<CommandOutput> Recover(const RecoverCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  const RecoverOptions recover = Knowledge(command);
  PRIVDNN_ASSIGN_OR_RETURN(const AttackNetwork network, RecoverNetwork(graph, selection, recover));
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kRecoverEpochs));
  return RunAttack(command, graph, selection,
                   {network, options, "recover", TrainingTitle(command), kBefore, "A_rec, core neurons trained anew"},
                   {{"attack", "recover"}, {"known_rate", recover.known_rate}, {"knows_cut", recover.knows_cut}});
}

absl::StatusOr<CommandOutput> Transplant(const TransplantCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph from, LoadOnnx(command.from));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  const RecoverOptions recover = Knowledge(command);
  PRIVDNN_ASSIGN_OR_RETURN(const AttackNetwork network, TransplantNetwork(from, graph, selection, recover));
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kRecoverEpochs));
  return RunAttack(
      command, graph, selection,
      {network, options, "transplant", fmt::format("{} with core neurons of {}", command.model.Name(), command.from),
       "with the stolen core neurons", command.samples ? "with the stolen core neurons, trained" : "", &from},
      {{"attack", "transplant"},
       {"from", command.from},
       {"known_rate", recover.known_rate},
       {"knows_cut", recover.knows_cut}});
}

void AddOptions(CLI::App* command, AttackCommand& o, const std::string& epochs) {
  o.model.AddPositional(command);
  command->add_option("--selection", o.selection, "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  command
      ->add_option("--data-set", o.data_set,
                   "a known data set; default with --data: mnist. Without both, the attacker has half of the 1,000 "
                   "MNIST test images carried along, and the other half reports")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", o.data, "data root that holds it; default with --data-set: PRIVDNN_DATA");
  command
      ->add_option("--split", o.split,
                   "the attacker's images: train, or validation, the half of the test images that the authors use; "
                   "test-half reports")
      ->check(CLI::IsMember(kSampleSplits))
      ->capture_default_str();
  command->add_option("--samples", o.samples, "how many of them, drawn at random; default: 1000, or all of fewer")
      ->check(PositiveInt());
  command
      ->add_option("--hold-out", o.hold_out,
                   "so many of the samples choose the epoch instead of training; default: none, with --patience a "
                   "tenth")
      ->check(PositiveInt());
  command->add_option("--patience", o.patience, "end after so many epochs in which the held-out samples got no better")
      ->check(PositiveInt());
  command->add_option("--seed", o.seed, "of samples, new weights and order")->capture_default_str();
  command->add_option("--out", o.out, "ONNX file to write the attacker's network to");
  command->add_option("--checkpoint", o.checkpoint,
                      "file for the state of an unfinished training; the same command goes on from it");
  AddThreads(command, o.threads);
  const std::string group =
      kTrainingGroup + " (default: as the architecture's recipe, " + epochs + " epochs, images as they are)";
  o.recipe.Add(command, group);
  command->add_flag("--augmentation", o.augmentation, "random changes to images, as in the recipe")->group(group);
}

void AddKnowledge(CLI::App* command, RecoverCommand& o) {
  command->add_flag("--freeze", o.freeze, "keep the plaintext weights; else they train at a tenth of the rate");
  command->add_flag("--knows-cut", o.knows_cut,
                    "let the attacker know the weights from core neurons to plaintext neurons, which no package holds, "
                    "as the authors do");
}

}  // namespace

void AddAttackScratch(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "scratch",
                             "A_t: what the network's architecture learns from the attacker's own images alone",
                             "privdnn attack scratch model.onnx --data ~/data --samples 1000");
  const auto o = std::make_shared<AttackCommand>();
  AddOptions(command, *o, std::to_string(kScratchEpochs));
  command->callback([o, &action] { action = [o] { return Scratch(*o); }; });
}

void AddAttackRecover(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "recover",
                             "A_rec: what a package's plaintext weights are worth once the others are trained anew",
                             "privdnn attack recover model.onnx --selection selection.json --data ~/data --freeze");
  const auto o = std::make_shared<RecoverCommand>();
  AddOptions(command, *o, std::to_string(kRecoverEpochs));
  AddKnowledge(command, *o);
  command->callback([o, &action] { action = [o] { return Recover(*o); }; });
}

void AddAttackTransplant(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "transplant",
                             "Core neurons stolen from one user's network, in the plaintext part of another's; with "
                             "--samples, trained on from there",
                             "privdnn attack transplant alice.onnx bob.onnx --selection selection.json --data ~/data");
  const auto o = std::make_shared<TransplantCommand>();
  command->add_option("from", o->from, "ONNX model whose core neurons were stolen")->required();
  AddOptions(command, *o, std::to_string(kRecoverEpochs));
  AddKnowledge(command, *o);
  // What only a training takes.
  CLI::Option* samples = command->get_option("--samples");
  samples->description("train on so many of the attacker's images, drawn at random; default: it doesn't train");
  for (CLI::Option* option : command->get_options()) {
    if (option->get_group().starts_with(kTrainingGroup)) option->needs(samples);
  }
  for (const char* name : {"--split", "--hold-out", "--patience", "--out", "--checkpoint", "--freeze"}) {
    command->get_option(name)->needs(samples);
  }
  command->callback([o, &action] { action = [o] { return Transplant(*o); }; });
}

}  // namespace privdnn
