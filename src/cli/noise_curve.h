// What errors that the owner adds to outputs cost its user, and how many images they cost someone who clones.
#pragma once

#include <optional>
#include <vector>

#include "cli/extraction_attack.h"
#include "cli/local_owner.h"

namespace privdnn::cli {

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
  std::vector<Clone> clones;  // all that were tried, by the number of images
};

struct NoiseSettings {
  std::vector<double> levels;
  double within = 1;  // points of percent
};

// For each level starts the owner anew, asks for `asked` and for `fresh` images, and fits clones to the replies to
// `asked`; accuracies are of `fresh`, which must have labels. `exact_accuracy`: of an authorised user without noise.
// `deviations`: ExtractionAttack::OutputDeviations() of exact replies.
absl::StatusOr<std::vector<NoiseEffect>> MeasureNoise(LocalOwner& owner, const NoiseSettings& noise,
                                                      ExtractionSettings extraction, const nn::ImageSet& asked,
                                                      const nn::ImageSet& fresh, double exact_accuracy,
                                                      const std::vector<double>& deviations);

}  // namespace privdnn::cli
