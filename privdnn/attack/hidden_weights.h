// Finds what a user's package leaves out of a network, weight by weight.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "privdnn/partition/partition.h"

namespace privdnn {

// Maps an initializer's name to a flag for each value, row-major; initializers not named have no flags.
using WeightFlags = std::map<std::string, std::vector<bool>>;
int64_t CountFlags(const WeightFlags& flags);

struct HiddenWeights {
  // The weights of core neurons: their rows of weights, biases, and their part of the batch normalisation and of the
  // constants that are folded into them.
  WeightFlags core;
  // The weights by which plaintext neurons of a quadratic segment's second layer read core neurons of its first. An
  // authorised user computes without them (separation), so a package doesn't need them.
  WeightFlags cut;
};

// Returns the weights of `graph` that are missing from PlaintextRest, the part that a package holds in plaintext. Found
// by comparing the graphs: a user doesn't have what isn't there. Returns the errors of FindSegments.
absl::StatusOr<HiddenWeights> FindHiddenWeights(const Graph& graph, const Selection& selection);

}  // namespace privdnn
