// Choice of core neurons and what it is worth.
#pragma once

#include <cstdint>

#include "nn/dataset.h"
#include "nn/partition.h"

namespace privdnn {

// For both layers of the first quadratic segment (nn::FindQuadraticPair), the `count1` and `count2` neurons with the
// largest L2 norm of their weights, biases and what folds into the layers left out; of equal norms the lower index.
// InvalidArgument if a layer has fewer neurons, if count2 is 0, or for what nn::FindSegments refuses.
absl::StatusOr<nn::Selection> SelectByNorm(const nn::Graph& graph, int64_t count1, int64_t count2);

// Percent of images classified correctly.
struct SelectionAccuracy {
  double original;  // A_o: the whole network
  double
      separated;   // A_s: with the plaintext neurons of quadratic segments reading plaintext neurons only (authorised)
  double removed;  // A_r: zeros in place of what the owner decrypts (unauthorised user)
};

// Floating point, without encryption or quantisation. InvalidArgument if the images don't fit the graph, or for what
// nn::FindSegments refuses.
absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images);

}  // namespace privdnn
