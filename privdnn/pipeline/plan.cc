#include "privdnn/pipeline/plan.h"

#include <algorithm>

#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/known_range.h"
#include "privdnn/pipeline/cost_prediction.h"

namespace privdnn {
namespace {

// (N, 1, H, W) or (N, 3, H, W): pixel / 255. Other inputs may be any numbers.
bool IsPicture(const std::vector<int64_t>& shape) { return shape.size() == 4 && (shape[1] == 1 || shape[1] == 3); }

// The ranges of the segments' inputs that follow from the network's input; nothing for those to be measured.
absl::StatusOr<std::vector<std::optional<KnownRange>>> KnownRanges(const Graph& graph,
                                                                   const std::vector<Segment>& segments,
                                                                   const ModelPlanOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  // One range for all numbers of an input says little behind a scaler with constants for each of them. Only what holds
  // for any input counts, such as a Clip's bounds.
  if (options.range_open && !options.range_asked) {
    std::vector<std::optional<KnownRange>> bounded;
    for (const Segment& s : segments) {
      bounded.push_back(FindKnownRange(graph, shapes, s.input, {-1e30, 1e30}));
      if (bounded.back() != FindKnownRange(graph, shapes, s.input, {-1e20, 1e20})) bounded.back().reset();
    }
    return bounded;
  }
  const KnownRange input{options.lift.input_min, options.lift.input_max};
  std::vector<std::optional<KnownRange>> ranges;
  const bool assumed = !options.range_asked && !options.range_known && !IsPicture(graph.inputs[0].shape);
  for (const Segment& s : segments) {
    ranges.push_back(FindKnownRange(graph, shapes, s.input, input));
    if (!assumed || !ranges.back()) continue;
    // Clip may bound any input.
    const auto wider = FindKnownRange(graph, shapes, s.input, {input.min - 1, input.max + 1});
    if (*wider == *ranges.back()) continue;
    return FailedPrecondition(
        "selection: layer {} reads the network's input of shape {}, which is no picture and may have any range: give "
        "the range, or images that the network is made for",
        s.first ? s.first_number : s.layer_number,
        fmt::join(graph.inputs[0].shape.begin() + 1, graph.inputs[0].shape.end(), "x"));
  }
  const bool any = std::ranges::any_of(ranges, [](const auto& range) { return range.has_value(); });
  if (options.range_asked && !any) {
    return InvalidArgument(
        "the range of the network's input has no effect: every encrypted layer reads an inner value, whose range is "
        "measured on images");
  }
  return ranges;
}

// What each segment's input is quantised by.
absl::StatusOr<std::vector<LiftOptions>> SegmentOptions(const Graph& graph, const std::vector<Segment>& segments,
                                                        const ModelPlanOptions& plan, const MeasureRangesFn& measure) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto known, KnownRanges(graph, segments, plan));
  std::vector<LiftOptions> options(segments.size(), plan.lift);
  std::vector<std::string> inner;
  for (size_t k = 0; k < segments.size(); ++k) {
    const Segment& s = segments[k];
    if (known[k]) {
      options[k].input_min = known[k]->min;
      options[k].input_max = known[k]->max;
      continue;
    }
    if (!measure) {
      return FailedPrecondition(
          "selection: layer {} reads '{}', whose range has to be measured: give images that the network is made for",
          s.first ? s.first_number : s.layer_number, s.input);
    }
    inner.push_back(s.input);
  }
  if (inner.empty()) return options;
  // An authorised user evaluates the separated network, so its values count.
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<MeasuredRange> ranges, measure(separated, inner));
  if (ranges.size() != inner.size()) {
    return InvalidArgument("plan: {} ranges for {} values", ranges.size(), inner.size());
  }
  for (size_t k = 0, i = 0; k < segments.size(); ++k) {
    if (!known[k]) options[k] = WithMeasuredRange(options[k], ranges[i++]);
  }
  return options;
}

absl::StatusOr<std::vector<QuantizedSegment>> LiftSegments(const std::vector<Segment>& segments,
                                                           const std::vector<LiftOptions>& options) {
  std::vector<QuantizedSegment> quantized;
  for (size_t k = 0; k < segments.size(); ++k) {
    auto lifted = LiftSegment(segments[k], options[k]);
    if (!lifted.ok()) return Annotate(lifted.status(), fmt::format("layer {}", segments[k].layer_number));
    quantized.push_back(*std::move(lifted));
  }
  return quantized;
}

// Plans of all segments, beside a plaintext rest of so many bytes.
absl::StatusOr<std::vector<SegmentPlan>> PlanQuantized(const std::vector<QuantizedSegment>& quantized,
                                                       const ModelPlanOptions& options, const CostConstants& costs,
                                                       uint64_t rest_bytes) {
  if (const uint64_t loading = LoadingUserMemory(rest_bytes); loading > options.max_user_memory_bytes) {
    // Tenths of a megabyte, rounded apart: the limit down, what exceeds it up. A smaller limit is told as it is.
    const uint64_t limit = options.max_user_memory_bytes / 100'000, needed = loading / 100'000 + 1;
    const std::string asked = limit > 0
                                  ? fmt::format("{}.{}", limit / 10, limit % 10)
                                  : fmt::format("{:g}", static_cast<double>(options.max_user_memory_bytes) * 1e-6);
    return InvalidArgument(
        "plan: memory of the user of at most {} MB was asked for; reading the plaintext rest of the network alone "
        "takes "
        "{}.{} MB",
        asked, needed / 10, needed % 10);
  }
  std::vector<PlanTask> tasks;
  for (const QuantizedSegment& q : quantized) tasks.push_back({q.spec, q.plain_bits()});
  return PlanSegments(tasks, {.image_budget = options.image_budget,
                              .objective = options.objective,
                              .costs = costs,
                              .max_package_bytes = options.max_package_bytes,
                              .fixed_package_bytes = rest_bytes + HeaderAllowance(tasks),
                              .max_user_memory_bytes = options.max_user_memory_bytes,
                              .fixed_user_memory_bytes = FixedUserMemory(rest_bytes)});
}

}  // namespace

std::vector<EncryptionTask> ModelPlan::Tasks() const {
  std::vector<EncryptionTask> tasks;
  for (const PlannedSegment& s : segments) tasks.push_back({&s.quantized, &s.plan.encryption});
  return tasks;
}

double ModelPlan::StatisticalSecurity() const {
  std::vector<ParameterSpec> specs;
  for (const PlannedSegment& s : segments) specs.push_back(s.plan.parameters);
  return privdnn::StatisticalSecurity(specs);
}

absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const MeasureRangesFn& measure) {
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<Segment> segments, FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const auto lift, SegmentOptions(graph, segments, options, measure));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(MachineCosts costs, options.costs ? *options.costs : DocumentedMachineCosts());
  ModelPlan plan{graph, selection, {}, ExportOnnx(rest), options.objective, std::move(costs)};
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<QuantizedSegment> quantized, LiftSegments(segments, lift));
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<SegmentPlan> plans,
                           PlanQuantized(quantized, options, plan.costs.costs, plan.rest_model.size()));
  for (size_t k = 0; k < segments.size(); ++k) {
    plan.segments.push_back({std::move(segments[k]), std::move(quantized[k]), std::move(plans[k])});
  }
  return plan;
}

}  // namespace privdnn
