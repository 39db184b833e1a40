// Choice of core neurons and what it is worth.
#pragma once

#include <cstdint>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

// Percent of images classified correctly.
struct SelectionAccuracy {
  double original;  // A_o: the whole network
  double
      separated;   // A_s: with the plaintext neurons of quadratic segments reading plaintext neurons only (authorised)
  double removed;  // A_r: zeros in place of what the owner decrypts (unauthorised user)
};

// Floating point, without encryption or quantisation. InvalidArgument if the images don't fit the graph, or for what
// FindSegments refuses. `progress`, if there is one, hears of images, of which each counts three times.
absl::StatusOr<SelectionAccuracy> EvaluateSelection(const Graph& graph, const Selection& selection,
                                                    const ImageSet& images, const ProgressFn& progress = {});

}  // namespace privdnn
