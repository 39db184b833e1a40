#include "privdnn/cli/two_parties_json.h"

#include "privdnn/pipeline/plan_figures.h"

namespace privdnn {

Json TwoPartyJson(const TwoPartyResult& r) {
  const PlanFigures plan = ComputeFigures(r.model);
  const InferenceReport::Figures& f = r.figures();
  const auto images = static_cast<uint64_t>(r.user.images);
  Json json = {{"images", r.user.images},
               {"threads", r.user.threads},
               {"kernel", r.user.kernel},
               {"selection", Json::parse(FormatSelection(r.model.selection))},
               {"integers_compared", r.integers_compared},
               {"integer_mismatches", r.integer_mismatches},
               {"label_mismatches_vs_quantised", r.answer_mismatches},
               {"user_encrypted_ms_per_image", f.user_encrypted_ms},
               {"user_plain_ms_per_image", f.user_plain_ms},
               {"owner_ms_per_image", f.owner_ms},
               {"plain_ms_per_image", f.plain ? Json(f.plain->ms) : Json()},
               {"wall_ms_per_image", f.wall_ms},
               {"bytes_up_per_image", f.bytes_up / images},
               {"bytes_down_per_image", f.bytes_down / images},
               {"package_bytes", r.package_bytes},
               {"peak_rss_bytes_user", f.peak_rss_bytes},
               {"peak_rss_bytes_owner", r.owner_peak_rss_bytes}};
  const SegmentPlan& first = r.model.segments[0].plan;
  json["ring_dimension"] = first.parameters.n;
  json["log_q"] = plan.segments[0].log_q;
  json["plain_bits"] = first.parameters.plain_bits;
  json["polynomials"] = first.geometry().terms();
  const auto tiles = first.geometry().spec().tiles;
  json["tiles"] = Json::array({tiles.h, tiles.w});
  json["statistical_security_bits"] = plan.statistical_security;
  json["images_to_reconstruct"] = plan.images_to_reconstruct;
  json["images_to_recover_keys"] = plan.images_to_recover_keys;
  json["images_to_recover_keys_by_lattice"] = plan.images_to_recover_keys_by_lattice;
  json["images_that_keep_keys_safe"] = plan.images_that_keep_keys_safe;
  json["round_trips"] = r.model.segments.size();
  return json;
}

void AddAccuracies(const TwoPartyResult& r, Json& json) {
  if (!r.accuracies) return;
  json["accuracy_original"] = r.accuracies->original;
  json["accuracy_private"] = r.accuracies->with_owner;
  json["accuracy_without_owner"] = r.accuracies->without_owner;
}

}  // namespace privdnn
