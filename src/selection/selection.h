// Choice of core neurons and what it is worth.
#pragma once

#include <cstdint>

#include "nn/dataset.h"
#include "nn/partition.h"

namespace privdnn {

// For both core layers of the first quadratic segment, the `count1` and `count2` filters with the largest L2 norm of
// their weights, biases and batch normalisation left out; of equal norms the lower index. InvalidArgument if a layer
// has fewer neurons, or for what nn::CheckSelection refuses.
absl::StatusOr<nn::Selection> SelectByNorm(const nn::Graph& graph, int64_t count1, int64_t count2);

// Percent of images classified correctly.
struct SelectionAccuracy {
  double original;   // A_o: the whole network
  double separated;  // A_s: plaintext layer-2 neurons read plaintext layer-1 neurons only (authorised user)
  double removed;    // A_r: zeros in place of the core layer-2 neurons (unauthorised user)
};

// Floating point, without encryption or quantisation. InvalidArgument if the images don't fit the graph.
absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images);

}  // namespace privdnn
