#include "privdnn/cli/lifted_model.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "privdnn/cli/choice.h"
#include "privdnn/cli/prediction.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/report/table.h"
#include "privdnn/torch/ranges.h"

namespace privdnn {

namespace {

const std::map<std::string, Objective> kObjectives = {
    {"latency", Objective::kLatency}, {"throughput", Objective::kThroughput}, {"bytes", Objective::kBytes}};

// Images that a plan predicts figures for.
constexpr std::array<uint64_t, 2> kPredictedImages = {1, kBatchImages};

// Of a package, at most: what is neither ciphertexts nor the plaintext rest.
uint64_t HeaderAllowance(const std::vector<PlanTask>& tasks) {
  uint64_t bytes = 1000;
  for (const PlanTask& task : tasks) bytes += 500 + 8 * uint64_t{task.spec.outputs()};
  return bytes;
}

uint64_t MegabytesToBytes(double megabytes) {
  constexpr double kNoBound = 1e13;  // 10^19 bytes, about what 64 bits count
  return megabytes > 0 && megabytes < kNoBound ? static_cast<uint64_t>(megabytes * 1e6) : UINT64_MAX;
}

}  // namespace

void LiftSettings::Add(CLI::App* command) {
  command->add_option("--input-bits", options.input_bits, "bits of a quantised input value")
      ->check(CLI::Range(2, 15))
      ->capture_default_str();
  command->add_option("--kernel-bits", options.kernel_bits, "bits of a quantised kernel coefficient")
      ->check(CLI::Range(2, 24))
      ->capture_default_str();
  command->add_option("--input-min", options.input_min, "smallest input value")->capture_default_str();
  command->add_option("--input-max", options.input_max, "largest input value")->capture_default_str();
  command->add_option("--image-budget", image_budget, "images that may ever be asked of the package")
      ->check(PositiveInt())
      ->capture_default_str();
  AddChoice(command, "--optimise", objective,
            "choose rings and packings for the time of one image (latency), the time an image in messages of 8 "
            "(throughput), or the bytes on the network (bytes)",
            kObjectives);
  command->add_option("--max-package-mb", max_package_mb, "largest package, in 10^6 bytes")->check(PositiveNumber());
  command
      ->add_option("--max-memory-mb", max_memory_mb,
                   "largest resident memory of the user, as predicted for one thread, in 10^6 bytes")
      ->check(PositiveNumber());
}

std::vector<EncryptionTask> LiftedModel::Tasks() const {
  std::vector<EncryptionTask> tasks;
  for (const LiftedSegment& s : segments) tasks.push_back({&s.quantized, &s.plan});
  return tasks;
}

double LiftedModel::StatisticalSecurity() const {
  std::vector<double> bits;
  for (const LiftedSegment& s : segments) bits.push_back(s.plan.statistical_security);
  return JointStatisticalSecurity(bits);
}

namespace {

bool ReadsImages(const Graph& graph, const Segment& segment) {
  return std::ranges::find(graph.inputs, segment.input, &ValueInfo::name) != graph.inputs.end();
}

// What each segment's input is quantised by.
absl::StatusOr<std::vector<LiftOptions>> SegmentOptions(const Graph& graph, const std::vector<Segment>& segments,
                                                        const LiftSettings& settings, const ImageSet& calibration) {
  std::vector<LiftOptions> options(segments.size(), settings.options);
  std::vector<std::string> inner;
  for (const Segment& s : segments) {
    if (ReadsImages(graph, s)) continue;
    if (calibration.count == 0) {
      return InvalidArgument(
          "selection: layer {} reads '{}', whose range has to be measured: give images that the network is made for "
          "(--images or --data-set)",
          s.first ? s.first_number : s.layer_number, s.input);
    }
    inner.push_back(s.input);
  }
  if (inner.empty()) return options;
  spdlog::info("measuring what {} layers read, on {} images", inner.size(), calibration.count);
  // An authorised user evaluates the separated network, so its values count.
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const auto ranges, MeasureRanges(separated, inner, calibration));
  for (size_t k = 0, i = 0; k < segments.size(); ++k) {
    if (ReadsImages(graph, segments[k])) continue;
    options[k].input_min = kRangeMargin * std::min(double{ranges[i].min}, 0.0);
    options[k].input_max = kRangeMargin * std::max(double{ranges[i].max}, 0.0);
    // A value that is 0 for every image still needs a range.
    if (options[k].input_min == options[k].input_max) options[k].input_max = 1;
    ++i;
  }
  return options;
}

}  // namespace

absl::StatusOr<LiftedModel> LiftModel(const Graph& graph, const Selection& selection, const LiftSettings& settings,
                                      const ImageSet& calibration) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const auto options, SegmentOptions(graph, segments, settings, calibration));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(MachineCosts costs, LoadMachineCosts(MachineFile()));
  LiftedModel model{graph, selection, {}, ExportOnnx(rest), settings.objective, std::move(costs)};
  std::vector<QuantizedSegment> quantized;
  std::vector<PlanTask> tasks;
  for (size_t k = 0; k < segments.size(); ++k) {
    auto lifted = LiftSegment(segments[k], options[k]);
    if (!lifted.ok()) return Annotate(lifted.status(), fmt::format("layer {}", segments[k].layer_number));
    tasks.push_back({lifted->spec, lifted->plain_bits()});
    quantized.push_back(*std::move(lifted));
  }
  const PlanOptions planned{.image_budget = settings.image_budget,
                            .objective = settings.objective,
                            .costs = model.costs.costs,
                            .max_package_bytes = MegabytesToBytes(settings.max_package_mb),
                            .fixed_package_bytes = model.rest_model.size() + HeaderAllowance(tasks),
                            .max_user_memory_bytes = MegabytesToBytes(settings.max_memory_mb),
                            .fixed_user_memory_bytes = FixedUserMemory(model.rest_model.size())};
  if (const uint64_t loading = LoadingUserMemory(model.rest_model.size()); loading > planned.max_user_memory_bytes) {
    return InvalidArgument(
        "plan: memory of the user of at most {} MB was asked for; reading the plaintext rest of the network alone "
        "takes "
        "{} MB",
        planned.max_user_memory_bytes / 1'000'000, loading / 1'000'000 + 1);
  }
  PRIVDNN_ASSIGN_OR_RETURN(auto plans, PlanSegments(tasks, planned));
  for (size_t k = 0; k < segments.size(); ++k) {
    model.segments.push_back({segments[k], std::move(quantized[k]), std::move(plans[k])});
  }
  return model;
}

namespace {

uint64_t DivideUp(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// How few images' replies give a segment's kernels away: by linear algebra, all of them and the first of them (those of
// outputs away from the border, or of a shortcut), and by the number of parameters behind an output, whose equations
// are not linear.
struct Extraction {
  ExtractionCount kernels;
  uint64_t parameters, images_by_parameter_count;
};

Extraction CountExtraction(const LiftedSegment& s) {
  const Geometry& g = s.plan.geometry;
  const uint64_t positions = g.spec().groups[0].positions();
  // Weights and bias of the neuron itself.
  const auto own =
      static_cast<uint64_t>(s.segment.layer.inputs * s.segment.layer.kernel[0] * s.segment.layer.kernel[1]) + 1;
  const uint64_t core = s.segment.first_neurons.size();
  Extraction e{s.plan.extraction, own, 0};
  // A user who has the whole first layer computes the squares itself: the second is a linear one to it.
  if (s.segment.first && core == 0 && own < e.kernels.unknowns) {
    const uint64_t images = DivideUp(own, positions);
    e.kernels = {own, images, own, positions, images};
  }
  e.parameters += core * (g.window() + 1);
  e.images_by_parameter_count = DivideUp(e.parameters, positions);
  // Squares that are decrypted for a shortcut tell the first layer's neurons one by one.
  if (!s.segment.shortcut.empty()) {
    const ExtractionCount squares = privdnn::CountExtraction(g, 1);
    e.kernels.images = std::max(e.kernels.images, squares.images);
    e.kernels.inner_images = std::min(e.kernels.inner_images, squares.inner_images);
    e.images_by_parameter_count =
        std::min(e.images_by_parameter_count, DivideUp(g.window() + 1, g.spec().groups[1].positions()));
  }
  return e;
}

Json SegmentJson(const LiftedSegment& s, const CostConstants& costs) {
  const SegmentPlan& p = s.plan;
  const Geometry& g = p.geometry;
  const OutputGroup& group = g.spec().groups[0];
  const auto size = [](Size2 v) { return Json::array({v.h, v.w}); };
  const Extraction extraction = CountExtraction(s);
  Json layers = Json::array(), core = Json::array(), neurons = Json::array();
  if (s.segment.first) {
    layers.push_back(s.segment.first_number);
    core.push_back(s.segment.first_neurons.size());
    neurons.push_back(s.segment.first->outputs);
  }
  layers.push_back(s.segment.layer_number);
  core.push_back(s.segment.neurons.size());
  neurons.push_back(s.segment.layer.outputs);
  return {{"kind", s.segment.first ? "quadratic" : "linear"},
          {"layers", layers},
          {"core_neurons", core},
          {"neurons", neurons},
          {"shortcut_outputs", s.segment.shortcut.size()},
          {"window", g.window()},
          {"features", g.features()},
          {"feature_map", size(g.grid())},
          {"kernel", size(group.kernel)},
          {"stride", size(group.stride)},
          {"output_map", size(group.map)},
          {"tiles", size(g.spec().tiles)},
          {"tile_map", size(g.tile_map())},
          {"images_per_ciphertext", g.images_per_ciphertext()},
          {"polynomials", g.terms()},
          {"ring_dimension", p.parameters.n},
          {"primes", p.parameters.primes},
          {"log_q", LogQ(p.parameters.primes)},
          {"input_bits", g.spec().input_bits},
          {"worst_case_output_bits", std::log2(static_cast<double>(s.quantized.worst_case))},
          {"plain_bits", p.parameters.plain_bits},
          {"statistical_security_bits", p.statistical_security},
          {"ciphertext_bytes", p.ciphertext_bytes},
          {"query_bytes_per_image", p.query_bytes_per_image},
          {"reply_bytes_per_image", p.reply_bytes_per_image},
          {"user_kernel_memory_bytes", p.user_memory_bytes},
          {"user_forward_ntts_per_image", p.user_forward_ntts},
          {"user_inverse_ntts_per_image", p.user_inverse_ntts},
          {"user_macs_per_image", p.user_macs},
          {"user_encrypted_ms", UserMs(g, p.parameters, costs, 1)},
          {"owner_ms", OwnerMs(g, p.parameters, costs, 1)},
          {"unknowns_per_output", extraction.kernels.unknowns},
          {"images_to_reconstruct", extraction.kernels.images},
          {"images_to_reconstruct_first", extraction.kernels.inner_images},
          {"images_to_recover_keys", p.images_to_recover_keys},
          {"parameters_per_output", extraction.parameters},
          {"images_by_parameter_count", extraction.images_by_parameter_count}};
}

}  // namespace

Json PlanJson(const LiftedModel& m) {
  Json segments = Json::array();
  for (const LiftedSegment& s : m.segments) segments.push_back(SegmentJson(s, m.costs.costs));
  const auto sum = [&](const char* field) {
    uint64_t total = 0;
    for (const Json& s : segments) total += s[field].get<uint64_t>();
    return total;
  };
  const auto least = [&](const char* field) {
    uint64_t smallest = UINT64_MAX;
    for (const Json& s : segments) smallest = std::min(smallest, s[field].get<uint64_t>());
    return smallest;
  };
  Json json = {{"selection", Json::parse(FormatSelection(m.selection))},
               {"image_budget", m.segments[0].plan.image_budget},
               {"lattice_security_bits", 128},
               {"statistical_security_bits", m.StatisticalSecurity()},
               {"package_bytes", m.PackageSize()},
               {"plaintext_model_bytes", m.rest_model.size()}};
  for (const char* field : {"query_bytes_per_image", "reply_bytes_per_image", "user_kernel_memory_bytes",
                            "user_forward_ntts_per_image", "user_inverse_ntts_per_image", "user_macs_per_image"}) {
    json[field] = sum(field);
  }
  for (const char* field : {"images_to_reconstruct", "images_to_reconstruct_first", "images_to_recover_keys",
                            "images_by_parameter_count"}) {
    json[field] = least(field);
  }
  json["optimise"] = NameOf(kObjectives, m.objective);
  json["costs"] = {{"measured_here", m.costs.measured}, {"cpu", m.costs.costs.cpu}, {"kernel", m.costs.costs.kernel}};
  json["predicted"] = Json::array();
  for (const uint64_t images : kPredictedImages) {
    json["predicted"].push_back(PredictionJson(PredictCost(m, {.images = images, .batch = kBatchImages})));
  }
  json["segments"] = segments;
  return json;
}

namespace {

void AddSegmentFacts(const LiftedSegment& s, const Json& j, FactTable& table) {
  const SegmentPlan& p = s.plan;
  const Geometry& g = p.geometry;
  const OutputGroup& group = g.spec().groups[0];
  std::string core;
  for (size_t i = 0; i < j["layers"].size(); ++i) {
    core += fmt::format("{}{} of {} in layer {}", i ? ", " : "", j["core_neurons"][i].get<uint64_t>(),
                        j["neurons"][i].get<uint64_t>(), j["layers"][i].get<uint64_t>());
  }
  if (!s.segment.shortcut.empty()) core += fmt::format("; {} squares for a shortcut", s.segment.shortcut.size());
  table.Add("core neurons", core);
  table.Add("lifted",
            fmt::format("{} inputs a position, {} features on a {}x{} map, kernel {}x{} stride {}, output {}x{}",
                        g.window(), g.features(), g.grid().h, g.grid().w, group.kernel.h, group.kernel.w,
                        group.stride.h, group.map.h, group.map.w));
  if (g.num_tiles() > 1) {
    table.Add("tiles", fmt::format("{}x{} of {}x{} positions", g.spec().tiles.h, g.spec().tiles.w, g.tile_map().h,
                                   g.tile_map().w));
  }
  if (g.images_per_ciphertext() > 1) table.Add("images a ciphertext", fmt::to_string(g.images_per_ciphertext()));
  table.Add("ring", fmt::format("N = {}, {} primes, log2 Q = {:.1f}, {} polynomials a kernel", p.parameters.n,
                                p.parameters.primes.size(), j["log_q"].get<double>(), g.terms()));
  table.Add("integers",
            fmt::format("{}-bit inputs, outputs below 2^{:.1f}, plaintext modulus 2^{}", g.spec().input_bits,
                        j["worst_case_output_bits"].get<double>(), p.parameters.plain_bits));
  table.Add("ciphertexts in the package", FormatBytes(p.ciphertext_bytes));
  table.Add("an image",
            fmt::format("{} up, {} down", FormatBytes(p.query_bytes_per_image), FormatBytes(p.reply_bytes_per_image)));
  table.Add("user's work an image",
            fmt::format("{} transforms, {:.1f} M multiply-accumulates", p.user_forward_ntts + p.user_inverse_ntts,
                        static_cast<double>(p.user_macs) * 1e-6));
  table.Add("images to reconstruct",
            fmt::format("{} ({} unknowns an output, {} equations an image)", j["images_to_reconstruct"].get<uint64_t>(),
                        j["unknowns_per_output"].get<uint64_t>(), group.positions()));
  if (j["images_to_reconstruct_first"] != j["images_to_reconstruct"]) {
    table.Add("  the first of them", fmt::format("{}", j["images_to_reconstruct_first"].get<uint64_t>()));
  }
  table.Add("images to recover the keys",
            fmt::format("{}, for a malicious user's chosen ciphertexts", p.images_to_recover_keys));
  table.Add("images by parameter count",
            fmt::format("{} ({} parameters behind an output)", j["images_by_parameter_count"].get<uint64_t>(),
                        j["parameters_per_output"].get<uint64_t>()));
}

}  // namespace

std::string PlanText(const LiftedModel& m) {
  const Json j = PlanJson(m);
  std::string text;
  for (size_t k = 0; k < m.segments.size(); ++k) {
    const LiftedSegment& s = m.segments[k];
    FactTable table(fmt::format("segment {}, {}: {} -> {}", k, j["segments"][k]["kind"].get<std::string>(),
                                s.segment.input, s.segment.output));
    AddSegmentFacts(s, j["segments"][k], table);
    text += table.Render();
  }
  const uint64_t budget = j["image_budget"].get<uint64_t>();
  FactTable all(fmt::format("package, {} round trip{} an image", m.segments.size(), m.segments.size() > 1 ? "s" : ""));
  all.Add("size", fmt::format("{}, of it {} the plaintext rest", FormatBytes(j["package_bytes"].get<uint64_t>()),
                              FormatBytes(m.rest_model.size())));
  all.Add("an image", fmt::format("{} up, {} down", FormatBytes(j["query_bytes_per_image"].get<uint64_t>()),
                                  FormatBytes(j["reply_bytes_per_image"].get<uint64_t>())));
  all.Add("security", fmt::format("128 bits (lattice), {:.1f} bits (statistical, over {} images)",
                                  m.StatisticalSecurity(), budget));
  for (const uint64_t images : kPredictedImages) {
    const CostPrediction p = PredictCost(m, {.images = images, .batch = kBatchImages});
    all.Add(images == 1 ? "one image" : fmt::format("an image of {} in a message", images),
            fmt::format("{} user's encrypted part, {} owner; {:.0f} B up, {:.0f} B down", FormatMilliseconds(p.user_ms),
                        FormatMilliseconds(p.owner_ms), static_cast<double>(p.bytes_up) / static_cast<double>(images),
                        static_cast<double>(p.bytes_down) / static_cast<double>(images)));
    all.Add("  peak memory",
            fmt::format("{} user, {} owner", FormatBytes(p.user_memory_bytes), FormatBytes(p.owner_memory_bytes)));
  }
  all.Add("predicted for", fmt::format("one thread, {} with {} kernels, {}", m.costs.costs.cpu, m.costs.costs.kernel,
                                       m.costs.measured ? "as measured here" : "as documented, not measured here"));
  all.Add("optimised for", j["optimise"].get<std::string>());
  text += all.Render();
  const uint64_t fewest =
      std::min({j["images_to_reconstruct_first"].get<uint64_t>(), j["images_to_recover_keys"].get<uint64_t>(),
                j["images_by_parameter_count"].get<uint64_t>()});
  if (budget >= fewest) {
    text += fmt::format(
        "note: a budget of {} images is not below {}, where the encrypted kernels begin to be at risk from their "
        "user.\n"
        "      No encryption changes that: give each user a package of its own and a budget that fits the trust (see\n"
        "      SECURITY.md, statement 3).\n",
        budget, fewest);
  }
  return text;
}

}  // namespace privdnn
