// attack extract: encrypted kernels by linear algebra, from queries and replies as an honest user has them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/attack_extract_command.h"
#include "privdnn/cli/choice.h"
#include "privdnn/cli/extraction_attack.h"
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/noise_curve.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/lifting/folded_kernel.h"
#include "privdnn/party/owner.h"
#include "privdnn/pipeline/inference_session.h"
#include "privdnn/pipeline/local_owner.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

struct ExtractCommand {
  NetworkInput network;
  ImageInput images;
  ModelPlanOptions settings;
  OwnerAddress owner;
  ExtractionSettings extraction;
  std::vector<double> fractions;
  std::vector<uint64_t> images_used;
  NoiseSettings noise;
  bool layers = false;
};

// Which of its options was given.
const char* NoiseOption(const ExtractCommand& command) {
  return command.noise.levels.empty() ? "--noise-shares" : "--output-noise";
}

const std::map<std::string, bool> kInputs = {{"random", false}, {"images", true}};

// The images that are asked, where images are, and those that accuracies are of, which are never asked.
struct Images {
  ImageSet asked, fresh;
  bool labelled = false;
};

absl::StatusOr<Images> LoadImages(const ExtractCommand& command, const RestNetwork& rest) {
  Images images;
  const bool there = command.images.given() || (command.owner.address.empty() && command.network.embedded());
  images.labelled = there && command.images.labelled();
  if (!command.extraction.real_images && !images.labelled) return images;
  PRIVDNN_ASSIGN_OR_RETURN(images.fresh, command.images.Load());
  PRIVDNN_RETURN_IF_ERROR(CheckImages(images.fresh, rest));
  if (!command.extraction.real_images) return images;
  const int64_t count = images.fresh.count;
  if (count < 2) return InvalidArgument("--inputs images: 1 image, of at least 2 half are asked");
  images.asked = images.fresh.Slice(0, count / 2);
  images.fresh = images.fresh.Slice(count / 2, count);
  return images;
}

Json GroupJson(const GroupAttack& a, bool compared) {
  Json json = {{"segment", a.segment},
               {"outputs", a.polynomial->outputs()},
               {"unknowns_per_output", a.predicted.unknowns},
               {"equations_per_image", a.polynomial->positions()},
               {"images_predicted", a.predicted.images},
               {"images_needed", nullptr},
               {"images_predicted_inner_outputs", a.predicted.inner_images},
               {"unknowns_found", a.extractor.rank()},
               {"kernel_mismatches", nullptr},
               {"check_integers", a.checked},
               {"check_mismatches", a.check_mismatches}};
  if (a.extractor.determined()) json["images_needed"] = a.extractor.images_needed();
  if (compared) json["kernel_mismatches"] = a.mismatches;
  return json;
}

// The figures of the group that needs most images, and sums over all.
Json Report(const ExtractionAttack& e, const ExtractCommand& command, const std::string& owner, double owner_noise,
            bool compared) {
  Json groups = Json::array();
  for (const GroupAttack& a : e.groups()) groups.push_back(GroupJson(a, compared && e.determined()));
  const Json& hardest =
      *std::ranges::max_element(groups, {}, [](const Json& j) { return j["images_predicted"].get<uint64_t>(); });
  const auto sum = [&](const char* field) {
    uint64_t total = 0;
    for (const Json& j : groups) total += j[field].get<uint64_t>();
    return total;
  };
  Json json = {{"owner", owner},
               {"owner_output_noise", owner_noise},
               {"inputs", command.extraction.real_images ? "images" : "random"},
               {"images_predicted", hardest["images_predicted"]},
               {"images_needed", nullptr},
               {"images_asked", e.asked()},
               {"kernel_mismatches", nullptr},
               {"unknowns_per_output", hardest["unknowns_per_output"]},
               {"equations_per_image", hardest["equations_per_image"]},
               {"outputs_attacked", sum("outputs")},
               {"check_integers", sum("check_integers")},
               {"check_mismatches", sum("check_mismatches")},
               {"clone_accuracy", nullptr},
               {"clone_images", nullptr}};
  if (e.determined()) {
    json["images_needed"] = e.images_needed();
    if (compared) json["kernel_mismatches"] = sum("kernel_mismatches");
  }
  json["segments"] = std::move(groups);
  return json;
}

// Clones from fewer images: by --fractions of those that are needed, by --images-used, and, if the images don't
// determine the kernels, all of them.
absl::Status AddCurve(const ExtractCommand& command, const Images& images, ExtractionAttack& attack, Json& json) {
  std::vector<uint64_t> counts = command.images_used;
  for (const double f : command.fractions) {
    counts.push_back(static_cast<uint64_t>(std::max(1.0, std::round(f * static_cast<double>(attack.images_needed())))));
  }
  if (!attack.determined()) counts.push_back(attack.asked());
  std::ranges::sort(counts);
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  json["curve"] = Json::array();
  for (const uint64_t count : counts) {
    if (count > attack.asked()) break;
    PRIVDNN_RETURN_IF_ERROR(attack.Approximate(count));
    Json point = {{"images_used", count},
                  {"fraction", static_cast<double>(count) / static_cast<double>(attack.images_needed())},
                  {"penalties", Json::array()},
                  {"clone_accuracy", nullptr}};
    for (const GroupAttack& a : attack.groups()) point["penalties"].push_back(a.approximate.lambda);
    if (images.labelled) {
      PRIVDNN_ASSIGN_OR_RETURN(point["clone_accuracy"], attack.CloneAccuracy(images.fresh, /*exact=*/false));
    }
    if (!attack.determined() && count == attack.asked()) json["clone_accuracy"] = point["clone_accuracy"];
    json["curve"].push_back(std::move(point));
  }
  return absl::OkStatus();
}

Json ImagesOrNull(const std::optional<uint64_t>& images) { return images ? Json(*images) : Json(nullptr); }

// Whether replies have room for such noise.
absl::Status CheckRoom(const AttackTarget& target, double level) {
  for (size_t k = 0; k < target.user().num_segments(); ++k) {
    PRIVDNN_RETURN_IF_ERROR(IntegerNoise(target.user().segment(k), k, level).status());
  }
  return absl::OkStatus();
}

// What noise on outputs costs the user and whoever clones. Kernels are exact without noise only.
absl::Status AddNoise(const ExtractCommand& command, const Images& images, const AttackTarget& target,
                      const ExtractionAttack& exact, LocalOwner& owner, Json& json) {
  const std::vector<double> deviations = exact.OutputDeviations();
  NoiseSettings noise = command.noise;
  const std::vector<NoiseLeftOut> left_out = ResolveShares(
      deviations, [&](double level) { return CheckRoom(target, level); }, noise);
  PRIVDNN_ASSIGN_OR_RETURN(const auto levels, MeasureNoise(owner, noise, command.extraction, images.asked, images.fresh,
                                                           json["accuracy_separated"].get<double>(), deviations));
  json["within"] = noise.within;
  json["noise_left_out"] = Json::array();
  for (const NoiseLeftOut& l : left_out) {
    json["noise_left_out"].push_back({{"output_noise", l.output_noise}, {"reason", l.reason}});
  }
  json["noise"] = Json::array();
  for (const NoiseEffect& level : levels) {
    Json clones = Json::array();
    for (const Clone& c : level.clones) clones.push_back({{"images_used", c.images}, {"clone_accuracy", c.accuracy}});
    Json row = {{"output_noise", level.output_noise},
                {"shares_of_deviation", level.shares},
                {"user_accuracy", level.accuracy},
                {"images_needed", nullptr},
                {"images_to_noisy_accuracy", ImagesOrNull(level.to_noisy_accuracy)},
                {"images_to_exact_accuracy", ImagesOrNull(level.to_exact_accuracy)},
                {"images_tried", level.most_images},
                {"clones", std::move(clones)}};
    if (level.output_noise == 0) row["images_needed"] = json["images_needed"];
    json["noise"].push_back(std::move(row));
  }
  return absl::OkStatus();
}

// The first layer of a quadratic segment, [neuron][place].
std::vector<std::vector<double>> FirstWeights(const FoldedLayer& first) {
  const size_t window = first.weights.size() / static_cast<size_t>(first.outputs);
  std::vector<std::vector<double>> weights;
  for (size_t at = 0; at < first.weights.size(); at += window) {
    const auto from = first.weights.begin() + static_cast<std::ptrdiff_t>(at);
    weights.emplace_back(from, from + static_cast<std::ptrdiff_t>(window));
  }
  return weights;
}

// The second one as Layers has it, in units of the outputs' integers.
std::vector<std::vector<double>> SecondWeights(const PlannedSegment& truth) {
  std::vector<std::vector<double>> weights;
  for (size_t f = 0; f < truth.segment.neurons.size(); ++f) {
    weights.push_back(FoldedKernel(truth.plan.geometry, truth.segment.layer, truth.segment.neurons[f]));
    for (double& v : weights.back()) v /= truth.quantized.output_scale[f];
  }
  return weights;
}

// The first layer's neurons whose weights, up to their scales, are in a package, ascending. It holds none, encrypted or
// not, if no plaintext neuron reads them.
std::vector<size_t> KnownNeurons(const ModelPlan& model, const Segment& segment, const HiddenWeights& hidden) {
  const auto number = static_cast<size_t>(segment.first_number);
  const size_t node = FindLayers(model.graph)[number - 1].node;
  const auto flags = hidden.core.find(model.graph.nodes[node].inputs[1]);
  if (flags != hidden.core.end() && std::ranges::find(flags->second, false) == flags->second.end()) return {};
  std::vector<size_t> neurons;
  for (int64_t c = 0; c < segment.first->outputs; ++c) {
    if (!std::ranges::binary_search(segment.first_neurons, c)) neurons.push_back(static_cast<size_t>(c));
  }
  return neurons;
}

// The two layers behind each quadratic segment's kernels, beside the true ones where these are known. How many neurons
// the first layer has is public: the architecture is.
absl::Status AddLayers(const ExtractionAttack& e, const ModelPlan& truth, Json& json) {
  json["layers"] = Json::array();
  PRIVDNN_ASSIGN_OR_RETURN(const HiddenWeights hidden, FindHiddenWeights(truth.graph, truth.selection));
  const ProgressFn progress = MakeProgress(std::make_shared<ProgressBar>("finding the layers"));
  for (const GroupAttack& a : e.groups()) {
    const PlannedSegment& segment = truth.segments[a.segment];
    if (a.group != 0 || !segment.segment.first) continue;
    const auto first = FirstWeights(*segment.segment.first);
    const auto known_neurons = KnownNeurons(truth, segment.segment, hidden);
    std::vector<std::vector<double>> known;
    for (const size_t c : known_neurons) known.push_back(first[c]);
    Json found = {{"segment", a.segment},
                  {"neurons", first.size()},
                  {"neurons_in_plaintext", known.size()},
                  {"known_neurons", known_neurons}};
    const auto start = std::chrono::steady_clock::now();
    const auto layers = Decompose(*a.polynomial, a.kernels, known, first.size(), progress);
    if (absl::IsCancelled(layers.status())) return layers.status();
    if (layers.ok()) {
      const LayerErrors errors = CompareLayers(*layers, first, SecondWeights(segment));
      found["residual"] = layers->residual;
      found["residual_of_rounding"] = layers->rounding;
      found["neurons_missing"] = layers->missing;
      found["first_layer_errors"] = errors.first;  // of all neurons; known ones have none
      found["second_layer_errors"] = errors.second;
    } else {
      found["not_found"] = Message(layers.status());
    }
    found["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    json["layers"].push_back(std::move(found));
  }
  return absl::OkStatus();
}

std::string Percent(const Json& value) { return fmt::format("{:.2f} %", value.get<double>()); }

void AddSegmentRows(const Json& s, FactTable& table) {
  table.Add(fmt::format("segment {}, {} outputs", s["segment"].get<uint64_t>(), s["outputs"].get<uint64_t>()),
            fmt::format("{} unknowns an output, {} equations an image", s["unknowns_per_output"].get<uint64_t>(),
                        s["equations_per_image"].get<uint64_t>()));
  const uint64_t predicted = s["images_predicted"].get<uint64_t>();
  table.Add("  images needed",
            s["images_needed"].is_null()
                ? fmt::format("these leave {} unknowns open; predicted {}",
                              s["unknowns_per_output"].get<uint64_t>() - s["unknowns_found"].get<uint64_t>(), predicted)
                : fmt::format("{}; predicted {}", s["images_needed"].get<uint64_t>(), predicted));
}

void AddNoiseRows(const Json& json, FactTable& table) {
  const auto count = [](const Json& images) { return images.is_null() ? "no" : images.dump(); };
  for (const Json& l : json["noise_left_out"]) {
    table.Add(fmt::format("noise {:.4g}", l["output_noise"].get<double>()),
              "left out: " + l["reason"].get<std::string>());
  }
  for (const Json& level : json["noise"]) {
    std::string shares;
    for (const Json& share : level["shares_of_deviation"]) {
      shares += fmt::format("{}{:.3g} %", shares.empty() ? "" : ", ", 100 * share.get<double>());
    }
    table.Add(fmt::format("noise {:.4g} ({} of the outputs')", level["output_noise"].get<double>(), shares),
              fmt::format("user {}; {} images for a clone within {:.4g} of that, {} within {:.4g} of A_s, {} for the "
                          "kernels",
                          Percent(level["user_accuracy"]), count(level["images_to_noisy_accuracy"]),
                          json["within"].get<double>(), count(level["images_to_exact_accuracy"]),
                          json["within"].get<double>(), count(level["images_needed"])));
  }
}

std::string Text(const Json& json) {
  FactTable table(fmt::format("kernels from {} and their outputs, {}",
                              json["inputs"] == "images" ? "images" : "random inputs",
                              json["owner"].get<std::string>()));
  if (json["owner_output_noise"] != 0) {
    table.Add("noise on outputs", fmt::format("{:.4g}, as the owner says: kernels can't be exact",
                                              json["owner_output_noise"].get<double>()));
  }
  for (const Json& s : json["segments"]) AddSegmentRows(s, table);
  table.Add("images asked", json["images_asked"].dump());
  if (!json["kernel_mismatches"].is_null()) {
    table.Add("coefficients that differ", json["kernel_mismatches"].dump() + " from the owner's");
  }
  if (json["check_integers"] != 0) {
    table.Add("outputs of new inputs",
              fmt::format("{} of {} differ from the owner's", json["check_mismatches"].get<uint64_t>(),
                          json["check_integers"].get<uint64_t>()));
  }
  if (!json["clone_accuracy"].is_null())
    table.Add("clone, without the owner",
              fmt::format("{} of {} images", Percent(json["clone_accuracy"]), json["clone_images"].get<uint64_t>()));
  if (json.contains("accuracy_separated")) {
    table.Add("A_s, authorised user", Percent(json["accuracy_separated"]));
    table.Add("A_r, before the attack", Percent(json["accuracy_without_core"]));
  }
  for (const Json& p : json["curve"]) {
    table.Add(fmt::format("  clone by {} images ({:.0f} %)", p["images_used"].get<uint64_t>(),
                          100 * p["fraction"].get<double>()),
              p["clone_accuracy"].is_null() ? "no labels" : Percent(p["clone_accuracy"]));
  }
  if (json.contains("noise")) AddNoiseRows(json, table);
  if (json.contains("layers")) {
    for (const Json& l : json["layers"]) {
      const std::string name = fmt::format("layers of segment {}", l["segment"].get<uint64_t>());
      if (l.contains("not_found")) {
        table.Add(name, l["not_found"].get<std::string>());
        continue;
      }
      const auto worst = [&](const char* field) { return 100 * std::ranges::max(l[field].get<std::vector<double>>()); };
      const uint64_t missing = l["neurons_missing"].get<uint64_t>();
      const std::string lost =
          missing > 0 ? fmt::format("{} of {} neurons not found; ", missing, l["neurons"].get<uint64_t>()) : "";
      table.Add(name, fmt::format("{}errors up to {:.2g} % in the first, {:.2g} % in the second; residual {:.3g} %, "
                                  "that of rounding {:.3g} %",
                                  lost, worst("first_layer_errors"), worst("second_layer_errors"),
                                  100 * l["residual"].get<double>(), 100 * l["residual_of_rounding"].get<double>()));
    }
  }
  table.Add("time", fmt::format("{:.1f} s", json["seconds"].get<double>()));
  return table.Render();
}

// `local`: the owner that was started here, whose model the report compares with; nullptr for another.
absl::StatusOr<CommandOutput> Attack(const ExtractCommand& command, AttackTarget& target, const std::string& owner,
                                     LocalOwner* local) {
  const auto start = std::chrono::steady_clock::now();
  const ModelPlan* truth = local ? &local->model() : nullptr;
  PRIVDNN_ASSIGN_OR_RETURN(const Images images, LoadImages(command, target.rest()));
  for (const double level : command.noise.levels) {  // before anything takes long
    PRIVDNN_RETURN_IF_ERROR(CheckRoom(target, level));
  }
  ExtractionSettings extraction = command.extraction;
  extraction.exact = target.output_noise() == 0;
  PRIVDNN_ASSIGN_OR_RETURN(ExtractionAttack attack, ExtractionAttack::Create(target, extraction));
  PRIVDNN_RETURN_IF_ERROR(attack.Collect(images.asked));
  std::optional<double> accuracy;
  if (attack.determined()) {
    PRIVDNN_RETURN_IF_ERROR(attack.Solve());
    PRIVDNN_RETURN_IF_ERROR(attack.Check(images.fresh));
    if (truth) PRIVDNN_RETURN_IF_ERROR(attack.Compare(*truth));
    if (images.labelled) {
      PRIVDNN_ASSIGN_OR_RETURN(accuracy, attack.CloneAccuracy(images.fresh, /*exact=*/true));
    }
  }
  CommandOutput output;
  output.json = Report(attack, command, owner, target.output_noise(), truth != nullptr);
  if (accuracy) output.json["clone_accuracy"] = *accuracy;
  if (images.labelled) output.json["clone_images"] = images.fresh.count;
  PRIVDNN_RETURN_IF_ERROR(AddCurve(command, images, attack, output.json));
  if (truth && command.layers && attack.determined()) {
    PRIVDNN_RETURN_IF_ERROR(AddLayers(attack, *truth, output.json));
  }
  output.json["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (truth && images.labelled) {
    PRIVDNN_ASSIGN_OR_RETURN(const SelectionAccuracy accuracies,
                             EvaluateSelection(truth->graph, truth->selection, images.fresh,
                                               Evaluating("the selection", images.fresh.count)));
    FactTable unused("");
    AddAccuracies(accuracies, output.json, unused);
    if (command.noise.given()) {
      PRIVDNN_RETURN_IF_ERROR(AddNoise(command, images, target, attack, *local, output.json));
    }
  }
  output.text = Text(output.json);
  return output;
}

absl::StatusOr<CommandOutput> Extract(const ExtractCommand& command) {
  SetExecutorThreads(command.extraction.threads);
  if (!command.owner.address.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(AttackTarget target, AttackTarget::Connect(command.owner, command.extraction.threads));
    return Attack(command, target, "the owner at " + command.owner.address, nullptr);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.network.CalibrationImages(graph, command.images));
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions options, OnThisMachine(command.settings));
  PRIVDNN_ASSIGN_OR_RETURN(ModelPlan model, Plan(graph, selection, options, images));
  PRIVDNN_ASSIGN_OR_RETURN(LocalOwner owner, LocalOwner::Start(std::move(model), {.threads = command.extraction.threads,
                                                                                  .reporting = ReportingToPeople()}));
  const OwnerAddress address{owner.package(), owner.address(), owner.user_directory(), LocalOwner::kUserName};
  PRIVDNN_ASSIGN_OR_RETURN(AttackTarget target, AttackTarget::Connect(address, command.extraction.threads));
  PRIVDNN_ASSIGN_OR_RETURN(
      CommandOutput output,
      Attack(command, target, "an owner in a process of its own on this machine (gRPC, TLS)", &owner));
  PRIVDNN_RETURN_IF_ERROR(owner.Stop().status());
  return output;
}

}  // namespace

void AddAttackExtract(CLI::App& attack, Globals& globals, Action& action) {
  auto* command = AddCommand(attack, globals, "extract",
                             "Encrypted kernels from a user's own inputs and the outputs it is given, exactly",
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
  AddChoice(command, "--inputs", o->extraction.real_images,
            "what is asked: random values of each encrypted part's input, which a user may put in place of images, or "
            "images, the first half of those there are; accuracies are of images that were not asked",
            kInputs);
  command
      ->add_option("--fractions", o->fractions,
                   "also the clones by so many of the images that are needed, by ridge regression with a penalty "
                   "that held-out images choose")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--images-used", o->images_used, "the same by numbers of images")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000000));
  auto* owner = command->add_option("--owner", o->owner.address,
                                    "host:port of a server to attack; default: an owner is started on this machine");
  command
      ->add_option("--output-noise", o->noise.levels,
                   "also what it would change if the owner added errors of these standard deviations to outputs (as "
                   "privdnn serve --output-noise does, in the units of the encrypted layers' outputs): the user's "
                   "accuracy, and the images that a clone needs; with --inputs images")
      ->delimiter(',')
      ->check(NonNegativeNumber())
      ->excludes(owner);
  command
      ->add_option("--noise-shares", o->noise.shares,
                   "the same for errors of so many times the outputs' own deviation, as measured in this run; of "
                   "several segments, the least")
      ->delimiter(',')
      ->check(NonNegativeNumber())
      ->excludes(owner);
  command->add_option("--within", o->noise.within, "points of percent by which such a clone may be worse than the user")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command
      ->add_flag("--layers", o->layers,
                 "also the two layers behind a quadratic segment's kernels, and how far they are from the true ones")
      ->excludes(owner);
  command
      ->add_option("--check-images", o->extraction.check_images,
                   "inputs that are asked afterwards to check the clone's outputs")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command
      ->add_option("--max-unknowns", o->extraction.max_unknowns,
                   "unknowns an output that are solved for; n of them take 4 n^2 bytes and time as n^3")
      ->check(CLI::Range(uint64_t{1}, OutputPolynomial::kMaxUnknowns))
      ->capture_default_str();
  auto* package = command->add_option("--package", o->owner.package, "package file from that owner")->needs(owner);
  auto* tls = command->add_option("--tls", o->owner.tls, "directory with ca.crt, NAME.crt and NAME.key")->needs(owner);
  owner->needs(package)->needs(tls);
  command->add_option("--user", o->owner.user, "NAME of the user's certificate")->capture_default_str()->needs(owner);
  AddThreads(command, o->extraction.threads);
  command->callback([o, &action] {
    if (o->noise.given() && !o->extraction.real_images) {
      throw CLI::ValidationError(NoiseOption(*o), "needs --inputs images");
    }
    if (o->noise.given() && !o->images.labelled()) {
      throw CLI::ValidationError(NoiseOption(*o), "measures accuracies and needs images with labels");
    }
    o->extraction.seed = o->network.seed;
    action = [o] { return Extract(*o); };
  });
}

}  // namespace privdnn
