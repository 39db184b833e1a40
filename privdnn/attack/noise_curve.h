// Measures the cost of errors that the owner adds to outputs: the accuracy that its user loses, and the additional
// images that a clone needs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/attack/extraction_attack.h"

namespace privdnn {

// A clone by ridge regression on the replies to this many images.
struct Clone {
  uint64_t images = 0;
  double accuracy = 0;  // percent of the images that weren't asked
};

struct NoiseEffect {
  double output_noise = 0;     // deviation, as in `privdnn serve --output-noise`
  std::vector<double> shares;  // for each segment: noise divided by the deviation of its outputs
  double accuracy = 0;         // percent, of an authorised user whose replies have this noise
  // The fewest images whose clone comes within this many points (NoiseReport::within) of that accuracy, and of the
  // accuracy without noise. Found by doubling, then halving the interval until its ends are a tenth apart. Empty if all
  // images are too few, or all that a fit has room for (2 GiB of equations).
  std::optional<uint64_t> to_noisy_accuracy, to_exact_accuracy;
  uint64_t most_images = 0;   // that a clone can be fitted to; the search ends there
  std::vector<Clone> clones;  // all that were tried, in the order of their number of images
};

struct NoiseSettings {
  std::vector<double> levels;
  std::vector<double> shares;  // the same as shares of the outputs' deviation, in the segment where it is smallest
  double within = 1;           // points of percent

  bool given() const { return !levels.empty() || !shares.empty(); }
};

// A level that wasn't measured, and the reason.
struct NoiseLeftOut {
  double output_noise = 0;
  std::string reason;
};

struct NoiseReport {
  double within = 1;  // points of percent
  std::vector<NoiseLeftOut> left_out = {};
  std::vector<NoiseEffect> levels = {};
};

// Fails with InvalidArgument if the replies for a segment have no room for this noise (see IntegerNoise).
absl::Status CheckNoiseRoom(const User& user, double output_noise);

// Turns shares into levels: multiples of the smallest of `deviations` (one per segment), so that no segment's outputs
// have more noise than that share. Ignores segments whose outputs never vary. Leaves out, and returns, levels for which
// `room` returns an error and, if no outputs vary, all shares but 0. Reports both to `warn`.
std::vector<NoiseLeftOut> ResolveShares(const std::vector<double>& deviations,
                                        const std::function<absl::Status(double level)>& room, NoiseSettings& noise,
                                        const NoteFn& warn = {});

// Starts the owner again, so that its replies have errors of this deviation, and connects a user to it. The oracle that
// it returned before is no longer used.
using NoisyOwnerFn = std::function<absl::StatusOr<std::unique_ptr<OutputOracle>>(double output_noise)>;

// For each level and each share that there is room for, starts an owner, asks about the images of `asked` and of
// `fresh`, and fits clones to the replies to `asked`. Accuracies are measured on `fresh`, which must have labels.
// `exact_accuracy` is that of an authorised user without noise. `deviations` is ExtractionAttack::OutputDeviations()
// for exact replies.
absl::StatusOr<NoiseReport> MeasureNoise(const User& user, const NoisyOwnerFn& owner, NoiseSettings noise,
                                         ExtractionSettings extraction, const ImageSet& asked, const ImageSet& fresh,
                                         double exact_accuracy, const std::vector<double>& deviations,
                                         const Reporting& reporting);

}  // namespace privdnn
