// Checks and derives what training needs before it starts. Internal to torch.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "privdnn/torch/train.h"
#include "privdnn/torch/train_state.h"

namespace privdnn {

enum class Role { kTrained, kStatistics, kFixed };
using Rates = std::map<std::string, std::vector<float>>;  // as in TrainOptions
// Returns the initializers whose values all have rate 0.
std::set<std::string> FixedByRates(const Rates& rates);
// Returns what training does with each initializer: measures running statistics, and trains everything else that a node
// reads, except what its rates fix.
std::map<std::string, Role> AssignRoles(const Graph& graph, const Rates& rates);

// Returns whether a node that reads a graph input has an initializer with rates of its own. Normalisation would change
// the values to which these rates apply.
bool FirstLayerHasRates(const Graph& graph, const Rates& rates);

absl::Status CheckTrainArguments(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                                 const TrainOptions& options);

// Returns the graph for images of half the height and width, with the same initializers: halves the window and strides
// of the last average pool. Fails with InvalidArgument if that does not fit together.
absl::StatusOr<Graph> ForHalfSize(Graph graph);

// Returns the SHA-256 of everything that decides the result.
Fingerprint FingerprintOf(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                          const TrainOptions& options);

}  // namespace privdnn
