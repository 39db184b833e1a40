// Reconstructs images from the features that a network computes of them: optimises an image until its features match
// the observed ones.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct InvertOptions {
  int steps = 1000;
  // Adam's initial rate, in pixel values; falls to 0 along a cosine.
  double learning_rate = 0.1;
  // Priors: weights of the mean |difference| of neighbouring pixels (total variation), and of the mean square of
  // (pixel - mean) / deviation.
  double total_variation = 0.05;
  double l2 = 0.01;
  // The distribution of pixels before anything is observed, (C, H, W) each; empty: mean 0 and deviation 1 everywhere.
  // Deviations are positive.
  Tensor pixel_mean, pixel_deviation;
  // Set if every channel of every image was multiplied by an unknown positive factor.
  bool unknown_scales = false;
  uint64_t seed = 1;  // for the image that the search starts from
};

// Finds images x (N, C, H, W) in [0, 1] whose graph outputs f(x) are near `targets`. For each image, Adam minimises
//   mean over channels d(f_c(x), t_c)  +  total_variation TV(x)  +  l2 mean(((x - mean)/deviation)^2),
//   d(f, t) = |f - t|^2 / (|f|^2 + |t|^2) or, with unknown scales, 1 - <f, t> / (|f| |t|).
// The two distances are close to each other where f and t are. Both are bounded, so that squares in a network don't
// make one channel drown out another. In the denominator, |t_c|^2 counts as at least a thousandth of its mean over
// channels. Pixels are clamped to [0, 1] after each step. Images don't influence each other: all start from the same
// noise, and a batch gives the same results as one image at a time.
//
// `graph` has one input (-1, C, H, W); its initializers stay unchanged. `targets` has, for each output in order, a
// tensor of N images with that output's shape. Repeatable for a given seed, machine and thread count
// (SetExecutorThreads). `progress` counts steps. Fails with Cancelled if it returns false, with InvalidArgument if
// shapes don't fit, values aren't finite or options are out of range, and with FailedPrecondition if the loss becomes
// infinite or NaN.
absl::StatusOr<Tensor> Invert(const Graph& graph, const std::vector<Tensor>& targets, const InvertOptions& options,
                              const ProgressFn& progress);

}  // namespace privdnn
