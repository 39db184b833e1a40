#include "privdnn/cli/plan_report.h"

#include <cmath>

#include "privdnn/cli/plan_options.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

// A core layer of a segment, for which it is told how much of it is encrypted.
struct CoreLayer {
  int64_t number;
  size_t core_neurons;
  int64_t neurons;
};

std::vector<CoreLayer> CoreLayers(const Segment& s) {
  std::vector<CoreLayer> layers;
  if (s.first) layers.push_back({s.first_number, s.first_neurons.size(), s.first->outputs});
  layers.push_back({s.layer_number, s.neurons.size(), s.layer.outputs});
  return layers;
}

const char* KindName(const Segment& s) { return s.first ? "quadratic" : "linear"; }

Json SizeJson(Size2 size) { return Json::array({size.h, size.w}); }

Json ShapeJson(const PlannedSegment& s) {
  const Geometry& g = s.plan.geometry();
  const OutputGroup& group = g.spec().groups[0];
  Json layers = Json::array(), core = Json::array(), neurons = Json::array();
  for (const CoreLayer& layer : CoreLayers(s.segment)) {
    layers.push_back(layer.number);
    core.push_back(layer.core_neurons);
    neurons.push_back(layer.neurons);
  }
  return {{"kind", KindName(s.segment)},
          {"layers", layers},
          {"core_neurons", core},
          {"neurons", neurons},
          {"shortcut_outputs", s.segment.shortcut.size()},
          {"window", g.window()},
          {"features", g.features()},
          {"feature_map", SizeJson(g.grid())},
          {"kernel", SizeJson(group.kernel)},
          {"stride", SizeJson(group.stride)},
          {"output_map", SizeJson(group.map)},
          {"tiles", SizeJson(g.spec().tiles)},
          {"tile_map", SizeJson(g.tile_map())},
          {"images_per_ciphertext", g.images_per_ciphertext()},
          {"polynomials", g.terms()}};
}

Json SegmentJson(const PlannedSegment& s, const SegmentFigures& f) {
  const SegmentPlan& p = s.plan;
  Json json = ShapeJson(s);
  json.update({{"ring_dimension", p.parameters.n},
               {"primes", p.parameters.primes},
               {"log_q", f.log_q},
               {"input_bits", p.geometry().spec().input_bits},
               {"worst_case_output_bits", f.worst_case_output_bits},
               {"plain_bits", p.parameters.plain_bits},
               {"statistical_security_bits", p.statistical_security},
               {"ciphertext_bytes", p.cost.ciphertext_bytes},
               {"query_bytes_per_image", p.cost.query_bytes_per_image},
               {"reply_bytes_per_image", p.cost.reply_bytes_per_image},
               {"user_kernel_memory_bytes", p.cost.user_memory_bytes},
               {"user_forward_ntts_per_image", p.cost.user_forward_ntts},
               {"user_inverse_ntts_per_image", p.cost.user_inverse_ntts},
               {"user_macs_per_image", p.cost.user_macs},
               {"user_encrypted_ms", f.user_ms},
               {"owner_ms", f.owner_ms},
               {"unknowns_per_output", f.exposure.kernels.unknowns},
               {"images_to_reconstruct", f.exposure.kernels.images},
               {"images_to_reconstruct_first", f.exposure.kernels.inner_images},
               {"images_to_recover_keys", p.key_recovery.images_by_packing},
               {"images_to_recover_keys_by_lattice", p.key_recovery.images_by_lattice},
               {"key_block_size", p.key_recovery.cost.block_size},
               {"key_cost_bits", p.key_recovery.cost.ClassicalBits()},
               {"images_that_keep_keys_safe", p.key_recovery.safe_images},
               {"parameters_per_output", f.exposure.parameters},
               {"images_by_parameter_count", f.exposure.images_by_parameter_count}});
  return json;
}

}  // namespace

Json PredictionJson(const CostPrediction& p) {
  return {{"images", p.workload.images},
          {"batch", p.workload.batch},
          {"threads", p.workload.threads},
          {"bytes_up", p.bytes_up},
          {"bytes_down", p.bytes_down},
          {"user_encrypted_ms_per_image", p.user_ms},
          {"owner_ms_per_image", p.owner_ms},
          {"peak_rss_bytes_user", p.user_memory_bytes},
          {"peak_rss_bytes_owner", p.owner_memory_bytes}};
}

Json PlanJson(const ModelPlan& plan) {
  const PlanFigures f = ComputeFigures(plan);
  const CostConstants& costs = plan.costs.costs;
  Json predicted = Json::array(), segments = Json::array();
  for (const CostPrediction& p : f.predicted) predicted.push_back(PredictionJson(p));
  for (size_t k = 0; k < plan.segments.size(); ++k) {
    segments.push_back(SegmentJson(plan.segments[k], f.segments[k]));
  }
  return {{"selection", Json::parse(FormatSelection(plan.selection))},
          {"image_budget", f.image_budget},
          {"lattice_security_bits", 128},
          {"statistical_security_bits", f.statistical_security},
          {"package_bytes", f.package_bytes},
          {"plaintext_model_bytes", f.rest_model_bytes},
          {"query_bytes_per_image", f.query_bytes_per_image},
          {"reply_bytes_per_image", f.reply_bytes_per_image},
          {"user_kernel_memory_bytes", f.user_kernel_memory_bytes},
          {"user_forward_ntts_per_image", f.user_forward_ntts},
          {"user_inverse_ntts_per_image", f.user_inverse_ntts},
          {"user_macs_per_image", f.user_macs},
          {"images_to_reconstruct", f.images_to_reconstruct},
          {"images_to_reconstruct_first", f.images_to_reconstruct_first},
          {"images_to_recover_keys", f.images_to_recover_keys},
          {"images_to_recover_keys_by_lattice", f.images_to_recover_keys_by_lattice},
          {"images_that_keep_keys_safe", f.images_that_keep_keys_safe},
          {"images_by_parameter_count", f.images_by_parameter_count},
          {"optimise", ObjectiveName(plan.objective)},
          {"costs", {{"measured_here", plan.costs.measured}, {"cpu", costs.cpu}, {"kernel", costs.kernel}}},
          {"predicted", predicted},
          {"segments", segments}};
}

namespace {

void AddShapeFacts(const PlannedSegment& s, FactTable& table) {
  const Geometry& g = s.plan.geometry();
  const OutputGroup& group = g.spec().groups[0];
  std::string core;
  for (const CoreLayer& layer : CoreLayers(s.segment)) {
    core += fmt::format("{}{} of {} in layer {}", core.empty() ? "" : ", ", layer.core_neurons, layer.neurons,
                        layer.number);
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
}

void AddCostFacts(const SegmentPlan& p, const SegmentFigures& f, FactTable& table) {
  table.Add("ring", fmt::format("N = {}, {} primes, log2 Q = {:.1f}, {} polynomials a kernel", p.parameters.n,
                                p.parameters.primes.size(), f.log_q, p.geometry().terms()));
  table.Add("integers", fmt::format("{}-bit inputs, outputs below 2^{:.1f}, plaintext modulus 2^{}",
                                    p.geometry().spec().input_bits, f.worst_case_output_bits, p.parameters.plain_bits));
  table.Add("ciphertexts in the package", FormatBytes(p.cost.ciphertext_bytes));
  table.Add("an image", fmt::format("{} up, {} down", FormatBytes(p.cost.query_bytes_per_image),
                                    FormatBytes(p.cost.reply_bytes_per_image)));
  table.Add("user's work an image", fmt::format("{} transforms, {:.1f} M multiply-accumulates",
                                                p.cost.user_forward_ntts + p.cost.user_inverse_ntts,
                                                static_cast<double>(p.cost.user_macs) * 1e-6));
}

void AddExposureFacts(const SegmentPlan& p, const Exposure& e, FactTable& table) {
  table.Add("images to reconstruct", fmt::format("{} ({} unknowns an output, {} equations an image)", e.kernels.images,
                                                 e.kernels.unknowns, p.geometry().spec().groups[0].positions()));
  if (e.kernels.inner_images != e.kernels.images) {
    table.Add("  the first of them", fmt::format("{}", e.kernels.inner_images));
  }
  const KeyRecovery& keys = p.key_recovery;
  table.Add(
      "images to recover the keys",
      fmt::format("{} of chosen ciphertexts and lattice reduction (block size {}, 2^{:.0f} operations), {} without",
                  keys.images_by_lattice, keys.cost.block_size, keys.cost.ClassicalBits(), keys.images_by_packing));
  table.Add(fmt::format("  with {:.0f} bits left up to", kSafeBits), fmt::to_string(keys.safe_images));
  table.Add("images by parameter count",
            fmt::format("{} ({} parameters behind an output)", e.images_by_parameter_count, e.parameters));
}

void AddPrediction(const CostPrediction& p, FactTable& table) {
  const uint64_t images = p.workload.images;
  table.Add(images == 1 ? "one image" : fmt::format("an image of {} in a message", images),
            fmt::format("{} user's encrypted part, {} owner; {:.0f} B up, {:.0f} B down", FormatMilliseconds(p.user_ms),
                        FormatMilliseconds(p.owner_ms), static_cast<double>(p.bytes_up) / static_cast<double>(images),
                        static_cast<double>(p.bytes_down) / static_cast<double>(images)));
  table.Add("  peak memory",
            fmt::format("{} user, {} owner", FormatBytes(p.user_memory_bytes), FormatBytes(p.owner_memory_bytes)));
}

std::string PackageText(const ModelPlan& plan, const PlanFigures& f) {
  const size_t segments = plan.segments.size();
  FactTable table(fmt::format("package, {} round trip{} an image", segments, segments > 1 ? "s" : ""));
  table.Add("size", fmt::format("{}, of it {} the plaintext rest", FormatBytes(f.package_bytes),
                                FormatBytes(f.rest_model_bytes)));
  table.Add("an image",
            fmt::format("{} up, {} down", FormatBytes(f.query_bytes_per_image), FormatBytes(f.reply_bytes_per_image)));
  table.Add("security", fmt::format("128 bits (lattice), {:.1f} bits (statistical, over {} images)",
                                    f.statistical_security, f.image_budget));
  for (const CostPrediction& p : f.predicted) AddPrediction(p, table);
  const CostConstants& costs = plan.costs.costs;
  table.Add("predicted for",
            fmt::format("one thread, {} with {} kernels, {}", costs.cpu, costs.kernel,
                        plan.costs.measured ? "as measured here" : "as documented, not measured here"));
  table.Add("optimised for", ObjectiveName(plan.objective));
  return table.Render();
}

// What an owner should know before it gives a package of this budget away.
std::string BudgetNotes(const PlanFigures& f) {
  std::string text;
  if (const uint64_t safe = f.images_that_keep_keys_safe; f.image_budget > safe) {
    const std::string images = safe == 0   ? "one image"
                               : safe == 1 ? "more than 1 image"
                                           : fmt::format("more than {} images", safe);
    text += fmt::format("note: chosen ciphertexts in {} bring the keys below {:.0f} bits; the budget is {}.\n", images,
                        kSafeBits, f.image_budget);
  }
  if (f.image_budget >= f.ImagesThatRiskKernels()) {
    text += fmt::format(
        "note: with a budget of {} images the encrypted kernels are at risk from their user: {} can be enough.\n"
        "      No encryption changes that: give each user a package of its own and a budget that fits the trust (see\n"
        "      SECURITY.md, statement 3).\n",
        f.image_budget, f.ImagesThatRiskKernels());
  }
  return text;
}

}  // namespace

std::string PlanText(const ModelPlan& plan) {
  const PlanFigures f = ComputeFigures(plan);
  std::string text;
  for (size_t k = 0; k < plan.segments.size(); ++k) {
    const PlannedSegment& s = plan.segments[k];
    FactTable table(fmt::format("segment {}, {}: {} -> {}", k, KindName(s.segment), s.segment.input, s.segment.output));
    AddShapeFacts(s, table);
    AddCostFacts(s.plan, f.segments[k], table);
    AddExposureFacts(s.plan, f.segments[k].exposure, table);
    text += table.Render();
  }
  text += PackageText(plan, f);
  return text + BudgetNotes(f);
}

namespace {

// So many points between the whole network and the separated one are worth a word.
constexpr double kMuchLost = 1;

Json ClampingJson(const Simulation& simulation) {
  Json list = Json::array();
  for (const Clamping& c : simulation.clamping) {
    list.push_back({{"values", c.values}, {"clamped", c.clamped}, {"images_clamped", c.images_clamped}});
  }
  return list;
}

}  // namespace

Json SimulationJson(const SimulatedPlan& planned) {
  const Simulation& s = *planned.simulation;
  Json json = {{"images", planned.images}, {"outputs", OutputKindName(s.outputs)}};
  if (s.outputs != OutputKind::kRegression) json["labels_changed_by_rounding"] = s.DecisionsChanged();
  json["rounding_percent_of_deviation"] = s.rounding_percent;
  json["separation_percent_of_deviation"] = s.separation_percent;
  if (s.accuracies) {
    json["accuracy_original"] = s.accuracies->original;
    json["accuracy_separated"] = s.accuracies->separated;
    json["accuracy_quantised"] = s.accuracies->quantised;
  }
  json["clamping"] = ClampingJson(s);
  return json;
}

Json SimulatedPlanJson(const SimulatedPlan& planned) {
  Json json = PlanJson(planned.plan);
  if (planned.simulation) json["simulation"] = SimulationJson(planned);
  return json;
}

std::string SimulationText(const SimulatedPlan& planned) {
  if (!planned.simulation) {
    return "note: what a user will get is not simulated, and bits are not checked (--images, --simulate).\n";
  }
  const Simulation& s = *planned.simulation;
  const SegmentSpec& spec = planned.plan.segments[0].quantized.spec;
  FactTable table(fmt::format("what a user will get, simulated on {} images; outputs are taken as {}", planned.images,
                              OutputKindName(s.outputs)));
  if (s.accuracies) {
    table.Add("accuracy", fmt::format("{:.2f} % ({:.2f} % without rounding, {:.2f} % the whole network)",
                                      s.accuracies->quantised, s.accuracies->separated, s.accuracies->original));
  }
  if (s.outputs == OutputKind::kRegression) {
    table.Add("error by rounding", std::isinf(s.rounding_percent)
                                       ? std::string("values that are not finite, where the network's are")
                                       : fmt::format("{:.2g} % of the values' standard deviation, with {}-bit inputs",
                                                     s.rounding_percent, spec.input_bits));
    table.Add("error by separation", fmt::format("{:.2g} %", s.separation_percent));
  } else {
    table.Add("predictions changed by rounding",
              fmt::format("{} of {}, with {}-bit inputs", s.DecisionsChanged(), s.predictions.size(), spec.input_bits));
  }
  for (size_t k = 0; k < s.clamping.size(); ++k) {
    const Clamping& c = s.clamping[k];
    if (c.clamped == 0) continue;
    table.Add(fmt::format("beyond the range of segment {}", k),
              fmt::format("{} of {} values, in {} images", c.clamped, c.values, c.images_clamped));
  }
  std::string text = table.Render();
  if (s.accuracies && s.accuracies->original - s.accuracies->separated > kMuchLost) {
    text += fmt::format(
        "note: separation alone loses {:.2f} points: plaintext neurons no longer read the squares of core neurons. "
        "Encrypt all neurons of the second layer, or others (privdnn select).\n",
        s.accuracies->original - s.accuracies->separated);
  }
  return text;
}

std::string SimulatedPlanText(const SimulatedPlan& planned) { return PlanText(planned.plan) + SimulationText(planned); }

}  // namespace privdnn
