#include "privdnn/pipeline/seal_on_images.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "privdnn/graph/fold.h"
#include "privdnn/torch/predict.h"
#include "privdnn/torch/ranges.h"

namespace privdnn {
namespace {

constexpr int64_t kBatch = 50;

// The front values that are computed: all but the network's input.
std::vector<std::string> Computed(const std::vector<std::string>& front, const Graph& graph) {
  std::vector<std::string> computed = front;
  std::erase(computed, graph.inputs[0].name);
  return computed;
}

}  // namespace

absl::StatusOr<SealedFront> SealedFront::Create(const Graph& graph, const std::vector<std::string>& front,
                                                const SealedProgram& program) {
  std::vector<Entry> entries(front.size());
  for (size_t at = 0; at < program.steps.size(); ++at) {
    const auto* input = std::get_if<InputStep>(&program.steps[at]);
    if (input == nullptr) continue;
    if (input->front >= front.size())
      return InvalidArgument("sealed: no output {} of the plaintext part", input->front);
    entries[input->front] = {front[input->front], program.values[at].exponent, input->range_bits};
  }
  const std::string& own = graph.inputs[0].name;
  const std::vector<std::string> computed = Computed(front, graph);
  std::optional<Executor> executor;
  if (!computed.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const Graph part, Extract(graph, computed));
    PRIVDNN_ASSIGN_OR_RETURN(executor, Executor::Create(part));
  }
  return SealedFront(own, std::move(executor), std::move(entries));
}

absl::StatusOr<FrontOutputs> SealedFront::Run(const Tensor& images) const {
  std::map<std::string, Tensor> values;
  if (executor_) {
    PRIVDNN_ASSIGN_OR_RETURN(values, executor_->Run({{input_, images}}));
  }
  FrontOutputs outputs;
  for (const Entry& entry : entries_) {
    const Tensor& value = entry.value == input_ ? images : values.at(entry.value);
    const double most = std::ldexp(1.0, entry.bits - 1) - 1;
    std::vector<int32_t> integers;
    integers.reserve(value.values.size());
    for (const float v : value.values) {
      if (!std::isfinite(v)) return InvalidArgument("'{}' is {} for an image", entry.value, v);
      integers.push_back(
          static_cast<int32_t>(std::clamp(std::nearbyint(std::ldexp(double{v}, entry.exponent)), -most, most)));
    }
    outputs.push_back(std::move(integers));
  }
  return outputs;
}

Graph FrontGraph(const SealedModel& model) {
  const std::vector<std::string> computed = Computed(model.front, model.graph);
  if (!computed.empty()) {
    // Every value has a producer, or it would be the input.
    Graph part = *Extract(model.graph, computed);
    part.inputs = model.graph.inputs;
    part.metadata.clear();
    return part;
  }
  Graph input;
  input.name = model.graph.name;
  input.inputs = model.graph.inputs;
  input.nodes = {{"input", op::Relu{}, {input.inputs[0].name}, "unused"}};  // a network needs an output
  input.outputs = {{"unused", input.inputs[0].shape}};
  return input;
}

std::vector<EncryptionTask> SealedPlan::Tasks() const {
  std::vector<EncryptionTask> tasks;
  for (size_t k = 0; k < encryption.size(); ++k) tasks.push_back({&model.segments[k], &encryption[k]});
  return tasks;
}

absl::StatusOr<SealedPlan> PlanSealed(const Graph& graph, const Selection& selection, const SealOptions& options,
                                      const ImageSet& images, uint64_t image_budget) {
  if (images.count == 0) return InvalidArgument("sealed: ranges have to be measured: give images");
  // Folding scales weights, and scaled copies aren't found.
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(graph, selection));
  PRIVDNN_RETURN_IF_ERROR(CheckHidden(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph folded, FoldBatchNormalization(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<std::string> values, ValuesToSeal(folded, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<ValueRange> measured, MeasureRanges(folded, values, images));
  std::map<std::string, MeasuredRange> ranges;
  for (size_t i = 0; i < values.size(); ++i) ranges[values[i]] = {double{measured[i].min}, double{measured[i].max}};
  PRIVDNN_ASSIGN_OR_RETURN(SealedModel model, Seal(folded, selection, ranges, options));
  std::vector<EncryptionPlan> encryption;
  for (size_t k = 0; k < model.segments.size(); ++k) {
    auto plan = PlanShares(model.segments[k].spec, image_budget);
    if (!plan.ok()) return Annotate(plan.status(), fmt::format("sealed: segment {}", k));
    model.segments[k].spec = plan->geometry.spec();
    encryption.push_back(*std::move(plan));
  }
  return SealedPlan{std::move(model), std::move(encryption)};
}

absl::StatusOr<SealedPrediction> PredictSealed(const SealedPlan& plan, const ImageSet& images, RandomSource& random,
                                               const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const SealedFront front,
                           SealedFront::Create(plan.model.graph, plan.model.front, plan.model.program));
  SealedPrediction result;
  PRIVDNN_RETURN_IF_ERROR(InBatches(images.count, kBatch, progress, [&](int64_t begin, int64_t end) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const FrontOutputs outputs, front.Run(images.Batch(begin, end)));
    const SealedSimulation simulation =
        SimulateSealed(plan.model.program, plan.model.segments, outputs, static_cast<uint32_t>(end - begin), random);
    result.labels.insert(result.labels.end(), simulation.answer.labels.begin(), simulation.answer.labels.end());
    for (const uint64_t overflows : simulation.overflows) result.overflows += overflows;
    return absl::OkStatus();
  }));
  return result;
}

}  // namespace privdnn
