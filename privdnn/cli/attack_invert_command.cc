#include "privdnn/cli/attack_invert_command.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "privdnn/attack/inversion.h"
#include "privdnn/attack/retrain.h"
#include "privdnn/base/file.h"
#include "privdnn/cli/choice.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/inversion_report.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/recipe_options.h"
#include "privdnn/torch/decoder.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/invert.h"

namespace privdnn {
namespace {

// Images of the attacker's own that serve as blind guesses, one by one, at most.
constexpr int64_t kGuesses = 200;
constexpr int64_t kDefaultSamples = 1000;

enum class Method { kGradient, kDecoder, kBoth };
const std::map<std::string, Method> kMethods = {
    {"gradient", Method::kGradient}, {"decoder", Method::kDecoder}, {"both", Method::kBoth}};

struct InvertCommand {
  ModelInput model;
  std::string selection;
  ImageInput images;
  ModelPlanOptions settings;
  Method method = Method::kBoth;
  InvertOptions inversion;
  DecoderOptions decoder;
  int64_t count = 4, attacked = 24;
  int64_t samples = 0;  // 0: kDefaultSamples, or all of fewer
  std::string out;
  uint64_t seed = 1;
  int threads = 1;
};

// Images that are attacked, and those that the attacker has.
struct Images {
  Tensor attacked, attackers;
};

absl::StatusOr<Images> DrawImages(const InvertCommand& command, const ImageSet& all) {
  const int64_t needed = std::max<int64_t>(command.samples, 2);
  if (all.count < command.attacked + needed) {
    return InvalidArgument("{} images, of which {} are to be attacked: needs {} more for the attacker", all.count,
                           command.attacked, needed);
  }
  const int64_t samples =
      command.samples > 0 ? command.samples : std::min(kDefaultSamples, all.count - command.attacked);
  const int64_t count = command.attacked + samples;
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet drawn, DrawSamples(all, count, command.seed));
  return Images{drawn.Batch(0, command.attacked), drawn.Batch(command.attacked, count)};
}

// User and owner of a package made for this. Randomness comes from the seed, so that results repeat; nothing of it is
// in use.
class Parties {
 public:
  static absl::StatusOr<Parties> Create(const InvertCommand& command, const ModelPlan& model) {
    auto seeds = std::make_unique<DeterministicRandom>(command.seed);
    DeterministicRandom random(NextSeed(*seeds));
    Bytes bytes;
    const ByteSink sink = [&](std::span<const uint8_t> piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return absl::OkStatus();
    };
    PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key,
                             EncryptModel(model.Tasks(), model.rest_model, "user", random, command.threads, sink,
                                          MakeProgress(std::make_shared<ProgressBar>("encrypting"))));
    PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Parse(bytes, "package"));
    PRIVDNN_ASSIGN_OR_RETURN(RestNetwork rest, RestNetwork::Create(package));
    PRIVDNN_ASSIGN_OR_RETURN(User user, User::Create(std::move(package), command.threads));
    PRIVDNN_ASSIGN_OR_RETURN(Owner owner, Owner::Create(std::move(key)));
    return Parties(std::move(rest), std::move(user), std::move(owner), std::move(seeds), command.threads);
  }
  // What the owner makes of queries of these images, with new masks.
  absl::StatusOr<std::vector<Tensor>> Query(const Tensor& images) {
    const std::string label = fmt::format("{} queries", images.dim(0));
    PRIVDNN_ASSIGN_OR_RETURN(auto queried, QueryImages(user_, rest_, owner_, images, NextSeed(*seeds_), threads_,
                                                       MakeProgress(std::make_shared<ProgressBar>(label))));
    return std::move(queried.owner);
  }

 private:
  Parties(RestNetwork rest, User user, Owner owner, std::unique_ptr<DeterministicRandom> seeds, int threads)
      : rest_(std::move(rest)),
        user_(std::move(user)),
        owner_(std::move(owner)),
        seeds_(std::move(seeds)),
        threads_(threads) {}
  static uint64_t NextSeed(RandomSource& seeds) {
    uint64_t seed;
    seeds.Fill(std::span(&seed, 1));
    return seed;
  }
  RestNetwork rest_;
  User user_;
  Owner owner_;
  std::unique_ptr<DeterministicRandom> seeds_;
  int threads_;
};

// What the owner sees of images, in four ways.
struct View {
  std::string name, what;
  const Graph* graph;  // from an image to what would be seen in the clear
  // For the search; a decoder knows how the attacker's own queries are spread.
  bool search_unknown_scales, decode_unknown_scales;
  bool query;
  std::function<absl::StatusOr<std::vector<Tensor>>(const Tensor& images)> see;
};

absl::StatusOr<Tensor> Search(const InvertCommand& command, const View& view, const std::vector<Tensor>& seen,
                              const PixelPrior& prior) {
  InvertOptions options = command.inversion;
  options.seed = command.seed;
  options.unknown_scales = view.search_unknown_scales;
  options.pixel_mean = prior.mean;
  options.pixel_deviation = prior.deviation;
  const std::string label = fmt::format("{}, gradient, {} steps", view.name, options.steps);
  return Invert(*view.graph, seen, options, MakeProgress(std::make_shared<ProgressBar>(label)));
}

absl::StatusOr<Tensor> Decode(const InvertCommand& command, const View& view, const std::vector<Tensor>& seen,
                              const Tensor& attackers) {
  DecoderOptions options = command.decoder;
  options.seed = command.seed;
  options.unknown_scales = view.decode_unknown_scales;
  PRIVDNN_ASSIGN_OR_RETURN(const auto own, view.see(attackers));
  const std::string label = TrainingLabel(view.name + ", decoder", options.epochs, attackers.dim(0));
  PRIVDNN_ASSIGN_OR_RETURN(const auto decoder,
                           Decoder::Train(own, attackers, options, MakeProgress(std::make_shared<ProgressBar>(label))));
  return decoder.Decode(seen);
}

// Adds what each method makes of a view.
absl::Status Reconstruct(const InvertCommand& command, const View& view, const Images& images, const PixelPrior& prior,
                         std::vector<Reconstruction>& out) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto seen, view.see(images.attacked));
  for (const Method method : {Method::kGradient, Method::kDecoder}) {
    if (command.method != method && command.method != Method::kBoth) continue;
    const auto start = std::chrono::steady_clock::now();
    const bool search = method == Method::kGradient;
    PRIVDNN_ASSIGN_OR_RETURN(
        Tensor found, search ? Search(command, view, seen, prior) : Decode(command, view, seen, images.attackers));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    out.push_back({view.name, view.what, search ? "gradient" : "decoder", view.query, std::move(found), seconds});
  }
  return absl::OkStatus();
}

// Everything that the owner sees, attacked by every method.
absl::StatusOr<InversionReport> AttackViews(const InvertCommand& command, const Graph& graph, const ModelPlan& model,
                                            const Images& images) {
  std::vector<Segment> segments;
  for (const PlannedSegment& s : model.segments) segments.push_back(s.segment);
  PRIVDNN_ASSIGN_OR_RETURN(const Graph whole, FeatureGraph(graph, segments, SeenNeurons::kAll));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph encrypted, FeatureGraph(graph, segments, SeenNeurons::kEncrypted));
  PRIVDNN_ASSIGN_OR_RETURN(Parties parties, Parties::Create(command, model));
  uint64_t scales_seed = command.seed;
  const auto scaled = [&](const Tensor& x) -> absl::StatusOr<std::vector<Tensor>> {
    PRIVDNN_ASSIGN_OR_RETURN(auto features, Features(whole, x));
    return ScaleChannels(std::move(features), scales_seed++);
  };
  const View views[] = {
      {"features", "all channels in the clear", &whole, false, false, false,
       [&](const Tensor& x) { return Features(whole, x); }},
      {"scaled", "each times an unknown factor", &whole, true, true, false, scaled},
      {"encrypted", "encrypted channels, unmasked", &encrypted, false, false, false,
       [&](const Tensor& x) { return Features(encrypted, x); }},
      {"query", "what the owner gets", &encrypted, true, false, true,
       [&](const Tensor& x) { return parties.Query(x); }},
  };
  const PixelPrior prior = MeasurePixels(images.attackers);
  InversionReport report{
      images.attacked, Slice(images.attackers, 0, std::min(kGuesses, images.attackers.dim(0))), prior.mean, {}};
  report.mean_image.shape.insert(report.mean_image.shape.begin(), 1);
  for (const View& view : views) {
    PRIVDNN_RETURN_IF_ERROR(Reconstruct(command, view, images, prior, report.reconstructions));
  }
  return report;
}

// The command's part of the JSON, in front of what came of it.
Json CommandJson(const InvertCommand& command, const ModelPlan& model, const Images& images, double seconds) {
  return {{"attack", "invert"},
          {"model", command.model.Name()},
          {"selection", Json::parse(FormatSelection(model.selection))},
          {"images", images.attacked.dim(0)},
          {"attackers_images", images.attackers.dim(0)},
          {"steps", command.inversion.steps},
          {"learning_rate", command.inversion.learning_rate},
          {"total_variation", command.inversion.total_variation},
          {"l2", command.inversion.l2},
          {"decoder_epochs", command.decoder.epochs},
          {"seed", command.seed},
          {"seconds", seconds}};
}

absl::StatusOr<CommandOutput> Invert(const InvertCommand& command) {
  const auto start = std::chrono::steady_clock::now();
  if (command.count > command.attacked) {
    return WrongUsage(
        fmt::format("--count {}: only {} images are attacked (--attacked)", command.count, command.attacked));
  }
  PRIVDNN_RETURN_IF_ERROR(CheckWritable(command.out));
  SetExecutorThreads(command.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  const std::vector<int64_t>& shape = graph.inputs[0].shape;
  if (shape.size() != 4) {
    return InvalidArgument("{} reads inputs of {}: pictures, channels x height x width, are what is reconstructed",
                           command.model.Name(), fmt::join(shape.begin() + 1, shape.end(), "x"));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet all, command.images.LoadFor(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const Images images, DrawImages(command, all));
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions options, OnThisMachine(command.settings));
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlan model, Plan(graph, selection, options, all));
  PRIVDNN_ASSIGN_OR_RETURN(const InversionReport report, AttackViews(command, graph, model, images));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CommandOutput output;
  output.json = CommandJson(command, model, images, seconds);
  if (!command.out.empty()) {
    output.not_written = WritePictures(report, command.count, command.out);
    output.json["out"] = command.out;
  }
  const JudgedInversion judged = Judge(report);
  AddInversion(judged, output.json);
  output.text = InversionText(judged, fmt::format("{}: {} images reconstructed from what the owner sees, means",
                                                  command.model.Name(), images.attacked.dim(0)));
  output.failed = !judged.query_equals_guess();
  return output;
}

// How a method searches, or a decoder is trained.
void AddMethod(CLI::App* command, InvertCommand& o) {
  AddChoice(command, "--method", o.method,
            "search for an image with these features (gradient), train a network to turn features into images "
            "(decoder), or do both",
            kMethods);
  command
      ->add_option(
          "--samples", o.samples,
          "give the attacker this many images of its own, drawn at random; default: 1000, or all if there are fewer")
      ->check(CLI::Range(2, 1'000'000));
  command->add_option("--decoder-epochs", o.decoder.epochs, "train the decoder on them for this many epochs")
      ->check(PositiveInt())
      ->capture_default_str();
  command->add_option("--steps", o.inversion.steps, "search for an image in this many steps")
      ->check(PositiveInt())
      ->capture_default_str();
  command
      ->add_option("--learning-rate", o.inversion.learning_rate,
                   "set the search's learning rate, in pixel values of 0 to 1")
      ->check(PositiveNumber())
      ->capture_default_str();
  command
      ->add_option("--total-variation", o.inversion.total_variation,
                   "weight the prior that neighbouring pixels are alike")
      ->check(NonNegativeNumber())
      ->capture_default_str();
  command->add_option("--l2", o.inversion.l2, "weight the prior that pixels are as in the attacker's images")
      ->check(NonNegativeNumber())
      ->capture_default_str();
}

}  // namespace

void AddAttackInvert(CLI::App& attack, Globals& globals, Action& action) {
  auto* command =
      AddCommand(attack, globals, "invert",
                 "Reconstruct a user's images from queries, and from features as the authors' owner sees them",
                 "privdnn attack invert --count 4 --out inverted.png");
  const auto o = std::make_shared<InvertCommand>();
  o->model.AddPositional(command);
  command
      ->add_option("--selection", o->selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  o->images.Add(command);
  command->add_option("--count", o->count, "show this many of the attacked images in the picture file")
      ->check(PositiveInt())
      ->capture_default_str();
  command->add_option("--attacked", o->attacked, "attack this many images; scores and intervals are over all of them")
      ->check(CLI::Range(2, 1024))
      ->capture_default_str();
  command->add_option("--out", o->out, "write original and reconstructed images, side by side, to this PNG file")
      ->type_name(kNewFile);
  AddMethod(command, *o);
  command->add_option("--seed", o->seed, "seed the choice of images, first guesses, weights, keys and queries")
      ->capture_default_str();
  AddPlanOptions(command, o->settings);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Invert(*o); }; });
}

}  // namespace privdnn
