// Reports a whole extraction in figures: the kernels, clones from fewer images, and the layers behind the kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/attack/extraction_attack.h"

namespace privdnn {

struct ExtractionTask {
  ExtractionSettings settings;  // `exact` is set from what the owner announces
  // The sizes of clones: shares of the images needed, each in [0, 1], and numbers of images.
  std::vector<double> fractions;
  std::vector<uint64_t> images_used;
  bool layers = false;  // also find the layers behind quadratic segments' kernels, if the truth is known
};

struct ExtractionImages {
  ImageSet asked;  // to ask about, if settings ask about images
  ImageSet fresh;  // never asked; accuracies are measured on these
  bool labelled = false;
};

// The attack on the outputs of one group of a segment.
struct GroupFigures {
  size_t segment = 0;
  uint64_t outputs = 0;
  uint64_t unknowns = 0;   // per output
  uint64_t equations = 0;  // per image
  uint64_t images_predicted = 0;
  uint64_t images_predicted_inner = 0;
  std::optional<uint64_t> images_needed;  // empty: the images asked don't determine the kernels
  uint64_t unknowns_found = 0;
  std::optional<uint64_t> kernel_mismatches;  // coefficients that differ from the owner's; empty: not compared
  uint64_t check_integers = 0, check_mismatches = 0;
};

// A clone by ridge regression on the replies to this many images.
struct ClonePoint {
  uint64_t images_used = 0;
  double fraction = 0;             // of the images needed or, failing that, predicted
  std::vector<double> penalties;   // one per group
  std::optional<double> accuracy;  // percent; empty without labels
};

// The two layers behind a quadratic segment's kernels, compared with the true ones.
struct LayersFound {
  size_t segment = 0;
  size_t neurons = 0;          // of the first layer
  std::vector<size_t> known;   // the neurons among these that the package holds
  std::string not_found = {};  // the reason if there are none; the fields below, except the time, are then 0 or empty
  double residual = 0, residual_of_rounding = 0;
  size_t neurons_missing = 0;
  // Sines of angles, for each neuron (LayerErrors); known neurons have none.
  std::vector<double> first_layer_errors = {}, second_layer_errors = {};
  double seconds = 0;
};

struct ExtractionReport {
  double owner_output_noise = 0;
  bool real_images = false;
  uint64_t images_asked = 0;
  std::optional<uint64_t> images_needed;  // for all kernels
  std::vector<GroupFigures> groups;
  // Percent, of the exact clone or, failing that, of the approximate one from all images that were asked.
  std::optional<double> clone_accuracy;
  std::optional<int64_t> clone_images;
  std::vector<ClonePoint> curve;
  std::optional<std::vector<LayersFound>> layers;
  double seconds = 0;
  std::vector<double> output_deviations;  // ExtractionAttack::OutputDeviations

  // Returns the group for which most images are predicted.
  const GroupFigures& hardest() const;
  uint64_t Sum(uint64_t GroupFigures::*field) const;
  // Empty unless all kernels were found and compared.
  std::optional<uint64_t> KernelMismatches() const;
};

// Asks, solves, checks and fits clones. `truth` is the model behind the package, for comparisons, or nullptr if it
// isn't known. Returns errors of ExtractionAttack.
absl::StatusOr<ExtractionReport> Extract(OutputOracle& target, const ExtractionTask& task,
                                         const ExtractionImages& images, const ModelPlan* truth,
                                         const Reporting& reporting);

}  // namespace privdnn
