// attack extract: encrypted kernels by linear algebra, from queries and replies as an honest user has them.
#include "privdnn/cli/attack_extract_command.h"

#include <memory>

#include "privdnn/cli/attack_extract_report.h"
#include "privdnn/cli/attack_target.h"
#include "privdnn/cli/choice.h"
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/pipeline/local_owner.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

struct ExtractCommand {
  NetworkInput network;
  ImageInput images;
  ModelPlanOptions settings;
  OwnerAddress owner;
  ExtractionTask task;
  NoiseSettings noise;
};

// Which of its options was given.
const char* NoiseOption(const ExtractCommand& command) {
  return command.noise.levels.empty() ? "--noise-shares" : "--output-noise";
}

const std::map<std::string, bool> kInputs = {{"random", false}, {"images", true}};

absl::StatusOr<ExtractionImages> LoadImages(const ExtractCommand& command, const RestNetwork& rest) {
  ExtractionImages images;
  const bool there = command.images.given() || (command.owner.address.empty() && command.network.embedded());
  images.labelled = there && command.images.labelled() && rest.output_kind() == OutputKind::kClasses;
  if (!command.task.settings.real_images && !images.labelled) return images;
  PRIVDNN_ASSIGN_OR_RETURN(images.fresh, command.images.Load());
  PRIVDNN_RETURN_IF_ERROR(CheckImages(images.fresh, rest));
  if (!command.task.settings.real_images) return images;
  const int64_t count = images.fresh.count;
  if (count < 2) return InvalidArgument("--inputs images: 1 image, of at least 2 half are asked");
  images.asked = images.fresh.Slice(0, count / 2);
  images.fresh = images.fresh.Slice(count / 2, count);
  return images;
}

OwnerAddress AddressOf(const LocalOwner& owner) {
  return {owner.package(), owner.address(), owner.user_directory(), LocalOwner::kUserName};
}

// The noise that the command asks for, against an owner that is started anew for each level.
absl::StatusOr<NoiseReport> RunNoise(const ExtractCommand& command, const ExtractionImages& images, const User& user,
                                     LocalOwner& owner, const ExtractOutcome& exact) {
  const ExtractionSettings& settings = command.task.settings;
  const NoisyOwnerFn start = [&](double level) -> absl::StatusOr<std::unique_ptr<OutputOracle>> {
    PRIVDNN_RETURN_IF_ERROR(owner.Restart(level));
    PRIVDNN_ASSIGN_OR_RETURN(SessionOracle target, ConnectTarget(AddressOf(owner), settings.threads));
    return std::make_unique<SessionOracle>(std::move(target));
  };
  return MeasureNoise(user, start, command.noise, settings, images.asked, images.fresh, exact.accuracies->separated,
                      exact.extraction.output_deviations, ReportingToPeople());
}

// `local` and `truth`: the owner that was started here, and its plan, which the report compares with; nullptr for
// another.
absl::StatusOr<CommandOutput> Attack(const ExtractCommand& command, OutputOracle& target, const std::string& owner,
                                     LocalOwner* local, const ModelPlan* truth) {
  PRIVDNN_ASSIGN_OR_RETURN(const ExtractionImages images, LoadImages(command, target.rest()));
  if (command.noise.given() && !images.labelled) {
    return InvalidArgument("{}: needs labels and a network of classes, since accuracy is what errors cost",
                           NoiseOption(command));
  }
  for (const double level : command.noise.levels) {  // before anything takes long
    PRIVDNN_RETURN_IF_ERROR(CheckNoiseRoom(target.user(), level));
  }
  ExtractOutcome outcome{.owner = owner, .extraction = {}, .accuracies = {}, .noise = {}};
  PRIVDNN_ASSIGN_OR_RETURN(outcome.extraction, Extract(target, command.task, images, truth, ReportingToPeople()));
  if (truth && images.labelled) {
    PRIVDNN_ASSIGN_OR_RETURN(outcome.accuracies, EvaluateSelection(truth->graph, truth->selection, images.fresh,
                                                                   Evaluating("the selection", images.fresh.count)));
    if (command.noise.given()) {
      PRIVDNN_ASSIGN_OR_RETURN(outcome.noise, RunNoise(command, images, target.user(), *local, outcome));
    }
  }
  return CommandOutput{ExtractJson(outcome), ExtractText(outcome)};
}

absl::StatusOr<CommandOutput> RunExtract(const ExtractCommand& command) {
  const int threads = command.task.settings.threads;
  SetExecutorThreads(threads);
  if (!command.owner.address.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(SessionOracle target, ConnectTarget(command.owner, threads));
    return Attack(command, target, "the owner at " + command.owner.address, nullptr, nullptr);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  // Figures compare packages of the same bits.
  PRIVDNN_ASSIGN_OR_RETURN(const SimulatedPlan planned, command.network.MakePlan(graph, selection, command.settings,
                                                                                 command.images, {.most_images = 0}));
  const ModelPlan& model = planned.plan;
  PRIVDNN_ASSIGN_OR_RETURN(LocalOwner owner,
                           LocalOwner::Start(model, {.threads = threads, .reporting = ReportingToPeople()}));
  PRIVDNN_ASSIGN_OR_RETURN(SessionOracle target, ConnectTarget(AddressOf(owner), threads));
  PRIVDNN_ASSIGN_OR_RETURN(
      CommandOutput output,
      Attack(command, target, "an owner in a process of its own on this machine (gRPC, TLS)", &owner, &model));
  PRIVDNN_RETURN_IF_ERROR(owner.Stop().status());
  return output;
}

// What is asked, and what is made of it.
void AddTask(CLI::App* command, ExtractionTask& task) {
  AddChoice(command, "--inputs", task.settings.real_images,
            "choose what to ask: random values for each encrypted part's input, which a user may send instead of "
            "images, or the first half of the images; accuracies are on images that were not asked",
            kInputs);
  command
      ->add_option("--fractions", task.fractions,
                   "also fit clones to these fractions of the images needed, by ridge regression with a penalty chosen "
                   "on held-out images")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--images-used", task.images_used, "also fit clones to these numbers of images")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000000));
}

void AddNoiseOptions(CLI::App* command, NoiseSettings& noise, CLI::Option* owner) {
  command
      ->add_option("--output-noise", noise.levels,
                   "also show what errors of these standard deviations would change if the owner added them to outputs "
                   "(as privdnn serve --output-noise does, in the units of the encrypted layers' outputs): the user's "
                   "accuracy, and the images that a clone needs; with --inputs images")
      ->delimiter(',')
      ->check(NonNegativeNumber())
      ->excludes(owner);
  command
      ->add_option("--noise-shares", noise.shares,
                   "the same, in multiples of the outputs' own deviation as this run measures it; with several "
                   "segments, of the least deviation")
      ->delimiter(',')
      ->check(NonNegativeNumber())
      ->excludes(owner);
  command
      ->add_option("--within", noise.within, "let such a clone be worse than the user by this many percentage points")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
}

void AddLimits(CLI::App* command, ExtractionTask& task, CLI::Option* owner) {
  command
      ->add_flag(
          "--layers", task.layers,
          "also recover the two layers behind a quadratic segment's kernels, and compare them with the true ones")
      ->excludes(owner);
  command
      ->add_option("--check-images", task.settings.check_images,
                   "ask this many inputs afterwards, to check the clone's outputs")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command
      ->add_option("--max-unknowns", task.settings.max_unknowns,
                   "solve for at most this many unknowns per output; n of them take 4 n^2 bytes and time as n^3")
      ->check(CLI::Range(uint64_t{1}, OutputPolynomial::kMaxUnknowns))
      ->capture_default_str();
}

// How the user of an owner elsewhere reaches it.
void AddUser(CLI::App* command, OwnerAddress& address, CLI::Option* owner) {
  auto* package = command->add_option("--package", address.package, "read that owner's package file")
                      ->type_name(kFile)
                      ->needs(owner);
  auto* tls = command->add_option("--tls", address.tls, "use ca.crt, NAME.crt and NAME.key in this directory")
                  ->type_name(kFolder)
                  ->needs(owner);
  owner->needs(package)->needs(tls);
  command->add_option("--user", address.user, "use the certificate of this NAME")->capture_default_str()->needs(owner);
}

}  // namespace

void AddAttackExtract(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "extract",
                             "Recover encrypted kernels exactly, from a user's own inputs and the outputs it is given",
                             "privdnn attack extract\n"
                             "  privdnn attack extract --inputs images --fractions 0.25,0.5 --layers\n"
                             "  privdnn attack extract --inputs images --output-noise 0,0.5,2\n"
                             "  privdnn attack extract --arch vgg16-cifar10 --percent 50\n"
                             "  privdnn attack extract --owner owner.example.org:7070 --package alice.privdnn --tls "
                             "tls --user alice");
  const auto o = std::make_shared<ExtractCommand>();
  o->network.model.AddPositional(command);
  o->network.Add(command, "--selection");
  AddPlanOptions(command, o->settings);
  o->images.Add(command);
  AddTask(command, o->task);
  auto* owner = command->add_option("--owner", o->owner.address,
                                    "attack the server at this host:port; default: an owner started on this machine");
  AddNoiseOptions(command, o->noise, owner);
  AddLimits(command, o->task, owner);
  AddUser(command, o->owner, owner);
  AddThreads(command, o->task.settings.threads);
  command->callback([o, &action] {
    if (o->noise.given() && !o->task.settings.real_images) {
      throw CLI::ValidationError(NoiseOption(*o), "needs --inputs images");
    }
    if (o->noise.given() && !o->images.labelled()) {
      throw CLI::ValidationError(NoiseOption(*o), "measures accuracies and needs images with labels");
    }
    o->task.settings.seed = o->network.seed;
    action = [o] { return RunExtract(*o); };
  });
}

}  // namespace privdnn
