// The network that a command is about: graph, core neurons and images, each with what stands in if none is named.
#pragma once

#include "privdnn/cli/inputs.h"
#include "privdnn/pipeline/choose_bits.h"

namespace privdnn {

// A model, or one of the paper's networks with random weights; and core neurons, or a share of them.
struct NetworkInput {
  ModelInput model = {};
  std::string default_selection = {};  // if none is given; empty: the embedded model's
  std::string architecture = {}, selection = {};
  int percent = 0;
  uint64_t seed = 1;
  // --arch, --seed, --percent and the selection under `selection_names`; the model's option is the command's to add.
  void Add(CLI::App* command, const std::string& selection_names);
  bool embedded() const { return architecture.empty() && model.path.empty(); }
  absl::StatusOr<Graph> Load() const;
  // InvalidArgument for a percentage of a network without two layers around a square.
  absl::StatusOr<Selection> Select(const Graph& graph) const;
  // Whether there are images: named by `input`, or those that the program carries, for the embedded model.
  bool HasImages(const ImageInput& input) const { return embedded() || input.given(); }
  // The first `count` images, InvalidArgument if there are fewer; without any, as many with pixels from the seed, since
  // cost does not depend on them.
  absl::StatusOr<ImageSet> Images(const Graph& graph, const ImageInput& input, int64_t count) const;
  // Plans with this machine's costs, simulates the plan, and chooses bits (see PlanWithChosenBits). Inner segments are
  // calibrated on the images that there are; without any, on a few with pixels from the seed for a network with random
  // weights, for which nothing is simulated. For a model without images, inner segments are an InvalidArgument error
  // that names the options.
  absl::StatusOr<SimulatedPlan> MakePlan(const Graph& graph, const Selection& core, const ModelPlanOptions& options,
                                         const ImageInput& input, SimulationOptions simulation = {}) const;
};

}  // namespace privdnn
