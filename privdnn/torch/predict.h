// Labels of many images, batch by batch, whatever computes the scores.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Calls `work` with [begin, end) for all of `count`, in order, at most `batch` (1 or more) at a time. Its first error
// ends that. `progress`, if there is one, hears after each call how many are done; Cancelled, with that number of
// `unit`, if it then returns false and some are left.
absl::Status InBatches(int64_t count, int64_t batch, const ProgressFn& progress,
                       const std::function<absl::Status(int64_t begin, int64_t end)>& work,
                       const std::string& unit = "images");

// Class scores (N, classes) of images (N, C, H, W).
using ClassScoreFn = std::function<absl::StatusOr<Tensor>(Tensor images)>;

// For each image the class of its largest score, the first of equals. `scores` gets at most `batch` (1 or more) images
// at a time, in order. Its errors; Internal if it does not give a row of scores for each image. `progress`, if there is
// one, hears of images.
absl::StatusOr<std::vector<int32_t>> Predict(const ImageSet& images, int64_t batch, const ClassScoreFn& scores,
                                             const ProgressFn& progress = {});

// Percent of predictions that are the label; 0 for none. As many labels as predictions, or more.
double AccuracyPercent(const std::vector<int32_t>& predictions, const std::vector<int32_t>& labels);

// How many scores are larger than that of `index`, or as large and in front of it; all of them if it is not a number.
int64_t RankOf(std::span<const float> scores, size_t index);

}  // namespace privdnn
