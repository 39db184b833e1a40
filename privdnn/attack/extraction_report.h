// A whole extraction as figures: the kernels, clones by fewer images, and the layers behind the kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/attack/extraction_attack.h"

namespace privdnn {

struct ExtractionTask {
  ExtractionSettings settings;  // exact by what the owner says
  // Clones by so many of the images that are needed, each in [0, 1], and by numbers of images.
  std::vector<double> fractions;
  std::vector<uint64_t> images_used;
  bool layers = false;  // also the layers behind quadratic segments' kernels, if the truth is known
};

struct ExtractionImages {
  ImageSet asked;  // where images are asked
  ImageSet fresh;  // never asked: what accuracies are of
  bool labelled = false;
};

// The attack on the outputs of one group of a segment.
struct GroupFigures {
  size_t segment = 0;
  uint64_t outputs = 0;
  uint64_t unknowns = 0;   // an output
  uint64_t equations = 0;  // an image
  uint64_t images_predicted = 0;
  uint64_t images_predicted_inner = 0;
  std::optional<uint64_t> images_needed;  // nothing: those that were asked don't determine the kernels
  uint64_t unknowns_found = 0;
  std::optional<uint64_t> kernel_mismatches;  // coefficients that differ from the owner's; nothing: not compared
  uint64_t check_integers = 0, check_mismatches = 0;
};

// A clone by ridge regression on the replies to so many images.
struct ClonePoint {
  uint64_t images_used = 0;
  double fraction = 0;             // of those that are needed, or else predicted
  std::vector<double> penalties;   // one a group
  std::optional<double> accuracy;  // percent; nothing without labels
};

// The two layers behind a quadratic segment's kernels, beside the true ones.
struct LayersFound {
  size_t segment = 0;
  size_t neurons = 0;          // of the first layer
  std::vector<size_t> known;   // of these, those that the package holds
  std::string not_found = {};  // why there are none; then what follows, up to the time, is 0 or empty
  double residual = 0, residual_of_rounding = 0;
  size_t neurons_missing = 0;
  // Sines of angles, of each neuron (LayerErrors); those that are known have none.
  std::vector<double> first_layer_errors = {}, second_layer_errors = {};
  double seconds = 0;
};

struct ExtractionReport {
  double owner_output_noise = 0;
  bool real_images = false;
  uint64_t images_asked = 0;
  std::optional<uint64_t> images_needed;  // for all kernels
  std::vector<GroupFigures> groups;
  // Percent: of the exact clone, or else of the approximate one by all images that were asked.
  std::optional<double> clone_accuracy;
  std::optional<int64_t> clone_images;
  std::vector<ClonePoint> curve;
  std::optional<std::vector<LayersFound>> layers;
  double seconds = 0;
  std::vector<double> output_deviations;  // ExtractionAttack::OutputDeviations

  // The group for which most images are predicted.
  const GroupFigures& hardest() const;
  uint64_t Sum(uint64_t GroupFigures::*field) const;
  // Nothing unless all kernels were found and compared.
  std::optional<uint64_t> KernelMismatches() const;
};

// Asks, solves, checks and fits clones. `truth`: the model behind the package, for comparisons, or nullptr where it
// isn't known. Errors of ExtractionAttack.
absl::StatusOr<ExtractionReport> Extract(OutputOracle& target, const ExtractionTask& task,
                                         const ExtractionImages& images, const ModelPlan* truth,
                                         const Reporting& reporting);

}  // namespace privdnn
