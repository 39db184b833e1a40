// What a training needs to know before it starts. Internal to nn.
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
// The initializers of which every value has rate 0.
std::set<std::string> FixedByRates(const Rates& rates);
// What training does with each initializer: running statistics are measured, all else that a node reads is trained,
// except what is fixed by its rates.
std::map<std::string, Role> AssignRoles(const Graph& graph, const Rates& rates);

// Whether a node that reads a graph input has an initializer with rates of its own. Normalisation would change what
// they are rates of.
bool FirstLayerHasRates(const Graph& graph, const Rates& rates);

absl::Status CheckTrainArguments(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                                 const TrainOptions& options);

// The graph for images of half the height and width, with the same initializers: the last average pool's window and
// strides are halved. InvalidArgument if that does not fit together.
absl::StatusOr<Graph> ForHalfSize(Graph graph);

// SHA-256 of everything that decides the result.
Fingerprint FingerprintOf(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                          const TrainOptions& options);

}  // namespace privdnn
