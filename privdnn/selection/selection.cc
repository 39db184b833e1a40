#include "privdnn/selection/selection.h"

#include <algorithm>

#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"
#include "privdnn/torch/train.h"

namespace privdnn {
namespace {

// Images evaluated at a time.
constexpr int64_t kBatch = 250;

// The progress of one of three passes over the images.
ProgressFn Third(const ProgressFn& progress, uint64_t pass) {
  if (!progress) return {};
  return [&progress, pass](uint64_t done, uint64_t total, const std::string& note) {
    return Proceeds(progress, pass * total + done, 3 * total, note);
  };
}

// Percent right of the plaintext rest, fed with zeros.
absl::StatusOr<double> AccuracyWithoutCore(const Graph& rest, const ImageSet& images, const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(rest));
  const ClassScoreFn scores = [&](Tensor batch) -> absl::StatusOr<Tensor> {
    std::map<std::string, Tensor> inputs;
    for (const ValueInfo& value : rest.inputs) {
      if (!IsSegmentInput(value.name)) continue;
      std::vector<int64_t> shape = value.shape;
      shape[0] = batch.dim(0);
      inputs[value.name] = Tensor::Zeros(std::move(shape));
    }
    const auto image = std::ranges::find_if_not(rest.inputs, IsSegmentInput, &ValueInfo::name);
    inputs[image->name] = std::move(batch);
    PRIVDNN_ASSIGN_OR_RETURN(auto outputs, executor.Run(inputs));
    return std::move(outputs.at(rest.outputs[0].name));
  };
  PRIVDNN_ASSIGN_OR_RETURN(const auto predictions, Predict(images, kBatch, scores, progress));
  return AccuracyPercent(predictions, images.labels);
}

}  // namespace

absl::StatusOr<SelectionAccuracy> EvaluateSelection(const Graph& graph, const Selection& selection,
                                                    const ImageSet& images, const ProgressFn& progress) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, segments));
  SelectionAccuracy accuracy{};
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.original, Accuracy(graph, images, Third(progress, 0), kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.separated, Accuracy(separated, images, Third(progress, 1), kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.removed, AccuracyWithoutCore(rest, images, Third(progress, 2)));
  return accuracy;
}

}  // namespace privdnn
