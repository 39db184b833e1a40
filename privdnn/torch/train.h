// Training with LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct EpochReport {
  int epoch;                   // from 1
  double train_loss;           // mean cross-entropy of the epoch's batches, nats
  double validation_accuracy;  // percent; 0 without a validation set
  bool operator==(const EpochReport&) const = default;
};

// Random changes to the training images, new ones for each image and epoch.
struct Augmentation {
  // Affine maps; what comes in from outside is black. Each parameter is drawn uniformly from plus/minus its value.
  double shift_pixels = 2.5;
  double rotation_degrees = 12;
  double log_scale = 0.15;  // natural logarithm of the zoom, for each axis
  double shear = 0.2;       // horizontal displacement a unit of height
  // Crops of the image's size from the image with a black border of this many pixels, anywhere.
  int64_t crop_padding = 0;
  double flip = 0;       // probability of an image to be mirrored, left to right
  double grayscale = 0;  // probability of an image of 3 channels to lose its colours (ITU-R 601-2 luma)

  // Images as they are.
  static Augmentation None() { return {0, 0, 0, 0, 0, 0, 0}; }
  bool HasAffineMaps() const { return shift_pixels != 0 || rotation_degrees != 0 || log_scale != 0 || shear != 0; }
  bool operator==(const Augmentation&) const = default;
};

enum class Optimizer {
  kAdam,  // with decoupled weight decay (AdamW)
  kSgd,   // Nesterov's momentum 0.9; weight decay is part of the gradient
};

// What convolutions and matrix products are computed in, during training. Weights, their updates, losses, running
// statistics, validation and the result are 32-bit floats in both cases.
enum class Precision { kFloat32, kBfloat16 };

// The defaults train the assets.
struct TrainOptions {
  int epochs = 60;
  int64_t batch = 128;
  Optimizer optimizer = Optimizer::kAdam;
  // The highest: the rate rises linearly in the first `warm_up` of the steps, then falls to 0 by a cosine.
  double learning_rate = 2e-3;
  double warm_up = 0.02;
  double weight_decay = 0;     // on weights with at least two dimensions
  double label_smoothing = 0;  // this share of the target is spread evenly over all outputs
  Precision precision = Precision::kFloat32;
  uint64_t seed = 1;
  int threads = 2;
  Augmentation augmentation;
  // What is validated and returned is an exponential average of the weights; 0: the weights themselves. The decay a
  // step.
  double averaging = 0.999;
  // Train on inputs of mean 0 and variance 1 (a channel). The returned graph takes [0, 1] all the same: the map is
  // folded into the first convolution, which gets a bias if it has none. If that convolution is padded, the training
  // images get a black border instead. Left out if `rates` names one of that convolution's initializers.
  bool normalize = true;
  // In the first epochs, this many, the images (and validation images) are halved in height and width, by means of 2x2
  // pixels, and the last average pool's window is halved: an epoch then takes a quarter of the time. Needs a graph in
  // which this leaves the shapes of all weights as they are. Such epochs are not returned, unless there are no others.
  int half_size_epochs = 0;
  // With a validation set: end after this many epochs in a row none of which was better than all before. Epochs on
  // halved images don't count. 0: never.
  int patience = 0;
  // The shares of the learning rate that an initializer's values get, each in [0, 1]: one number for all of them, or
  // one for each, row-major. Those not named get all of it. A value with share 0 stays what it is, in every bit, and
  // has no part in the gradient's length. Running statistics are measured, unless their share is 0; batch normalisation
  // all of whose statistics stay normalises by them.
  std::map<std::string, std::vector<float>> rates;
  // A file that holds the state of an unfinished training: written once a minute or, if that takes long, less often, on
  // cancellation and at the end. A training with the same graph, data and options that finds it goes on from there and
  // ends with the same result; a different one is a FailedPrecondition. It is left in place at the end. Empty: none.
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

// Percent of images whose largest output is their label. `progress`, if there is one, hears of images.
absl::StatusOr<double> Accuracy(const Graph& graph, const ImageSet& set, const ProgressFn& progress = {},
                                int64_t batch = 250);
// For each k: percent of images whose label is among the k largest outputs. Of equal outputs, the first is the larger.
absl::StatusOr<std::vector<double>> TopAccuracies(const Graph& graph, const ImageSet& set, std::span<const int64_t> ks,
                                                  const ProgressFn& progress = {}, int64_t batch = 250);

}  // namespace privdnn
