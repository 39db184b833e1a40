#include "privdnn/cli/plan_check.h"

#include "privdnn/report/table.h"

namespace privdnn {

absl::StatusOr<PlanCheck> CheckPlan(const Graph& graph, const Selection& selection, const ImageSet& images,
                                    TwoPartyOptions options) {
  options.compare_with_plain = false;  // its memory and its caches are not what is predicted
  PRIVDNN_ASSIGN_OR_RETURN(TwoPartyResult run, RunTwoParties(graph, selection, images, options));
  const Workload workload{.images = static_cast<uint64_t>(images.count),
                          .batch = run.user["batch"].get<uint64_t>(),
                          .threads = options.threads};
  const CostPrediction predicted = PredictCost(run.model, workload);
  return PlanCheck{predicted, run.model.PackageSize(), std::move(run)};
}

CommandOutput Report(const PlanCheck& check) {
  const CostPrediction& p = check.predicted;
  const Json& user = check.run.user;
  CommandOutput output{{{"images", p.workload.images},
                        {"batch", p.workload.batch},
                        {"threads", p.workload.threads},
                        {"repeats", user["repeats"]},
                        {"kernel", user["kernel"]},
                        {"costs_measured_here", check.run.model.costs.measured}},
                       ""};
  FactTable table(fmt::format("{} image{}, {} thread{}, {} repeats: predicted, measured, ratio", p.workload.images,
                              p.workload.images > 1 ? "s" : "", p.workload.threads, p.workload.threads > 1 ? "s" : "",
                              user["repeats"].get<int>()));
  const auto add = [&](const char* field, const char* what, double predicted, double measured,
                       const std::string& text) {
    const double ratio = measured > 0 ? predicted / measured : 0;
    output.json[field] = {{"predicted", predicted}, {"measured", measured}, {"ratio", ratio}};
    table.Add(what, fmt::format("{} ({:.2f})", text, ratio));
  };
  const auto bytes = [&](const char* field, const char* what, uint64_t predicted, uint64_t measured) {
    add(field, what, static_cast<double>(predicted), static_cast<double>(measured),
        fmt::format("{} B, {} B", predicted, measured));
    output.json[field]["predicted"] = predicted;
    output.json[field]["measured"] = measured;
    output.failed |= predicted != measured;
  };
  const auto memory = [&](const char* field, const char* what, uint64_t predicted, uint64_t measured) {
    add(field, what, static_cast<double>(predicted), static_cast<double>(measured),
        fmt::format("{}, {}", FormatBytes(predicted), FormatBytes(measured)));
  };
  const auto ms = [&](const char* field, const char* what, double predicted, double measured) {
    add(field, what, predicted, measured,
        fmt::format("{}, {}", FormatMilliseconds(predicted), FormatMilliseconds(measured)));
  };
  bytes("package_bytes", "package", check.predicted_package_bytes, user["package_bytes"].get<uint64_t>());
  bytes("bytes_up", "messages up", p.bytes_up, user["bytes_up"].get<uint64_t>());
  bytes("bytes_down", "messages down", p.bytes_down, user["bytes_down"].get<uint64_t>());
  ms("user_encrypted_ms_per_image", "user, encrypted part of an image", p.user_ms,
     user["user_encrypted_ms_per_image"].get<double>());
  if (p.workload.threads == 1) {
    ms("user_encrypted_cpu_ms_per_image", "  in processor time", p.user_ms,
       user["user_encrypted_cpu_ms_per_image"].get<double>());
  }
  ms("owner_ms_per_image", "owner, an image", p.owner_ms, user["owner_ms_per_image"].get<double>());
  memory("peak_rss_bytes_user", "peak memory of the user", p.user_memory_bytes,
         user["peak_rss_bytes_user"].get<uint64_t>());
  memory("peak_rss_bytes_owner", "peak memory of the owner", p.owner_memory_bytes, check.run.owner_peak_rss_bytes);
  output.json["integer_mismatches"] = check.run.integer_mismatches;
  output.failed |= check.run.integer_mismatches > 0;
  table.Add("bytes", output.failed ? "DIFFER" : "equal");
  output.text = table.Render();
  return output;
}

}  // namespace privdnn
