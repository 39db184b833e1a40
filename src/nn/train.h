// Training with LibTorch.
#pragma once

#include <cstdint>

#include "base/progress.h"
#include "nn/dataset.h"
#include "nn/graph.h"

namespace privdnn::nn {

struct TrainOptions {
  int epochs = 40;
  int64_t batch = 128;
  double learning_rate = 1e-3;   // Adam, cosine schedule to 0
  double weight_decay = 0;
  uint64_t seed = 1;
  int threads = 2;
  bool augment = true;           // random shifts, rotations and scalings
  // Called after each epoch with what it reached; for logs and checkpoints.
};

struct EpochReport {
  int epoch;               // from 1
  double train_loss;
  double validation_accuracy;  // percent
};

struct TrainResult {
  Graph graph;                 // the best epoch on the validation set
  double validation_accuracy;  // percent
  std::vector<EpochReport> epochs;
};

// Trains every float initializer of the graph that an operator uses as weight, bias, scale or shift by cross-entropy on
// the graph's single output. Deterministic for a seed, a machine and a thread count.
absl::StatusOr<TrainResult> Train(const Graph& initial, const ImageSet& train, const ImageSet& validation,
                                  const TrainOptions& options, const ProgressFn& progress);

// Percent of images whose largest output is their label.
absl::StatusOr<double> Accuracy(const Graph& graph, const ImageSet& set, int64_t batch = 250);

}  // namespace privdnn::nn
