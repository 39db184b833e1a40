// What a package will answer, computed in the clear by its owner before anything is encrypted: the simulation computes
// the same integers as owner and user do together.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/graph/output_kind.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/pipeline/rest_network.h"

namespace privdnn {

// A segment's integers, computed with doubles where these are exact, and with the integer reference elsewhere. Equals
// ReferenceOutputs.
class SegmentSimulation {
 public:
  // Both must outlive the simulation.
  SegmentSimulation(const QuantizedSegment& segment, const Geometry& geometry);
  // Returns the outputs [image][output][position] for inputs [image][channel][row][column] of so many images, and adds
  // them to `clamping`.
  absl::StatusOr<std::vector<int64_t>> Run(std::span<const float> inputs, int64_t images, int threads,
                                           Clamping& clamping) const;

 private:
  absl::Status RunImage(std::span<const int16_t> z, std::span<int64_t> outputs) const;
  const QuantizedSegment& segment_;
  const Geometry& geometry_;
  bool exact_in_doubles_;
  ZeroizingVector<double> kernels_[2];  // of each group, [output][feature][row][column]
};

struct Simulation {
  OutputKind outputs = OutputKind::kClasses;
  // Decisions (see Decide): a class for each image, or 1 or 0 for each label; none for a regression.
  std::vector<int32_t> predictions;  // of the integers
  std::vector<int32_t> separated;    // of the same network in floats: what the user would get without rounding
  std::vector<int32_t> original;     // of the whole network in floats
  std::vector<Clamping> clamping;    // of each segment's inputs
  // How far scores deviate (see DeviationPercent): by rounding, from those of the same network in floats; and these by
  // separation, from those of the whole network.
  double rounding_percent = 0, separation_percent = 0;
  // Percent of predictions that equal the labels, if there are some.
  struct Accuracies {
    double original = 0, separated = 0, quantised = 0;
  };
  std::optional<Accuracies> accuracies;
  // Predictions that differ from those of `separated`: what rounding changes.
  int64_t DecisionsChanged() const;
};

// Simulates a plan on images. `labelled`: their labels mean something, which they do for classes only. `progress`
// counts images, three times each. Fails with InvalidArgument if the images aren't what the network reads, or if the
// network's outputs are a map.
absl::StatusOr<Simulation> Simulate(const ModelPlan& plan, const ImageSet& images, bool labelled, int threads,
                                    const ProgressFn& progress = {});

}  // namespace privdnn
