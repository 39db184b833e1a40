#include "privdnn/pipeline/plan_on_images.h"

#include "privdnn/torch/ranges.h"

namespace privdnn {

absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const ImageSet& calibration) {
  if (calibration.count == 0) return Plan(graph, selection, options, MeasureRangesFn());
  ModelPlanOptions here = options;
  here.range_known = calibration.values.empty();
  here.range_open = !here.range_known;
  const auto measure = [&](const Graph& separated,
                           const std::vector<std::string>& values) -> absl::StatusOr<std::vector<MeasuredRange>> {
    if (options.note) {
      options.note(fmt::format("measuring what {} layers read, on {} images", values.size(), calibration.count));
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto measured, MeasureRanges(separated, values, calibration));
    std::vector<MeasuredRange> ranges;
    for (const ValueRange& range : measured) ranges.push_back({range.min, range.max});
    return ranges;
  };
  return Plan(graph, selection, here, measure);
}

}  // namespace privdnn
