#include "privdnn/cli/attack_extract_report.h"

#include <algorithm>

#include "privdnn/cli/accuracies.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json GroupJson(const GroupFigures& g) {
  return {{"segment", g.segment},
          {"outputs", g.outputs},
          {"unknowns_per_output", g.unknowns},
          {"equations_per_image", g.equations},
          {"images_predicted", g.images_predicted},
          {"images_needed", OrNull(g.images_needed)},
          {"images_predicted_inner_outputs", g.images_predicted_inner},
          {"unknowns_found", g.unknowns_found},
          {"kernel_mismatches", OrNull(g.kernel_mismatches)},
          {"check_integers", g.check_integers},
          {"check_mismatches", g.check_mismatches}};
}

Json PointJson(const ClonePoint& p) {
  return {{"images_used", p.images_used},
          {"fraction", p.fraction},
          {"penalties", p.penalties},
          {"clone_accuracy", OrNull(p.accuracy)}};
}

Json LayersJson(const LayersFound& l) {
  Json json = {{"segment", l.segment},
               {"neurons", l.neurons},
               {"neurons_in_plaintext", l.known.size()},
               {"known_neurons", l.known}};
  if (l.not_found.empty()) {
    json["residual"] = l.residual;
    json["residual_of_rounding"] = l.residual_of_rounding;
    json["neurons_missing"] = l.neurons_missing;
    json["first_layer_errors"] = l.first_layer_errors;
    json["second_layer_errors"] = l.second_layer_errors;
  } else {
    json["not_found"] = l.not_found;
  }
  json["seconds"] = l.seconds;
  return json;
}

// Images that determine the kernels: these are exact without noise only.
std::optional<uint64_t> KernelImages(const NoiseEffect& level, const std::optional<uint64_t>& images_needed) {
  return level.output_noise == 0 ? images_needed : std::nullopt;
}

Json LevelJson(const NoiseEffect& level, const std::optional<uint64_t>& images_needed) {
  Json clones = Json::array();
  for (const Clone& c : level.clones) clones.push_back({{"images_used", c.images}, {"clone_accuracy", c.accuracy}});
  return {{"output_noise", level.output_noise},
          {"shares_of_deviation", level.shares},
          {"user_accuracy", level.accuracy},
          {"images_needed", OrNull(KernelImages(level, images_needed))},
          {"images_to_noisy_accuracy", OrNull(level.to_noisy_accuracy)},
          {"images_to_exact_accuracy", OrNull(level.to_exact_accuracy)},
          {"images_tried", level.most_images},
          {"clones", std::move(clones)}};
}

void AddNoiseJson(const NoiseReport& noise, const std::optional<uint64_t>& images_needed, Json& json) {
  json["within"] = noise.within;
  json["noise_left_out"] = Json::array();
  for (const NoiseLeftOut& l : noise.left_out) {
    json["noise_left_out"].push_back({{"output_noise", l.output_noise}, {"reason", l.reason}});
  }
  json["noise"] = Json::array();
  for (const NoiseEffect& level : noise.levels) json["noise"].push_back(LevelJson(level, images_needed));
}

std::string Percent(double value) { return fmt::format("{:.2f} %", value); }

void AddGroupRows(const GroupFigures& g, FactTable& table) {
  table.Add(fmt::format("segment {}, {} outputs", g.segment, g.outputs),
            fmt::format("{} unknowns an output, {} equations an image", g.unknowns, g.equations));
  table.Add("  images needed", g.images_needed ? fmt::format("{}; predicted {}", *g.images_needed, g.images_predicted)
                                               : fmt::format("these leave {} unknowns open; predicted {}",
                                                             g.unknowns - g.unknowns_found, g.images_predicted));
}

void AddLayersRow(const LayersFound& l, FactTable& table) {
  const std::string name = fmt::format("layers of segment {}", l.segment);
  if (!l.not_found.empty()) return table.Add(name, l.not_found);
  const std::string lost =
      l.neurons_missing > 0 ? fmt::format("{} of {} neurons not found; ", l.neurons_missing, l.neurons) : "";
  table.Add(name,
            fmt::format("{}errors up to {:.2g} % in the first, {:.2g} % in the second; residual {:.3g} %, "
                        "that of rounding {:.3g} %",
                        lost, 100 * std::ranges::max(l.first_layer_errors),
                        100 * std::ranges::max(l.second_layer_errors), 100 * l.residual, 100 * l.residual_of_rounding));
}

void AddNoiseRows(const NoiseReport& noise, const std::optional<uint64_t>& images_needed, FactTable& table) {
  const auto count = [](const std::optional<uint64_t>& images) { return images ? fmt::to_string(*images) : "no"; };
  for (const NoiseLeftOut& l : noise.left_out) {
    table.Add(fmt::format("noise {:.4g}", l.output_noise), "left out: " + l.reason);
  }
  for (const NoiseEffect& level : noise.levels) {
    std::string shares;
    for (const double share : level.shares) {
      shares += fmt::format("{}{:.3g} %", shares.empty() ? "" : ", ", 100 * share);
    }
    table.Add(fmt::format("noise {:.4g} ({} of the outputs')", level.output_noise, shares),
              fmt::format("user {}; {} images for a clone within {:.4g} of that, {} within {:.4g} of A_s, {} for the "
                          "kernels",
                          Percent(level.accuracy), count(level.to_noisy_accuracy), noise.within,
                          count(level.to_exact_accuracy), noise.within, count(KernelImages(level, images_needed))));
  }
}

// What became of the kernels and their clones.
void AddCloneRows(const ExtractOutcome& outcome, FactTable& table) {
  const ExtractionReport& e = outcome.extraction;
  table.Add("images asked", fmt::to_string(e.images_asked));
  if (const auto mismatches = e.KernelMismatches()) {
    table.Add("coefficients that differ", fmt::format("{} from the owner's", *mismatches));
  }
  if (const uint64_t checked = e.Sum(&GroupFigures::check_integers); checked != 0) {
    table.Add("outputs of new inputs",
              fmt::format("{} of {} differ from the owner's", e.Sum(&GroupFigures::check_mismatches), checked));
  }
  if (e.clone_accuracy) {
    table.Add("clone, without the owner",
              fmt::format("{} of {} images", Percent(*e.clone_accuracy), e.clone_images.value_or(0)));
  }
  if (outcome.accuracies) {
    table.Add("A_s, authorised user", Percent(outcome.accuracies->separated));
    table.Add("A_r, before the attack", Percent(outcome.accuracies->removed));
  }
  for (const ClonePoint& p : e.curve) {
    table.Add(fmt::format("  clone by {} images ({:.0f} %)", p.images_used, 100 * p.fraction),
              p.accuracy ? Percent(*p.accuracy) : "no labels");
  }
}

}  // namespace

Json ExtractJson(const ExtractOutcome& outcome) {
  const ExtractionReport& e = outcome.extraction;
  Json json = {{"owner", outcome.owner},
               {"owner_output_noise", e.owner_output_noise},
               {"inputs", e.real_images ? "images" : "random"},
               {"images_predicted", e.hardest().images_predicted},
               {"images_needed", OrNull(e.images_needed)},
               {"images_asked", e.images_asked},
               {"kernel_mismatches", OrNull(e.KernelMismatches())},
               {"unknowns_per_output", e.hardest().unknowns},
               {"equations_per_image", e.hardest().equations},
               {"outputs_attacked", e.Sum(&GroupFigures::outputs)},
               {"check_integers", e.Sum(&GroupFigures::check_integers)},
               {"check_mismatches", e.Sum(&GroupFigures::check_mismatches)},
               {"clone_accuracy", OrNull(e.clone_accuracy)},
               {"clone_images", OrNull(e.clone_images)},
               {"segments", Json::array()},
               {"curve", Json::array()}};
  for (const GroupFigures& g : e.groups) json["segments"].push_back(GroupJson(g));
  for (const ClonePoint& p : e.curve) json["curve"].push_back(PointJson(p));
  if (e.layers) {
    json["layers"] = Json::array();
    for (const LayersFound& l : *e.layers) json["layers"].push_back(LayersJson(l));
  }
  json["seconds"] = e.seconds;
  if (outcome.accuracies) AddAccuracies(*outcome.accuracies, json);
  if (outcome.noise) AddNoiseJson(*outcome.noise, e.images_needed, json);
  return json;
}

std::string ExtractText(const ExtractOutcome& outcome) {
  const ExtractionReport& e = outcome.extraction;
  FactTable table(
      fmt::format("kernels from {} and their outputs, {}", e.real_images ? "images" : "random inputs", outcome.owner));
  if (e.owner_output_noise != 0) {
    table.Add("noise on outputs",
              fmt::format("{:.4g}, as the owner says: kernels can't be exact", e.owner_output_noise));
  }
  for (const GroupFigures& g : e.groups) AddGroupRows(g, table);
  AddCloneRows(outcome, table);
  if (outcome.noise) AddNoiseRows(*outcome.noise, e.images_needed, table);
  if (e.layers) {
    for (const LayersFound& l : *e.layers) AddLayersRow(l, table);
  }
  table.Add("time", fmt::format("{:.1f} s", e.seconds));
  return table.Render();
}

}  // namespace privdnn
