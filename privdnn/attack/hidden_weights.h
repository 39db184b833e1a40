// What a user's package leaves out of a network, weight by weight.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "privdnn/partition/partition.h"

namespace privdnn {

// For an initializer by name, a flag for each value, row-major; those not named have none.
using WeightFlags = std::map<std::string, std::vector<bool>>;
int64_t CountFlags(const WeightFlags& flags);

struct HiddenWeights {
  // What core neurons consist of: their rows of weights, biases, and their part of the batch normalisation and of the
  // constants that are folded into them.
  WeightFlags core;
  // The weights by which plaintext neurons of a quadratic segment's second layer read core neurons of its first: an
  // authorised user computes without them (separation), so that a package has no need of them.
  WeightFlags cut;
};

// The weights of `graph` that PlaintextRest, which is what a package holds in plaintext, doesn't have. It is read
// off that graph: what isn't there, a user hasn't got. InvalidArgument for what FindSegments refuses.
absl::StatusOr<HiddenWeights> FindHiddenWeights(const Graph& graph, const Selection& selection);

}  // namespace privdnn
