// Networks and selections for commands that only want to know what something costs.
#pragma once

#include "cli/inputs.h"

namespace privdnn::cli {

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
  absl::StatusOr<nn::Graph> Load() const;
  // InvalidArgument for a percentage of a network without two layers around a square.
  absl::StatusOr<nn::Selection> Select(const nn::Graph& graph) const;
  // Pixels from the seed, for networks whose data set is not at hand: cost does not depend on them.
  nn::ImageSet RandomPixels(const nn::Graph& graph, int64_t count) const;
};

}  // namespace privdnn::cli
