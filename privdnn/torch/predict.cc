#include "privdnn/torch/predict.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

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

namespace {

// Hands on the rows of scores of each batch.
absl::Status EvaluateBatches(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                             const ProgressFn& progress, const std::function<void(const Tensor& rows)>& take) {
  return InBatches(images.count, batch, progress, [&](int64_t begin, int64_t end) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor rows, scores(images.Batch(begin, end)));
    if (rows.shape.size() != 2 || rows.dim(0) != end - begin || rows.dim(1) == 0) {
      return absl::InternalError(
          fmt::format("scores of shape ({}) for {} images", fmt::join(rows.shape, ", "), end - begin));
    }
    take(rows);
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<Tensor> EvaluateAll(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                   const ProgressFn& progress) {
  Tensor all{{0, 0}, {}};
  PRIVDNN_RETURN_IF_ERROR(EvaluateBatches(images, batch, scores, progress, [&](const Tensor& rows) {
    all.shape = {all.dim(0) + rows.dim(0), rows.dim(1)};
    all.values.insert(all.values.end(), rows.values.begin(), rows.values.end());
  }));
  return all;
}

absl::StatusOr<std::vector<int32_t>> Predict(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                             const ProgressFn& progress) {
  std::vector<int32_t> predictions;
  PRIVDNN_RETURN_IF_ERROR(EvaluateBatches(images, batch, scores, progress, [&](const Tensor& rows) {
    std::ranges::copy(Argmax(rows), std::back_inserter(predictions));
  }));
  return predictions;
}

absl::StatusOr<Tensor> EvaluateWith(const Graph& graph, const ImageSet& images, const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(graph));
  const auto scores = [&](Tensor some) -> absl::StatusOr<Tensor> {
    PRIVDNN_ASSIGN_OR_RETURN(auto outputs, executor.Run({{graph.inputs[0].name, std::move(some)}}));
    return std::move(outputs.at(graph.outputs[0].name));
  };
  constexpr int64_t kBatch = 50;
  return EvaluateAll(images, kBatch, scores, progress);
}

std::vector<int32_t> Decide(OutputKind kind, const Tensor& scores) {
  if (kind == OutputKind::kClasses || kind == OutputKind::kBinary) return Argmax(scores);
  std::vector<int32_t> labels;
  if (kind == OutputKind::kMultiLabel) {
    std::ranges::transform(scores.values, std::back_inserter(labels), [](float p) { return p > 0.5f ? 1 : 0; });
  }
  return labels;
}

double DeviationPercent(const Tensor& scores, const Tensor& exact) {
  const auto rows = static_cast<size_t>(exact.dim(0)), columns = static_cast<size_t>(exact.dim(1));
  double worst = 0;
  for (size_t c = 0; c < columns; ++c) {
    double sum = 0, squares = 0, error = 0, count = 0;  // of exact numbers that are finite
    for (size_t i = c; i < rows * columns; i += columns) {
      const float e = exact.values[i], s = scores.values[i];
      if (!std::isfinite(e) || !std::isfinite(s)) {
        const bool same = (std::isnan(e) && std::isnan(s)) || e == s;
        if (!same) return std::numeric_limits<double>::infinity();
        continue;
      }
      sum += double{e};
      error += std::pow(double{s} - double{e}, 2);
      ++count;
    }
    if (!(error > 0)) continue;
    const double mean = sum / count;
    for (size_t i = c; i < rows * columns; i += columns) {
      if (std::isfinite(exact.values[i])) squares += std::pow(double{exact.values[i]} - mean, 2);
    }
    // What rounding in floats leaves of a constant is no spread.
    const double scale = squares > 1e-12 * mean * mean * count ? squares : mean * mean * count;
    worst = std::max(worst, scale > 0 ? 100 * std::sqrt(error / scale) : 100.0);
  }
  return worst;
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
