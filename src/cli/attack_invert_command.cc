#include "cli/attack_invert_command.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "attack/inversion.h"
#include "attack/retrain.h"
#include "base/file.h"
#include "cli/inputs.h"
#include "cli/lifted_model.h"
#include "nn/executor.h"
#include "nn/invert.h"
#include "report/png.h"
#include "report/table.h"

namespace privdnn::cli {
namespace {

// Images of the attacker's own that blind guesses are made of, at most.
constexpr int64_t kAttackersImages = 200;
constexpr double kConfidence = 0.99;
// Sides of pictures in the file, at least, if they can be had by whole factors.
constexpr int64_t kPictureSide = 112;

struct InvertCommand {
  ModelInput model;
  std::string selection;
  ImageInput images;
  LiftSettings settings;
  nn::InvertOptions inversion;
  int64_t count = 4, attacked = 24;
  std::string out;
  int threads = 1;
};

// Images that are attacked, and those that the attacker has.
struct Images {
  nn::Tensor attacked, attackers;
};

absl::StatusOr<Images> DrawImages(const InvertCommand& command, const nn::ImageSet& all) {
  if (all.count < command.attacked + 1) {
    return InvalidArgument("{} images, of which {} are to be attacked: needs one more at least", all.count,
                           command.attacked);
  }
  const int64_t count = std::min(all.count, command.attacked + kAttackersImages);
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet drawn, attack::DrawSamples(all, count, command.inversion.seed));
  return Images{drawn.Batch(0, command.attacked), drawn.Batch(command.attacked, count)};
}

// User and owner of a package made for this, and queries of the images. Randomness comes from the seed, so that results
// repeat; nothing of it is in use.
absl::StatusOr<attack::QueriedFeatures> MakeQueries(const InvertCommand& command, const LiftedModel& model,
                                                    const nn::Tensor& images) {
  const DeterministicRandom random(command.inversion.seed);
  Bytes bytes;
  const ByteSink sink = [&](std::span<const uint8_t> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  };
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key,
                           EncryptModel(model.Tasks(), model.rest_model, "user", *random.Fork(0), command.threads, sink,
                                        MakeProgress(std::make_shared<ProgressBar>("encrypting"))));
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Parse(bytes, "package"));
  PRIVDNN_ASSIGN_OR_RETURN(const RestNetwork rest, RestNetwork::Create(package));
  PRIVDNN_ASSIGN_OR_RETURN(const User user, User::Create(std::move(package), command.threads));
  PRIVDNN_ASSIGN_OR_RETURN(const Owner owner, Owner::Create(std::move(key)));
  return attack::QueryImages(user, rest, owner, images, *random.Fork(1), command.threads);
}

// What the owner sees, and how it looks for the image in it.
struct View {
  std::string name, what;
  const nn::Graph* graph;
  std::vector<nn::Tensor> seen;
  bool unknown_scales;
  bool query;
  nn::Tensor reconstructed = {};
  attack::Scores scores = {};
  attack::Advantage over_blind = {}, over_others = {};
};

Json IntervalJson(const attack::MeanInterval& m) {
  return {{"mean", m.mean}, {"low", m.interval.low}, {"high", m.interval.high}};
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Json ScoresJson(const attack::Scores& scores) {
  return {{"psnr_mean", Mean(scores.psnr)}, {"ssim_mean", Mean(scores.ssim)}};
}

Json ViewJson(const View& v) {
  Json json = {{"view", v.name}};
  json.update(ScoresJson(v.scores));
  json["psnr"] = v.scores.psnr;
  json["ssim"] = v.scores.ssim;
  json["over_blind_guess"] = {{"psnr", IntervalJson(v.over_blind.psnr)}, {"ssim", IntervalJson(v.over_blind.ssim)}};
  json["better_than_blind_guess"] = v.over_blind.better();
  if (v.query) {
    json["over_other_queries"] = {{"psnr", IntervalJson(v.over_others.psnr)},
                                  {"ssim", IntervalJson(v.over_others.ssim)}};
    json["equals_guess"] = v.over_others.none();
  }
  return json;
}

std::string Describe(const View& v) {
  const std::string scores = fmt::format("{:5.2f} dB, SSIM {:.3f}", Mean(v.scores.psnr), Mean(v.scores.ssim));
  if (!v.query) return scores + (v.over_blind.better() ? ": reconstructed" : ": no better than a blind guess");
  return scores + (v.over_others.none() ? ": says nothing of the image" : ": DIFFERS from other images' queries");
}

// Image i of (N, C, H, W), values in [0, 1].
Picture PictureOf(const nn::Tensor& images, int64_t i) {
  Picture picture{images.dim(1), images.dim(2), images.dim(3), {}};
  const int64_t size = picture.channels * picture.height * picture.width;
  for (int64_t k = i * size; k < (i + 1) * size; ++k) {
    picture.pixels.push_back(
        static_cast<uint8_t>(std::lround(255 * std::clamp(images.values[static_cast<size_t>(k)], 0.0f, 1.0f))));
  }
  return picture;
}

// A row an image: the original, then what was reconstructed from each view.
absl::Status WritePictures(const InvertCommand& command, const nn::Tensor& originals, const std::vector<View>& views) {
  std::vector<std::vector<Picture>> rows;
  for (int64_t i = 0; i < std::min(command.count, originals.dim(0)); ++i) {
    rows.push_back({PictureOf(originals, i)});
    for (const View& v : views) rows.back().push_back(PictureOf(v.reconstructed, i));
  }
  const int64_t scale = std::max<int64_t>(1, kPictureSide / std::max(originals.dim(2), originals.dim(3)));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes png, EncodePng(Grid(rows, scale)));
  return WriteFile(command.out, png);
}

absl::StatusOr<CommandOutput> Report(const InvertCommand& command, const LiftedModel& model, const Images& images,
                                     const attack::Scores& blind, const attack::Scores& of_mean,
                                     const std::vector<View>& views, double seconds) {
  Json json = {{"attack", "invert"},
               {"model", command.model.Name()},
               {"selection", Json::parse(nn::FormatSelection(model.selection))},
               {"images", images.attacked.dim(0)},
               {"attackers_images", images.attackers.dim(0)},
               {"steps", command.inversion.steps},
               {"learning_rate", command.inversion.learning_rate},
               {"total_variation", command.inversion.total_variation},
               {"l2", command.inversion.l2},
               {"seed", command.inversion.seed},
               {"confidence", kConfidence},
               {"seconds", seconds},
               {"blind_guess", ScoresJson(blind)},
               {"mean_image", ScoresJson(of_mean)},
               {"views", Json::array()}};
  FactTable table(fmt::format("{}: {} images reconstructed from what the owner sees, means", command.model.Name(),
                              images.attacked.dim(0)));
  table.Add("blind guess: one of the attacker's images",
            fmt::format("{:5.2f} dB, SSIM {:.3f}", Mean(blind.psnr), Mean(blind.ssim)));
  table.Add("blind guess: the mean of them",
            fmt::format("{:5.2f} dB, SSIM {:.3f}", Mean(of_mean.psnr), Mean(of_mean.ssim)));
  bool equal = true;
  for (const View& v : views) {
    json["views"].push_back(ViewJson(v));
    table.Add(fmt::format("{}: {}", v.name, v.what), Describe(v));
    if (!v.query) continue;
    equal = v.over_others.none();
    const auto& [psnr, ssim] = v.over_others;
    table.Add("  over other images' queries",
              fmt::format("{:+.3f} dB [{:+.3f}, {:+.3f}], SSIM {:+.4f} [{:+.4f}, {:+.4f}], {:.0f} % confidence",
                          psnr.mean, psnr.interval.low, psnr.interval.high, ssim.mean, ssim.interval.low,
                          ssim.interval.high, 100 * kConfidence));
  }
  json["query_equals_guess"] = equal;
  if (!command.out.empty()) {
    PRIVDNN_RETURN_IF_ERROR(WritePictures(command, images.attacked, views));
    json["out"] = command.out;
    table.Add("pictures", command.out + ", a row an image: original, then the views in this order");
  }
  return CommandOutput{std::move(json), table.Render(), !equal};
}

absl::StatusOr<CommandOutput> Invert(const InvertCommand& command) {
  const auto start = std::chrono::steady_clock::now();
  if (command.count > command.attacked) {
    return InvalidArgument("--count {}: only {} images are attacked (--attacked)", command.count, command.attacked);
  }
  nn::SetExecutorThreads(command.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, LoadSelection(command.selection, command.model, graph));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet all, command.images.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Images images, DrawImages(command, all));
  PRIVDNN_ASSIGN_OR_RETURN(const LiftedModel model, LiftModel(graph, selection, command.settings, all));
  std::vector<nn::Segment> segments;
  for (const LiftedSegment& s : model.segments) segments.push_back(s.segment);
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph whole, attack::FeatureGraph(graph, segments, attack::SeenNeurons::kAll));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph encrypted,
                           attack::FeatureGraph(graph, segments, attack::SeenNeurons::kEncrypted));
  PRIVDNN_ASSIGN_OR_RETURN(auto of_whole, attack::Features(whole, images.attacked));
  PRIVDNN_ASSIGN_OR_RETURN(auto of_encrypted, attack::Features(encrypted, images.attacked));
  PRIVDNN_ASSIGN_OR_RETURN(auto queried, MakeQueries(command, model, images.attacked));
  auto scaled = attack::ScaleChannels(of_whole, command.inversion.seed);

  std::vector<View> views;
  views.push_back({"features", "all channels in the clear", &whole, std::move(of_whole), false, false});
  views.push_back({"scaled", "each times an unknown factor", &whole, std::move(scaled), true, false});
  views.push_back({"encrypted", "encrypted channels, unmasked", &encrypted, std::move(of_encrypted), false, false});
  views.push_back({"query", "what the owner gets", &encrypted, std::move(queried.owner), true, true});
  const attack::PixelPrior prior = attack::MeasurePixels(images.attackers);
  nn::Tensor mean_image = prior.mean;
  mean_image.shape.insert(mean_image.shape.begin(), 1);
  const attack::Scores of_mean = attack::ScoreBlindGuesses(mean_image, images.attacked);
  const attack::Scores blind = attack::ScoreBlindGuesses(images.attackers, images.attacked);
  for (View& v : views) {
    nn::InvertOptions options = command.inversion;
    options.unknown_scales = v.unknown_scales;
    options.pixel_mean = prior.mean;
    options.pixel_deviation = prior.deviation;
    PRIVDNN_ASSIGN_OR_RETURN(
        v.reconstructed, nn::Invert(*v.graph, v.seen, options, MakeProgress(std::make_shared<ProgressBar>(v.name))));
    v.scores = attack::Score(v.reconstructed, images.attacked);
    v.over_blind = attack::Compare(v.scores, blind, kConfidence);
    const auto others = attack::ScoreOthersGuesses(v.reconstructed, images.attacked);
    v.over_others = attack::Compare(v.scores, others, kConfidence);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Report(command, model, images, blind, of_mean, views, seconds);
}

}  // namespace

void AddAttackInvert(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "invert",
                             "A user's images, from features as the authors' owner sees them and from queries",
                             "privdnn attack invert --count 4 --out inverted.png");
  const auto o = std::make_shared<InvertCommand>();
  o->model.AddPositional(command);
  command->add_option("--selection", o->selection, "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  o->images.Add(command);
  command->add_option("--count", o->count, "how many of the attacked images the file of pictures shows")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--attacked", o->attacked, "how many images are attacked; scores and intervals are of all of them")
      ->check(CLI::Range(2, 1024))
      ->capture_default_str();
  command->add_option("--out", o->out, "PNG file for original and reconstructed images side by side");
  command->add_option("--steps", o->inversion.steps, "steps of the search for an image")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--learning-rate", o->inversion.learning_rate, "of the search, in pixel values of 0 to 1")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--total-variation", o->inversion.total_variation, "weight of the prior that neighbours are alike")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--l2", o->inversion.l2, "weight of the prior that pixels are as in the attacker's images")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", o->inversion.seed, "of the choice of images, of first guesses, keys and queries")
      ->capture_default_str();
  o->settings.Add(command);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Invert(*o); }; });
}

}  // namespace privdnn::cli
