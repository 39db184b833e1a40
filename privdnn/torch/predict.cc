#include "privdnn/torch/predict.h"

#include <algorithm>
#include <cmath>

#include "privdnn/torch/executor.h"

namespace privdnn {

absl::StatusOr<std::vector<int32_t>> Predict(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                             const ProgressFn& progress) {
  std::vector<int32_t> predictions;
  for (int64_t first = 0; first < images.count; first += batch) {
    const int64_t end = std::min(first + batch, images.count);
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor rows, scores(images.Batch(first, end)));
    const std::vector<int32_t> labels = Argmax(rows);
    if (static_cast<int64_t>(labels.size()) != end - first) {
      return absl::InternalError(
          fmt::format("scores of shape ({}) for {} images", fmt::join(rows.shape, ", "), end - first));
    }
    predictions.insert(predictions.end(), labels.begin(), labels.end());
    if (progress && !progress(static_cast<uint64_t>(end), static_cast<uint64_t>(images.count), "") &&
        end < images.count) {
      return absl::CancelledError(fmt::format("stopped after {} of {} images", end, images.count));
    }
  }
  return predictions;
}

double AccuracyPercent(const std::vector<int32_t>& predictions, const std::vector<int32_t>& labels) {
  size_t right = 0;
  for (size_t i = 0; i < predictions.size(); ++i) right += predictions[i] == labels[i];
  return predictions.empty() ? 0 : 100.0 * static_cast<double>(right) / static_cast<double>(predictions.size());
}

int64_t RankOf(std::span<const float> scores, size_t index) {
  if (std::isnan(scores[index])) return static_cast<int64_t>(scores.size());
  int64_t rank = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    rank += scores[i] > scores[index] || (i < index && scores[i] == scores[index]);
  }
  return rank;
}

}  // namespace privdnn
