#include "selection/selection.h"

#include "nn/executor.h"
#include "nn/predict.h"
#include "nn/train.h"

namespace privdnn {
namespace {

// Images evaluated at a time.
constexpr int64_t kBatch = 250;

// The progress of one of three passes over the images.
ProgressFn Third(const ProgressFn& progress, uint64_t pass) {
  if (!progress) return {};
  return [&progress, pass](uint64_t done, uint64_t total, const std::string& note) {
    return progress(pass * total + done, 3 * total, note);
  };
}

// Percent right of the plaintext rest, fed with zeros.
absl::StatusOr<double> AccuracyWithoutCore(const nn::Graph& rest, const nn::ImageSet& images,
                                           const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Executor executor, nn::Executor::Create(rest));
  const nn::ScoreFn scores = [&](nn::Tensor batch) -> absl::StatusOr<nn::Tensor> {
    std::map<std::string, nn::Tensor> inputs;
    for (const nn::ValueInfo& value : rest.inputs) {
      if (!nn::IsSegmentInput(value.name)) continue;
      std::vector<int64_t> shape = value.shape;
      shape[0] = batch.dim(0);
      inputs[value.name] = nn::Tensor::Zeros(std::move(shape));
    }
    for (const nn::ValueInfo& value : rest.inputs) {
      if (!nn::IsSegmentInput(value.name)) inputs[value.name] = std::move(batch);
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto outputs, executor.Run(inputs));
    return std::move(outputs.at(rest.outputs[0].name));
  };
  PRIVDNN_ASSIGN_OR_RETURN(const auto predictions, nn::Predict(images, kBatch, scores, progress));
  return nn::AccuracyPercent(predictions, images.labels);
}

}  // namespace

absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images, const ProgressFn& progress) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, nn::FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph separated, nn::Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segments));
  SelectionAccuracy accuracy{};
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.original, nn::Accuracy(graph, images, Third(progress, 0), kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.separated, nn::Accuracy(separated, images, Third(progress, 1), kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.removed, AccuracyWithoutCore(rest, images, Third(progress, 2)));
  return accuracy;
}

}  // namespace privdnn
