#include "privdnn/cli/attack_retrain_command.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "privdnn/attack/retrain.h"
#include "privdnn/attack/trainable.h"
#include "privdnn/base/file.h"
#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/recipe_options.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/graph/normalization.h"
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
  for (const std::string& file : {command.out, command.checkpoint}) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
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

// The model as it can be trained on such images.
absl::StatusOr<Graph> LoadTrainable(const ModelInput& model, const AttackImages& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, model.LoadClasses());
  auto trainable = Trainable(graph, images.test.Shape());
  if (!trainable.ok()) return Annotate(trainable.status(), model.Name());
  return trainable;
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
  // Where images can't be normalised in the first layer's weights, they go in as the network takes them.
  const auto channels = static_cast<size_t>(graph.inputs[0].shape[1]);
  const Normalization identity{std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
  options.normalize = FoldNormalization(WithFirstPadding(graph, {}), identity).ok();
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
  std::string before;                        // training
  std::string after;                         // the paper's symbol for it; empty: it doesn't train
  const Graph* from = nullptr;               // whose core neurons it has
  std::string from_name = {};                // that network's
  std::optional<RecoverOptions> knows = {};  // what the attacker knows of the network, if anything

  bool trains() const { return !after.empty(); }
};

// What came of training.
struct Retrained {
  double seconds = 0;
  double top1 = 0, top5 = 0;  // percent
  size_t epochs = 0;
  double final_loss = 0;
  std::optional<double> held_out;  // percent
  absl::Status not_written;        // why the network is in no file
};

struct AttackFigures {
  std::string model, out;
  int64_t samples = 0, held_out = 0;  // the attacker's, and how many of them choose the epoch
  std::string samples_from;
  int64_t test_images = 0;
  std::string test_from;
  // Percent. With a selection there are A_s and A_r, too.
  double original = 0, before = 0;
  std::optional<Selection> selection;
  std::optional<SelectionAccuracy> accuracies;
  std::optional<double> robbed;  // the network whose core neurons are used
  std::optional<Retrained> after;
};

Json AttackJson(const Attack& attack, const AttackFigures& f) {
  Json json = {{"attack", attack.name}};
  if (attack.from) json["from"] = attack.from_name;
  if (attack.knows) {
    json["known_rate"] = attack.knows->known_rate;
    json["knows_cut"] = attack.knows->knows_cut;
  }
  json["model"] = f.model;
  if (attack.trains()) {
    json["samples"] = f.samples;
    json["samples_from"] = f.samples_from;
    json["samples_held_out"] = f.held_out;
  }
  json["test_images"] = f.test_images;
  json["test_images_from"] = f.test_from;
  json["weights"] = attack.network.weights;
  json["weights_unknown"] = attack.network.unknown;
  if (f.selection) json["selection"] = Json::parse(FormatSelection(*f.selection));
  if (f.accuracies) {
    AddAccuracies(*f.accuracies, json);
  } else {
    json["accuracy_original"] = f.original;
  }
  if (f.robbed) json["accuracy_original_from"] = *f.robbed;
  json["accuracy_before_training"] = f.before;
  if (!f.after) return json;
  json["seconds"] = f.after->seconds;
  if (!f.out.empty()) json["out"] = f.out;
  json["accuracy_after_training"] = f.after->top1;
  json["accuracy_after_training_top5"] = f.after->top5;
  json["epochs"] = f.after->epochs;
  json["final_loss"] = f.after->final_loss;
  if (f.after->held_out) json["held_out_accuracy"] = *f.after->held_out;
  json["options"] = RecipeJson(attack.options);
  return json;
}

std::string AttackText(const Attack& attack, const AttackFigures& f) {
  const auto percent = [](double value) { return fmt::format("{:.2f} %", value); };
  FactTable table(attack.title);
  if (attack.trains()) {
    table.Add("the attacker's images", fmt::format("{} of {}", f.samples, f.samples_from));
  }
  table.Add("judged by", fmt::format("{} images: {}", f.test_images, f.test_from));
  table.Add("weights that it doesn't know", fmt::format("{} of {}", attack.network.unknown, attack.network.weights));
  if (f.accuracies) {
    AddAccuracies(*f.accuracies, table);
  } else {
    table.Add("A_o, original", percent(f.original));
  }
  if (f.robbed) table.Add("A_o of the network that was robbed", percent(*f.robbed));
  table.Add(attack.before, percent(f.before));
  if (f.after) {
    table.Add(fmt::format("{}, after {} epochs", attack.after, f.after->epochs), percent(f.after->top1));
  }
  return table.Render();
}

// Trains, writes the network if that is asked for, and judges it.
absl::StatusOr<Retrained> TrainAndJudge(const AttackCommand& command, const Attack& attack,
                                        const AttackImages& images) {
  const auto start = std::chrono::steady_clock::now();
  const std::string label = TrainingLabel(attack.name, attack.options.epochs, images.samples.count);
  PRIVDNN_ASSIGN_OR_RETURN(const TrainResult result,
                           Retrain(attack.network, images.samples, images.held_out, attack.options,
                                   MakeProgress(std::make_shared<ProgressBar>(label))));
  Retrained after;
  after.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!command.out.empty()) after.not_written = SaveOnnx(result.graph, command.out);
  constexpr std::array<int64_t, 2> kRanks = {1, 5};
  const auto reached =
      TopAccuracies(result.graph, images.test, kRanks, Evaluating("what came of it", images.test.count));
  if (!reached.ok()) return NotEvaluated(reached.status(), after.not_written.ok() ? command.out : "");
  after.top1 = (*reached)[0];
  after.top5 = (*reached)[1];
  after.epochs = result.epochs.size();
  after.final_loss = result.epochs.back().train_loss;
  if (images.held_out.count > 0) after.held_out = result.validation_accuracy;
  return after;
}

// Evaluates what there is before training; a selection adds A_s and A_r.
absl::Status JudgeBefore(const Graph& graph, const std::optional<Selection>& selection, const Attack& attack,
                         const ImageSet& test, AttackFigures& f) {
  f.selection = selection;
  if (selection) {
    PRIVDNN_ASSIGN_OR_RETURN(f.accuracies,
                             EvaluateSelection(graph, *selection, test, Evaluating("the selection", test.count)));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(f.original, Accuracy(graph, test, Evaluating("the network", test.count)));
  }
  if (attack.from) {
    PRIVDNN_ASSIGN_OR_RETURN(f.robbed,
                             Accuracy(*attack.from, test, Evaluating("the network that was robbed", test.count)));
  }
  PRIVDNN_ASSIGN_OR_RETURN(f.before,
                           Accuracy(attack.network.graph, test, Evaluating("what there is before", test.count)));
  return absl::OkStatus();
}

// Trains, if it does, and reports.
absl::StatusOr<CommandOutput> RunAttack(const AttackCommand& command, const Graph& graph, const AttackImages& images,
                                        const std::optional<Selection>& selection, const Attack& attack) {
  SetExecutorThreads(attack.options.threads);
  AttackFigures f;
  f.model = command.model.Name();
  f.out = command.out;
  f.samples = images.samples.count + images.held_out.count;
  f.held_out = images.held_out.count;
  f.samples_from = images.samples_from;
  f.test_images = images.test.count;
  f.test_from = images.test_from;
  PRIVDNN_RETURN_IF_ERROR(JudgeBefore(graph, selection, attack, images.test, f));
  if (attack.trains()) {
    PRIVDNN_ASSIGN_OR_RETURN(f.after, TrainAndJudge(command, attack, images));
  }
  return CommandOutput{AttackJson(attack, f), AttackText(attack, f), /*failed=*/false,
                       f.after ? f.after->not_written : absl::OkStatus()};
}

std::string TrainingTitle(const AttackCommand& command) {
  return fmt::format("{} attacked by training", command.model.Name());
}

absl::StatusOr<CommandOutput> Scratch(const AttackCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const AttackImages images, LoadImages(command, /*trains=*/true));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadTrainable(command.model, images));
  std::optional<Selection> selection;
  if (!command.selection.empty() || command.model.path.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(selection, LoadSelection(command.selection, command.model, graph));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kScratchEpochs));
  return RunAttack(command, graph, images, selection,
                   {ScratchNetwork(graph, command.seed), options, "scratch", TrainingTitle(command), kBefore,
                    "A_t, trained from nothing"});
}

RecoverOptions Knowledge(const RecoverCommand& command) {
  RecoverOptions options{.knows_cut = command.knows_cut, .seed = command.seed};
  if (command.freeze) options.known_rate = 0;
  return options;
}

absl::StatusOr<CommandOutput> Recover(const RecoverCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const AttackImages images, LoadImages(command, /*trains=*/true));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadTrainable(command.model, images));
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  const RecoverOptions recover = Knowledge(command);
  PRIVDNN_ASSIGN_OR_RETURN(const AttackNetwork network, RecoverNetwork(graph, selection, recover));
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kRecoverEpochs));
  Attack attack{network, options, "recover", TrainingTitle(command), kBefore, "A_rec, core neurons trained anew"};
  attack.knows = recover;
  return RunAttack(command, graph, images, selection, attack);
}

absl::StatusOr<CommandOutput> Transplant(const TransplantCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const AttackImages images, LoadImages(command, command.samples.has_value()));
  ModelInput robbed = command.model;
  robbed.path = command.from;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph from, LoadTrainable(robbed, images));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadTrainable(command.model, images));
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  const RecoverOptions recover = Knowledge(command);
  PRIVDNN_ASSIGN_OR_RETURN(const AttackNetwork network, TransplantNetwork(from, graph, selection, recover));
  PRIVDNN_ASSIGN_OR_RETURN(const TrainOptions options, Options(command, graph, kRecoverEpochs));
  Attack attack{network,
                options,
                "transplant",
                fmt::format("{} with core neurons of {}", command.model.Name(), command.from),
                "with the stolen core neurons",
                command.samples ? "with the stolen core neurons, trained" : "",
                &from,
                command.from};
  attack.knows = recover;
  return RunAttack(command, graph, images, selection, attack);
}

void AddOptions(CLI::App* command, AttackCommand& o, const std::string& epochs) {
  o.model.AddPositional(command);
  command
      ->add_option("--selection", o.selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  command
      ->add_option("--data-set", o.data_set,
                   "use a known data set; default with --data: mnist. Without both, the attacker has half of the 1,000 "
                   "embedded MNIST test images, and results are reported on the other half")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", o.data, "find it in this data root; default with --data-set: PRIVDNN_DATA")
      ->type_name(kFolder);
  command
      ->add_option("--split", o.split,
                   "give the attacker images of train, or of validation, the half of the test images that the authors "
                   "use; results are reported on test-half")
      ->check(CLI::IsMember(kSampleSplits))
      ->capture_default_str();
  command
      ->add_option("--samples", o.samples, "draw this many of them at random; default: 1000, or all if there are fewer")
      ->check(PositiveInt());
  command
      ->add_option(
          "--hold-out", o.hold_out,
          "keep this many samples out of training, to choose the epoch; default: none, with --patience a tenth")
      ->check(PositiveInt());
  command
      ->add_option("--patience", o.patience, "stop after this many epochs without improvement on the held-out samples")
      ->check(PositiveInt());
  command->add_option("--seed", o.seed, "seed samples, new weights and order")->capture_default_str();
  command->add_option("--out", o.out, "write the attacker's network to this ONNX file")->type_name(kNewFile);
  command
      ->add_option("--checkpoint", o.checkpoint,
                   "keep the state of unfinished training in this file; the same command resumes from it")
      ->type_name(kNewFile);
  AddThreads(command, o.threads);
  const std::string group =
      kTrainingGroup + " (default: as the architecture's recipe, " + epochs + " epochs, images as they are)";
  o.recipe.Add(command, group);
  command->add_flag("--augmentation", o.augmentation, "change images at random, as in the recipe")->group(group);
}

void AddKnowledge(CLI::App* command, RecoverCommand& o) {
  command->add_flag("--freeze", o.freeze, "keep the plaintext weights; otherwise they train at a tenth of the rate");
  command->add_flag("--knows-cut", o.knows_cut,
                    "let the attacker know the weights from core neurons to plaintext neurons, which no package holds, "
                    "as the authors do");
}

}  // namespace

void AddAttackScratch(CLI::App& attack, Globals& globals, Action& action) {
  auto* command =
      AddCommand(attack, globals, "scratch", "Train the architecture from nothing on the attacker's own images: A_t",
                 "privdnn attack scratch model.onnx --data ~/data --samples 1000");
  const auto o = std::make_shared<AttackCommand>();
  AddOptions(command, *o, std::to_string(kScratchEpochs));
  command->callback([o, &action] { action = [o] { return Scratch(*o); }; });
}

void AddAttackRecover(CLI::App& attack, Globals& globals, Action& action) {
  auto* command =
      AddCommand(attack, globals, "recover",
                 "Train a package's hidden weights anew, to see what its plaintext weights are worth: A_rec",
                 "privdnn attack recover model.onnx --selection selection.json --data ~/data --freeze");
  const auto o = std::make_shared<RecoverCommand>();
  AddOptions(command, *o, std::to_string(kRecoverEpochs));
  AddKnowledge(command, *o);
  command->callback([o, &action] { action = [o] { return Recover(*o); }; });
}

void AddAttackTransplant(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "transplant",
                             "Put core neurons stolen from one user's network into the plaintext part of another's; "
                             "with --samples, train on from there",
                             "privdnn attack transplant alice.onnx bob.onnx --selection selection.json --data ~/data");
  const auto o = std::make_shared<TransplantCommand>();
  command->add_option("from", o->from, "take the stolen core neurons from this ONNX model")
      ->type_name(kFile)
      ->required();
  AddOptions(command, *o, std::to_string(kRecoverEpochs));
  AddKnowledge(command, *o);
  // What only a training takes.
  CLI::Option* samples = command->get_option("--samples");
  samples->description("train on this many of the attacker's images, drawn at random; default: no training");
  for (CLI::Option* option : command->get_options()) {
    if (option->get_group().starts_with(kTrainingGroup)) option->needs(samples);
  }
  for (const char* name : {"--split", "--hold-out", "--patience", "--out", "--checkpoint", "--freeze"}) {
    command->get_option(name)->needs(samples);
  }
  command->callback([o, &action] { action = [o] { return Transplant(*o); }; });
}

}  // namespace privdnn
