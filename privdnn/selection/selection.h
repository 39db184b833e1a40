// Measures what a choice of core neurons achieves.
#pragma once

#include <cstdint>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

// Percent of images classified correctly.
struct SelectionAccuracy {
  double original;   // A_o: the whole network
  double separated;  // A_s, authorised user: plaintext neurons of quadratic segments read only such neurons
  double removed;    // A_r: zeros in place of what the owner decrypts (unauthorised user)
};

// Measures in floating point, without encryption or quantisation. Fails with InvalidArgument if the images don't fit
// the graph, and with the errors of FindSegments. `progress`, if given, counts images; each counts three times.
absl::StatusOr<SelectionAccuracy> EvaluateSelection(const Graph& graph, const Selection& selection,
                                                    const ImageSet& images, const ProgressFn& progress = {});

}  // namespace privdnn
