#include "cli/lifted_model.h"

#include <algorithm>
#include <cmath>

#include "nn/onnx.h"
#include "nn/ranges.h"
#include "report/table.h"

namespace privdnn::cli {

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
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

std::vector<EncryptionTask> LiftedModel::Tasks() const {
  std::vector<EncryptionTask> tasks;
  for (const LiftedSegment& s : segments) tasks.push_back({&s.quantized, &s.plan});
  return tasks;
}

double LiftedModel::StatisticalSecurity() const {
  double sum = 0;
  for (const LiftedSegment& s : segments) sum += std::exp2(-s.plan.statistical_security);
  return -std::log2(sum);
}

namespace {

bool ReadsImages(const nn::Graph& graph, const nn::Segment& segment) {
  return std::ranges::find(graph.inputs, segment.input, &nn::ValueInfo::name) != graph.inputs.end();
}

// What each segment's input is quantised by.
absl::StatusOr<std::vector<LiftOptions>> SegmentOptions(const nn::Graph& graph,
                                                        const std::vector<nn::Segment>& segments,
                                                        const LiftSettings& settings, const nn::ImageSet& calibration) {
  std::vector<LiftOptions> options(segments.size(), settings.options);
  std::vector<std::string> inner;
  for (const nn::Segment& s : segments) {
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
  // An authorised user evaluates the separated network, so its values count.
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph separated, nn::Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const auto ranges, nn::MeasureRanges(separated, inner, calibration));
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

absl::StatusOr<LiftedModel> LiftModel(const nn::Graph& graph, const nn::Selection& selection,
                                      const LiftSettings& settings, const nn::ImageSet& calibration) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, nn::FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const auto options, SegmentOptions(graph, segments, settings, calibration));
  LiftedModel model{graph, selection, {}, {}};
  for (size_t k = 0; k < segments.size(); ++k) {
    const std::string where = fmt::format("layer {}", segments[k].layer_number);
    auto quantized = LiftSegment(segments[k], options[k]);
    if (!quantized.ok()) return Annotate(quantized.status(), where);
    auto plan = PlanSegment(quantized->spec, quantized->plain_bits(), settings.image_budget, segments.size());
    if (!plan.ok()) return Annotate(plan.status(), where);
    model.segments.push_back({segments[k], *std::move(quantized), *std::move(plan)});
  }
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segments));
  model.rest_model = nn::ExportOnnx(rest);
  return model;
}

namespace {

// Of the two layers behind one output of a quadratic segment: every neuron's weights and bias before the square, the
// output's weights and bias behind it. Of a linear one: the output's own.
uint64_t ParametersPerOutput(const LiftedSegment& s) {
  const auto own =
      static_cast<uint64_t>(s.segment.layer.inputs * s.segment.layer.kernel[0] * s.segment.layer.kernel[1]);
  const uint64_t before =
      s.segment.first ? static_cast<uint64_t>(s.segment.first->outputs) * (s.plan.geometry.window() + 1) : 0;
  return before + own + 1;
}

Json SegmentJson(const LiftedSegment& s) {
  const SegmentPlan& p = s.plan;
  const Geometry& g = p.geometry;
  const OutputGroup& group = g.spec().groups[0];
  const auto size = [](Size2 v) { return Json::array({v.h, v.w}); };
  const uint64_t parameters = ParametersPerOutput(s);
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
          {"unknowns_per_output", p.unknowns_per_output},
          {"images_to_reconstruct", p.images_to_reconstruct},
          {"images_to_recover_keys", p.images_to_recover_keys},
          {"parameters_per_output", parameters},
          {"images_by_parameter_count", (parameters + group.positions() - 1) / group.positions()}};
}

}  // namespace

Json PlanJson(const LiftedModel& m) {
  Json segments = Json::array();
  for (const LiftedSegment& s : m.segments) segments.push_back(SegmentJson(s));
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
  Json json = {{"selection", Json::parse(nn::FormatSelection(m.selection))},
               {"image_budget", m.segments[0].plan.image_budget},
               {"lattice_security_bits", 128},
               {"statistical_security_bits", m.StatisticalSecurity()},
               {"package_bytes", m.PackageSize()},
               {"plaintext_model_bytes", m.rest_model.size()}};
  for (const char* field : {"query_bytes_per_image", "reply_bytes_per_image", "user_kernel_memory_bytes",
                            "user_forward_ntts_per_image", "user_inverse_ntts_per_image", "user_macs_per_image"}) {
    json[field] = sum(field);
  }
  for (const char* field : {"images_to_reconstruct", "images_to_recover_keys", "images_by_parameter_count"}) {
    json[field] = least(field);
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
  table.Add("images to reconstruct", fmt::format("{} ({} unknowns an output, {} equations an image)",
                                                 p.images_to_reconstruct, p.unknowns_per_output, group.positions()));
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
  text += all.Render();
  const uint64_t fewest =
      std::min({j["images_to_reconstruct"].get<uint64_t>(), j["images_to_recover_keys"].get<uint64_t>(),
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

}  // namespace privdnn::cli
