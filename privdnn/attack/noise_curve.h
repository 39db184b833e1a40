// What errors that the owner adds to outputs cost its user, and how many images they cost someone who clones.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/attack/extraction_attack.h"

namespace privdnn {

// A clone by ridge regression on the replies to so many images.
struct Clone {
  uint64_t images = 0;
  double accuracy = 0;  // percent of the images that weren't asked
};

struct NoiseEffect {
  double output_noise = 0;     // deviation, as `privdnn serve --output-noise` takes it
  std::vector<double> shares;  // of each segment: by the deviation of its outputs
  double accuracy = 0;         // percent, of an authorised user whose replies have that noise
  // Fewest images whose clone is within so many points of that accuracy, and of the accuracy without noise; found by
  // doubling, then halving the interval until its ends are a tenth apart. Nothing: all images don't do, or all that a
  // fit has room for (2 GiB of equations).
  std::optional<uint64_t> to_noisy_accuracy, to_exact_accuracy;
  uint64_t most_images = 0;   // that a clone can be fitted to: none is looked for beyond
  std::vector<Clone> clones;  // all that were tried, by the number of images
};

struct NoiseSettings {
  std::vector<double> levels;
  std::vector<double> shares;  // the same as shares of the outputs' deviation, where that is least
  double within = 1;           // points of percent

  bool given() const { return !levels.empty() || !shares.empty(); }
};

// A level that wasn't measured, and why.
struct NoiseLeftOut {
  double output_noise = 0;
  std::string reason;
};

struct NoiseReport {
  double within = 1;  // points of percent
  std::vector<NoiseLeftOut> left_out = {};
  std::vector<NoiseEffect> levels = {};
};

// InvalidArgument if the replies for a segment have no room for such noise (see IntegerNoise).
absl::Status CheckNoiseRoom(const User& user, double output_noise);

// Shares become levels: multiples of the least of `deviations`, one a segment, so that no segment's outputs have more
// noise than that share. Segments whose outputs never vary don't count. Levels that `room` has an error for are left
// out, and if no outputs vary, so are all shares but 0. `warn` hears of both.
std::vector<NoiseLeftOut> ResolveShares(const std::vector<double>& deviations,
                                        const std::function<absl::Status(double level)>& room, NoiseSettings& noise,
                                        const NoteFn& warn = {});

// Starts the owner anew, so that its replies have errors of this deviation, and connects a user to it. What it returned
// before is no longer used.
using NoisyOwnerFn = std::function<absl::StatusOr<std::unique_ptr<OutputOracle>>(double output_noise)>;

// For each level and each share that there is room for starts an owner, asks for `asked` and for `fresh` images, and
// fits clones to the replies to `asked`; accuracies are of `fresh`, which must have labels. `exact_accuracy`: of an
// authorised user without noise. `deviations`: ExtractionAttack::OutputDeviations() of exact replies.
absl::StatusOr<NoiseReport> MeasureNoise(const User& user, const NoisyOwnerFn& owner, NoiseSettings noise,
                                         ExtractionSettings extraction, const ImageSet& asked, const ImageSet& fresh,
                                         double exact_accuracy, const std::vector<double>& deviations,
                                         const Reporting& reporting);

}  // namespace privdnn
