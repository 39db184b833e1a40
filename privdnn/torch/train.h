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

// Random changes to the training images, different for each image and epoch.
struct Augmentation {
  // Affine maps; pixels from outside the image are black. Each parameter is drawn uniformly from plus/minus its value.
  double shift_pixels = 2.5;
  double rotation_degrees = 12;
  double log_scale = 0.15;  // natural logarithm of the zoom, for each axis
  double shear = 0.2;       // horizontal displacement per unit of height
  // Adds a black border of this many pixels, then crops to the image's size at a random position.
  int64_t crop_padding = 0;
  double flip = 0;       // probability that an image is mirrored, left to right
  double grayscale = 0;  // probability that an image of 3 channels becomes grey (ITU-R 601-2 luma)

  // Leaves images as they are.
  static Augmentation None() { return {0, 0, 0, 0, 0, 0, 0}; }
  bool HasAffineMaps() const { return shift_pixels != 0 || rotation_degrees != 0 || log_scale != 0 || shear != 0; }
  bool operator==(const Augmentation&) const = default;
};

enum class Optimizer {
  kAdam,  // with decoupled weight decay (AdamW)
  kSgd,   // Nesterov's momentum 0.9; weight decay is part of the gradient
};

// The precision of convolutions and matrix products during training. Weights, their updates, losses, running
// statistics, validation and the result are 32-bit floats in both cases.
enum class Precision { kFloat32, kBfloat16 };

// The defaults are those used to train the assets.
struct TrainOptions {
  int epochs = 60;
  int64_t batch = 128;
  Optimizer optimizer = Optimizer::kAdam;
  // The highest rate: it rises linearly during the first `warm_up` of the steps, then falls to 0 along a cosine.
  double learning_rate = 2e-3;
  double warm_up = 0.02;
  double weight_decay = 0;     // on weights with at least two dimensions
  double label_smoothing = 0;  // this share of the target is spread evenly over all outputs
  Precision precision = Precision::kFloat32;
  uint64_t seed = 1;
  int threads = 2;
  Augmentation augmentation;
  // The decay per step of an exponential average of the weights, which is what is validated and returned. 0: the
  // weights themselves.
  double averaging = 0.999;
  // Train on inputs of mean 0 and variance 1 (per channel). The returned graph still takes [0, 1]: the map is folded
  // into the first convolution, which gets a bias if it has none. If that convolution is padded, the training images
  // get a black border instead. Has no effect if `rates` names one of that convolution's initializers.
  bool normalize = true;
  // The number of initial epochs in which the images (and validation images) are halved in height and width, by means
  // of 2x2 pixels, and the last average pool's window is halved. Such an epoch takes a quarter of the time. Needs a
  // graph in which this leaves the shapes of all weights unchanged. These epochs are not returned, unless there are no
  // others.
  int half_size_epochs = 0;
  // With a validation set: stop after this many epochs in a row without a new best. Epochs on halved images don't
  // count. 0: never.
  int patience = 0;
  // The shares of the learning rate, each in [0, 1], for the values of an initializer: one number for all of them, or
  // one for each, row-major. Initializers not named get the full rate. A value with share 0 stays the same in every
  // bit, and does not count in the gradient's length. Running statistics are measured, unless their share is 0; batch
  // normalisation normalises by them if none of them change.
  std::map<std::string, std::vector<float>> rates;
  // A file that holds the state of unfinished training. It is written once a minute (less often if that takes long), on
  // cancellation and at the end. Training with the same graph, data and options resumes from it and ends with the same
  // result; different training fails with FailedPrecondition. The file remains at the end. Empty: none.
  std::filesystem::path checkpoint;
  // Called after each epoch with its report.
  std::function<void(const EpochReport&)> on_epoch;
};

struct TrainResult {
  Graph graph;  // of the best epoch on the validation set, the later of equals; without a set, of the last
  double validation_accuracy;  // percent
  std::vector<EpochReport> epochs;
};

// Trains every float initializer of the graph that an operator uses as weight, bias, scale or shift, by cross-entropy
// on the graph's single output, the logits. `initial` takes inputs in [0, 1]; training starts from the function that it
// computes. Deterministic for a given seed, machine and thread count. `progress` counts batches. Fails with Cancelled
// if it returns false, and with FailedPrecondition if the loss is no longer finite. `validation` may be empty.
absl::StatusOr<TrainResult> Train(const Graph& initial, const ImageSet& train, const ImageSet& validation,
                                  const TrainOptions& options, const ProgressFn& progress);

// Returns the percentage of images whose largest output is their label. `progress`, if given, counts images.
absl::StatusOr<double> Accuracy(const Graph& graph, const ImageSet& set, const ProgressFn& progress = {},
                                int64_t batch = 250);
// Returns, for each k, the percentage of images whose label is among the k largest outputs. Of equal outputs, the first
// counts as larger.
absl::StatusOr<std::vector<double>> TopAccuracies(const Graph& graph, const ImageSet& set, std::span<const int64_t> ks,
                                                  const ProgressFn& progress = {}, int64_t batch = 250);

}  // namespace privdnn
