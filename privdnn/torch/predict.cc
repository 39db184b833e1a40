#include "privdnn/torch/predict.h"

#include <algorithm>
#include <cmath>

#include "privdnn/torch/executor.h"

namespace privdnn {

absl::Status InBatches(int64_t count, int64_t batch, const ProgressFn& progress,
                       const std::function<absl::Status(int64_t begin, int64_t end)>& work, const std::string& unit) {
  for (int64_t begin = 0; begin < count; begin += batch) {
    const int64_t end = std::min(begin + batch, count);
    PRIVDNN_RETURN_IF_ERROR(work(begin, end));
    const bool goes_on = Proceeds(progress, static_cast<uint64_t>(end), static_cast<uint64_t>(count));
    if (!goes_on && end < count) {
      return absl::CancelledError(fmt::format("stopped after {} of {} {}", end, count, unit));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Predict(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                             const ProgressFn& progress) {
  std::vector<int32_t> predictions;
  PRIVDNN_RETURN_IF_ERROR(InBatches(images.count, batch, progress, [&](int64_t begin, int64_t end) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor rows, scores(images.Batch(begin, end)));
    const std::vector<int32_t> labels = Argmax(rows);
    if (static_cast<int64_t>(labels.size()) != end - begin) {
      return absl::InternalError(
          fmt::format("scores of shape ({}) for {} images", fmt::join(rows.shape, ", "), end - begin));
    }
    predictions.insert(predictions.end(), labels.begin(), labels.end());
    return absl::OkStatus();
  }));
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
