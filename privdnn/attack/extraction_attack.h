// Extraction from a served package: asks the owner, solves for kernels, and measures how good the clone is.
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
  ExtractedKernels kernels;                    // once solved
  ApproximateKernels approximate;              // from the last call of Approximate
  uint64_t mismatches = 0;                     // coefficients that differ from the owner's
  uint64_t checked = 0, check_mismatches = 0;  // outputs for inputs that weren't asked before

  // Picks this group's outputs from a segment's outputs for an image.
  std::vector<int64_t> Outputs(std::span<const int64_t> of_image) const;
  uint32_t first_output() const;
};

struct ExtractionSettings {
  bool real_images = false;  // asks about images; otherwise about random values of each segment's input
  bool exact = true;         // solves for kernels; otherwise only collects replies to fit them to
  uint64_t seed = 1;         // for the random values
  int64_t check_images = 8;
  uint64_t max_unknowns = OutputPolynomial::kDefaultUnknowns;
  int threads = 1;
};

class ExtractionAttack {
 public:
  // Fails with InvalidArgument if a segment has too many unknowns. `target` must outlive the attack.
  static absl::StatusOr<ExtractionAttack> Create(OutputOracle& target, const ExtractionSettings& settings,
                                                 const Reporting& reporting);

  const std::vector<GroupAttack>& groups() const { return groups_; }
  uint64_t asked() const { return asked_; }  // queries for the equations, counted in images
  bool determined() const;
  // Returns the number of images needed for all kernels: measured or, failing that, predicted.
  uint64_t images_needed() const;

  // Asks until everything is found: about random values, for at most twice as many images as predicted, or about the
  // images until there are none left.
  absl::Status Collect(const ImageSet& images);
  // Solves for exact kernels. Call it only once determined() is true.
  absl::Status Solve();
  // Fits the most likely kernels to the first `count` images that were asked.
  absl::Status Approximate(uint64_t count);
  // Compares the exact clone's outputs with the owner's, for inputs of the same kind that were not asked before; images
  // are the first of `fresh`.
  absl::Status Check(const ImageSet& fresh);
  // Counts the coefficients that differ from the true ones, which only the owner knows; for the report. Fails with
  // InvalidArgument if the model isn't the package's.
  absl::Status Compare(const ModelPlan& model);
  // Returns the percentage of images that the network classifies correctly with the clone in the owner's place.
  absl::StatusOr<double> CloneAccuracy(const ImageSet& images, bool exact) const;
  // Returns the same percentage with the owner itself, for an authorised user.
  absl::StatusOr<double> UserAccuracy(const ImageSet& images);
  // Returns, for each segment, the deviation of its outputs over the images that were asked, in the layer's units: the
  // root of the mean over outputs of their variance.
  std::vector<double> OutputDeviations() const;

 private:
  // Inputs and outputs of each segment.
  struct Transcript {
    std::vector<std::vector<float>> inputs;
    std::vector<std::vector<int64_t>> outputs;
    RestNetwork::Evaluation evaluation;  // of images, ready for computing scores
  };
  ExtractionAttack(OutputOracle& target, const ExtractionSettings& settings, const Reporting& reporting);
  const Geometry& geometry(size_t k) const { return target_.user().segment(k).geometry; }
  size_t num_segments() const { return target_.user().num_segments(); }
  bool Determined(size_t k) const;
  std::string HowFar(size_t k) const;
  std::vector<float> RandomInputs(size_t k, uint64_t images);
  absl::StatusOr<Transcript> AskImages(const Tensor& images);
  absl::Status Add(size_t k, std::span<const float> inputs, std::span<const int64_t> outputs);
  // Returns the percentage of images that are classified correctly; `evaluate` evaluates some images at a time.
  using EvaluateFn = std::function<absl::StatusOr<RestNetwork::Evaluation>(const Tensor& images)>;
  absl::StatusOr<double> Accuracy(const ImageSet& images, const std::string& doing, const EvaluateFn& evaluate) const;
  // Returns the clone's outputs for a segment, [image][output][position].
  std::vector<int64_t> CloneOutputs(size_t k, std::span<const float> inputs, bool exact) const;

  OutputOracle& target_;
  ExtractionSettings settings_;
  Reporting reporting_;
  std::unique_ptr<RandomSource> random_;  // for what is asked, not for masks
  ProgressFn progress_;
  std::vector<GroupAttack> groups_;
  uint64_t asked_ = 0;
};

}  // namespace privdnn
