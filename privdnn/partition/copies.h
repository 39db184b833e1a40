// Looks for encrypted weights in what stays plaintext. Internal to the partition.
#pragma once

#include <vector>

#include "privdnn/partition/partition.h"

namespace privdnn {

// Fails if half of the neurons that are chosen in a layer, or more, have weights that stand in an initializer of their
// own as well: a kernel that a model applies repeatedly and holds twice, or once as it is and once transposed, reshaped
// or cut along its neurons. Weights in another order count, and so do those that are rounded to 16-bit floats; scaled
// ones are not found. Neurons with fewer than 5 different weights (all, if they have fewer) don't count: those of two
// layers may be equal by chance. Fails too if a neuron that isn't chosen has just the weights of one of its layer that
// is, 5 different ones at the least.
absl::Status CheckNotCopied(const Graph& graph, const std::vector<Layer>& layers, const Selection& selection);

// Fails if a constant that is folded into an encrypted layer (a bias, a batch normalisation's, what is added or
// multiplied) has the values of one that another node reads, and more than one value: exporters merge what is equal,
// and the reader separates it again, but only numbers that all neurons share are equal without being the same. `inside`
// are the nodes of a segment.
absl::Status CheckFoldedNotCopied(const Graph& graph, const std::vector<size_t>& inside);

}  // namespace privdnn
