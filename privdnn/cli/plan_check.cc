#include "privdnn/cli/plan_check.h"

#include <algorithm>

#include "privdnn/report/table.h"

namespace privdnn {
namespace {

using Unit = CheckedFigure::Unit;

std::vector<CheckedFigure> Compare(const CostPrediction& p, uint64_t predicted_package_bytes,
                                   const TwoPartyResult& run) {
  std::vector<CheckedFigure> figures;
  const auto add = [&](const char* field, const char* what, Unit unit, auto predicted, auto measured) {
    figures.push_back({field, what, unit, static_cast<double>(predicted), static_cast<double>(measured)});
  };
  const InferenceReport::Figures& f = run.figures();
  add("package_bytes", "package", Unit::kBytes, predicted_package_bytes, run.user.package_bytes);
  add("bytes_up", "messages up", Unit::kBytes, p.bytes_up, f.bytes_up);
  add("bytes_down", "messages down", Unit::kBytes, p.bytes_down, f.bytes_down);
  add("user_encrypted_ms_per_image", "user, encrypted part of an image", Unit::kMilliseconds, p.user_ms,
      f.user_encrypted_ms);
  if (p.workload.threads == 1) {
    add("user_encrypted_cpu_ms_per_image", "  in processor time", Unit::kMilliseconds, p.user_ms,
        f.user_encrypted_cpu_ms);
  }
  add("owner_ms_per_image", "owner, an image", Unit::kMilliseconds, p.owner_ms, f.owner_ms);
  add("peak_rss_bytes_user", "peak memory of the user", Unit::kMemory, p.user_memory_bytes, f.peak_rss_bytes);
  add("peak_rss_bytes_owner", "peak memory of the owner", Unit::kMemory, p.owner_memory_bytes,
      run.owner_peak_rss_bytes);
  return figures;
}

Json FigureJson(const CheckedFigure& f) {
  Json json = {{"predicted", f.predicted}, {"measured", f.measured}, {"ratio", f.ratio()}};
  if (f.unit == Unit::kBytes) {
    json["predicted"] = static_cast<uint64_t>(f.predicted);
    json["measured"] = static_cast<uint64_t>(f.measured);
  }
  return json;
}

std::string FigureText(const CheckedFigure& f) {
  const auto text = [&](double value) {
    switch (f.unit) {
      case Unit::kBytes:
        return fmt::format("{} B", static_cast<uint64_t>(value));
      case Unit::kMemory:
        return FormatBytes(static_cast<uint64_t>(value));
      case Unit::kMilliseconds:
        break;
    }
    return FormatMilliseconds(value);
  };
  return fmt::format("{}, {} ({:.2f})", text(f.predicted), text(f.measured), f.ratio());
}

Json CheckJson(const PlanCheck& check) {
  Json json = {{"images", check.workload.images},
               {"batch", check.workload.batch},
               {"threads", check.workload.threads},
               {"repeats", check.repeats},
               {"kernel", check.kernel},
               {"costs_measured_here", check.plan.costs.measured}};
  for (const CheckedFigure& f : check.figures) json[f.field] = FigureJson(f);
  json["integer_mismatches"] = check.integer_mismatches;
  return json;
}

std::string CheckText(const PlanCheck& check) {
  const Workload& w = check.workload;
  FactTable table(fmt::format("{} image{}, {} thread{}, {} repeats: predicted, measured, ratio", w.images,
                              w.images > 1 ? "s" : "", w.threads, w.threads > 1 ? "s" : "", check.repeats));
  for (const CheckedFigure& f : check.figures) table.Add(f.what, FigureText(f));
  table.Add("bytes", check.passed() ? "equal" : "DIFFER");
  return table.Render();
}

}  // namespace

bool PlanCheck::passed() const {
  return integer_mismatches == 0 && std::ranges::all_of(figures, [](const CheckedFigure& f) {
           return f.unit != Unit::kBytes || f.predicted == f.measured;
         });
}

absl::StatusOr<PlanCheck> CheckPlan(const Graph& graph, const Selection& selection, const ImageSet& images,
                                    TwoPartyOptions options) {
  options.compare_with_plain = false;  // its memory and its caches are not what is predicted
  PRIVDNN_ASSIGN_OR_RETURN(TwoPartyResult run, RunTwoParties(graph, selection, images, options));
  const Workload workload{.images = static_cast<uint64_t>(images.count),
                          .batch = static_cast<uint64_t>(run.online().batch),
                          .threads = options.threads};
  std::vector<CheckedFigure> figures = Compare(PredictCost(run.model, workload), run.model.PackageSize(), run);
  return PlanCheck{.plan = std::move(run.model),
                   .workload = workload,
                   .repeats = run.online().repeats,
                   .kernel = std::move(run.user.kernel),
                   .figures = std::move(figures),
                   .integer_mismatches = run.integer_mismatches};
}

CommandOutput Report(const PlanCheck& check) { return {CheckJson(check), CheckText(check), !check.passed()}; }

}  // namespace privdnn
