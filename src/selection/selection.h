// Choice of core neurons and what it is worth.
#pragma once

#include <cstdint>

#include "base/progress.h"
#include "nn/dataset.h"
#include "nn/partition.h"

namespace privdnn {

// Percent of images classified correctly.
struct SelectionAccuracy {
  double original;  // A_o: the whole network
  double
      separated;   // A_s: with the plaintext neurons of quadratic segments reading plaintext neurons only (authorised)
  double removed;  // A_r: zeros in place of what the owner decrypts (unauthorised user)
};

// Floating point, without encryption or quantisation. InvalidArgument if the images don't fit the graph, or for what
// nn::FindSegments refuses. `progress`, if there is one, hears of images, of which each counts three times.
absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images, const ProgressFn& progress = {});

}  // namespace privdnn
