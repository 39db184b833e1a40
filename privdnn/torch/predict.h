// Predicts labels of many images, batch by batch, with any function that computes scores.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/graph/graph.h"
#include "privdnn/graph/output_kind.h"

namespace privdnn {

// Calls `work` with ranges [begin, end) that cover `count`, in order, at most `batch` (1 or more) at a time. Stops at
// its first error and returns it. `progress`, if given, is called after each range with the number done. Fails with
// Cancelled, giving that number of `unit`, if it then returns false and some are left.
absl::Status InBatches(int64_t count, int64_t batch, const ProgressFn& progress,
                       const std::function<absl::Status(int64_t begin, int64_t end)>& work,
                       const std::string& unit = "images");

// Computes class scores (N, classes) of images (N, C, H, W).
using ClassScoreFn = std::function<absl::StatusOr<Tensor>(Tensor images)>;

// Returns the rows of scores of all images, (images, columns). Calls `scores` with at most `batch` (1 or more) images
// at a time, in order. Returns its errors; fails with Internal if it doesn't return one row of scores per image.
// `progress`, if given, counts images.
absl::StatusOr<Tensor> EvaluateAll(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                   const ProgressFn& progress = {});

// Returns, for each image, the class with the largest score, the first if several are equal. Otherwise like
// EvaluateAll, without keeping the scores.
absl::StatusOr<std::vector<int32_t>> Predict(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                             const ProgressFn& progress = {});

// EvaluateAll with a network of one input: the rows of its first output.
absl::StatusOr<Tensor> EvaluateWith(const Graph& graph, const ImageSet& images, const ProgressFn& progress = {});

// Returns what scores (N, columns) say of N images: a class each, the first with the largest score, for kClasses and
// kBinary; 1 or 0 for each label, whether its probability is above 0.5, for kMultiLabel; nothing for other kinds.
std::vector<int32_t> Decide(OutputKind kind, const Tensor& scores);

// Returns the deviation of `scores` from `exact`, both (N, columns), N from 1 on: root mean square over the images, in
// percent of the standard deviation of the exact ones, of the column where that is largest. A column that is the same
// for all images is measured in percent of its absolute value. Infinite if one of them has a number that is not finite
// where the other has another.
double DeviationPercent(const Tensor& scores, const Tensor& exact);

// Returns the percentage of predictions that equal the label, 0 to 100, not rounded; 0 if there are no predictions.
// Compares prediction i with label i; there must be at least as many labels as predictions. A prediction that is no
// class, such as kNoPrediction, counts as wrong.
double AccuracyPercent(const std::vector<int32_t>& predictions, const std::vector<int32_t>& labels);

// Returns how many scores are larger than that of `index`, or equal and before it; the number of all scores if that
// score is not a number.
int64_t RankOf(std::span<const float> scores, size_t index);

}  // namespace privdnn
