// Images from what a network makes of them: optimisation of an image until its features are those that were seen.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct InvertOptions {
  int steps = 1000;
  // Adam's rate at the beginning, in pixel values; it falls to 0 by a cosine.
  double learning_rate = 0.1;
  // Priors: weights of the mean |difference| of neighbouring pixels (total variation), and of the mean square of
  // (pixel - mean) / deviation.
  double total_variation = 0.05;
  double l2 = 0.01;
  // What pixels are like before anything was seen, (C, H, W) each; empty: mean 0 and deviation 1 everywhere. Deviations
  // are positive.
  Tensor pixel_mean, pixel_deviation;
  // Every channel of every image was multiplied by a positive factor that isn't known.
  bool unknown_scales = false;
  uint64_t seed = 1;  // of the image that the search starts from
};

// Images x (N, C, H, W) in [0, 1] for which the graph's outputs f(x) are near `targets`. For each image, Adam minimises
//   mean over channels d(f_c(x), t_c)  +  total_variation TV(x)  +  l2 mean(((x - mean)/deviation)^2),
//   d(f, t) = |f - t|^2 / (|f|^2 + |t|^2), or with unknown scales 1 - <f, t> / (|f| |t|), which is near it where f and
//   t are near each other; both are bounded, so that squares in a network don't drown channels in one another;
// pixels are clamped to [0, 1] after each step. A channel with |t_c|^2 under a thousandth of the mean is divided by
// that. Images don't influence each other: all start from the same noise, and a batch gives what one at a time does.
//
// graph: one input (-1, C, H, W); its initializers stay. targets: for each output in order a tensor of N images with
// that output's shape. Repeats for a seed, a machine and a thread count (SetExecutorThreads). `progress` counts steps;
// Cancelled if it returns false. InvalidArgument for shapes that don't fit, values that aren't finite, options out of
// range; FailedPrecondition for a loss that isn't finite.
absl::StatusOr<Tensor> Invert(const Graph& graph, const std::vector<Tensor>& targets, const InvertOptions& options,
                              const ProgressFn& progress);

}  // namespace privdnn
