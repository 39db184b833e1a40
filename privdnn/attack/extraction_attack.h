// Extraction against a served package: what is asked, what is found, and how good the clone is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/attack/approximate.h"
#include "privdnn/attack/decompose.h"
#include "privdnn/attack/extract.h"
#include "privdnn/attack/output_oracle.h"
#include "privdnn/base/random.h"
#include "privdnn/base/reporting.h"
#include "privdnn/data/dataset.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

// The attack on the outputs of one group of a segment.
struct GroupAttack {
  GroupAttack(const Geometry& geometry, size_t segment_index, size_t group_index, OutputPolynomial of, int threads);

  size_t segment, group;
  ExtractionCount predicted;
  std::unique_ptr<OutputPolynomial> polynomial;
  Extractor extractor;
  ExtractedKernels kernels;                    // once they are solved for
  ApproximateKernels approximate;              // of the last call of Approximate
  uint64_t mismatches = 0;                     // coefficients that differ from the owner's
  uint64_t checked = 0, check_mismatches = 0;  // outputs of inputs that weren't asked before

  // Of a segment's outputs of an image, this group's.
  std::vector<int64_t> Outputs(std::span<const int64_t> of_image) const;
  uint32_t first_output() const;
};

struct ExtractionSettings {
  bool real_images = false;  // asks for images; otherwise for random values of each segment's input
  bool exact = true;         // solves for kernels; otherwise only collects what they can be fitted to
  uint64_t seed = 1;         // of the random values
  int64_t check_images = 8;
  uint64_t max_unknowns = OutputPolynomial::kDefaultUnknowns;
  int threads = 1;
};

class ExtractionAttack {
 public:
  // InvalidArgument for a segment with too many unknowns. `target` must outlive it.
  static absl::StatusOr<ExtractionAttack> Create(OutputOracle& target, const ExtractionSettings& settings,
                                                 const Reporting& reporting);

  const std::vector<GroupAttack>& groups() const { return groups_; }
  uint64_t asked() const { return asked_; }  // images' worth of queries for the equations
  bool determined() const;
  // Images that all kernels take: as measured, or else as predicted.
  uint64_t images_needed() const;

  // Asks until all is found: random values, for at most twice as long as is predicted, or the images while there are
  // any.
  absl::Status Collect(const ImageSet& images);
  // Once determined: exact kernels.
  absl::Status Solve();
  // The likeliest kernels by the first `count` images that were asked.
  absl::Status Approximate(uint64_t count);
  // Holds the exact clone's outputs against the owner's for inputs of the same kind that were not asked before: of
  // images, the first of `fresh`.
  absl::Status Check(const ImageSet& fresh);
  // The owner's side, for the report: counts coefficients that differ from the true ones. InvalidArgument if the model
  // isn't the package's.
  absl::Status Compare(const ModelPlan& model);
  // Percent of images that the network classifies right with the clone in the owner's place.
  absl::StatusOr<double> CloneAccuracy(const ImageSet& images, bool exact) const;
  // The same with the owner itself: of an authorised user.
  absl::StatusOr<double> UserAccuracy(const ImageSet& images);
  // Of each segment, the deviation of its outputs over the images that were asked, in the layer's units: the root of
  // the mean over outputs of their variance.
  std::vector<double> OutputDeviations() const;

 private:
  // Inputs and outputs of each segment.
  struct Transcript {
    std::vector<std::vector<float>> inputs;
    std::vector<std::vector<int64_t>> outputs;
    RestNetwork::Evaluation evaluation;  // of images, ready for their scores
  };
  ExtractionAttack(OutputOracle& target, const ExtractionSettings& settings, const Reporting& reporting);
  const Geometry& geometry(size_t k) const { return target_.user().segment(k).geometry; }
  size_t num_segments() const { return target_.user().num_segments(); }
  bool Determined(size_t k) const;
  std::string HowFar(size_t k) const;
  std::vector<float> RandomInputs(size_t k, uint64_t images);
  absl::StatusOr<Transcript> AskImages(const Tensor& images);
  absl::Status Add(size_t k, std::span<const float> inputs, std::span<const int64_t> outputs);
  // Percent of images that are classified right by what `evaluate` makes of some of them.
  using EvaluateFn = std::function<absl::StatusOr<RestNetwork::Evaluation>(const Tensor& images)>;
  absl::StatusOr<double> Accuracy(const ImageSet& images, const std::string& doing, const EvaluateFn& evaluate) const;
  // [image][output][position] of a segment.
  std::vector<int64_t> CloneOutputs(size_t k, std::span<const float> inputs, bool exact) const;

  OutputOracle& target_;
  ExtractionSettings settings_;
  Reporting reporting_;
  std::unique_ptr<RandomSource> random_;  // of what is asked for, not of masks
  ProgressFn progress_;
  std::vector<GroupAttack> groups_;
  uint64_t asked_ = 0;
};

}  // namespace privdnn
