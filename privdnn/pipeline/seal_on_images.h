// Plans the sealed mode on images, with LibTorch: measures ranges, compiles, simulates.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/lifting/seal.h"
#include "privdnn/package/encrypt.h"
#include "privdnn/sealed/simulate.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

// The user's plaintext part: from an input to what enters the program.
class SealedFront {
 public:
  // `graph` and `front` are SealedModel's.
  static absl::StatusOr<SealedFront> Create(const Graph& graph, const std::vector<std::string>& front,
                                            const SealedProgram& program);
  // Integers [image][channel][row][column] of each front value, for images (N, ...) as the network reads them. Numbers
  // beyond what calibration saw are clamped. Fails if the network gives a number that is not finite.
  absl::StatusOr<FrontOutputs> Run(const Tensor& images) const;

 private:
  struct Entry {
    std::string value;  // of the graph
    int exponent, bits;
  };
  SealedFront(std::string input, std::optional<Executor> executor, std::vector<Entry> entries)
      : input_(std::move(input)), executor_(std::move(executor)), entries_(std::move(entries)) {}
  std::string input_;
  std::optional<Executor> executor_;  // empty: nothing is computed in front
  std::vector<Entry> entries_;
};

// What of the network the user gets: all that computes the front values, and its input. Of what is encrypted and of
// what is computed on shares it holds nothing.
Graph FrontGraph(const SealedModel& model);

// A network with a selection, ready to be encrypted for the sealed mode.
struct SealedPlan {
  SealedModel model;
  std::vector<EncryptionPlan> encryption;  // of each segment

  // Return tasks and specs that point into this plan.
  std::vector<EncryptionTask> Tasks() const;
};

// Calibrates on `images`, which must not be empty: images that the network is made for, without labels.
absl::StatusOr<SealedPlan> PlanSealed(const Graph& graph, const Selection& selection, const SealOptions& options,
                                      const ImageSet& images, uint64_t image_budget);

// What the plan answers to images, computed in the clear with the program's roundings.
struct SealedPrediction {
  std::vector<int32_t> labels;
  uint64_t overflows = 0;  // values that wrapped around, in all steps
};
absl::StatusOr<SealedPrediction> PredictSealed(const SealedPlan& plan, const ImageSet& images, RandomSource& random,
                                               const ProgressFn& progress = {});

}  // namespace privdnn
