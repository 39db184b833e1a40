// Training with LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "base/progress.h"
#include "nn/dataset.h"
#include "nn/graph.h"

namespace privdnn::nn {

struct EpochReport {
  int epoch;                   // from 1
  double train_loss;           // mean cross-entropy of the epoch's batches, nats
  double validation_accuracy;  // percent; 0 without a validation set
  bool operator==(const EpochReport&) const = default;
};

// Random affine maps of the training images, a new one for each image and epoch; what comes in from outside is black.
// Each parameter is drawn uniformly from plus/minus its value.
struct Augmentation {
  double shift_pixels = 2.5;
  double rotation_degrees = 12;
  double log_scale = 0.15;  // natural logarithm of the zoom, for each axis
  double shear = 0.2;       // horizontal displacement a unit of height
};

// The defaults train the assets.
struct TrainOptions {
  int epochs = 60;
  int64_t batch = 128;
  double learning_rate = 2e-3;  // Adam; rises linearly in the first 2 % of the steps, then falls to 0 by a cosine
  double weight_decay = 0;      // decoupled (AdamW), on weights with at least two dimensions
  uint64_t seed = 1;
  int threads = 2;
  bool augment = true;  // random shifts, rotations, scalings and shears, as `augmentation` says
  Augmentation augmentation;
  // What is validated and returned is an exponential average of the weights; 0: the weights themselves. The decay a
  // step.
  double averaging = 0.999;
  // Train on inputs of mean 0 and variance 1 (a channel). The returned graph takes [0, 1] all the same: the map is
  // folded into the first convolution, which must not be padded and gets a bias if it has none. Left out if one of that
  // convolution's initializers is frozen.
  bool normalize = true;
  // Initializers that stay as they are.
  std::set<std::string> frozen;
  // A file that holds the state of an unfinished training: written once a minute, after each epoch and on cancellation.
  // A training with the same graph, data and options that finds it goes on from there and ends with the same result; a
  // different one is a FailedPrecondition. It is left in place at the end. Empty: none.
  std::filesystem::path checkpoint;
  // Called after each epoch with what it reached.
  std::function<void(const EpochReport&)> on_epoch;
};

struct TrainResult {
  Graph graph;                 // the best epoch on the validation set, the later of equals; without one, the last
  double validation_accuracy;  // percent
  std::vector<EpochReport> epochs;
};

// Trains every float initializer of the graph that an operator uses as weight, bias, scale or shift by cross-entropy on
// the graph's single output, the logits. The initial graph takes inputs in [0, 1]; its function is where training
// starts. Deterministic for a seed, a machine and a thread count. `progress` counts batches; when it returns false the
// result is Cancelled. A loss that is no longer finite is a FailedPrecondition. `validation` may be empty.
absl::StatusOr<TrainResult> Train(const Graph& initial, const ImageSet& train, const ImageSet& validation,
                                  const TrainOptions& options, const ProgressFn& progress);

// Percent of images whose largest output is their label.
absl::StatusOr<double> Accuracy(const Graph& graph, const ImageSet& set, int64_t batch = 250);

}  // namespace privdnn::nn
