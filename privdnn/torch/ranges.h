// Measures on images what values a network's inner tensors take, for quantising the inputs of segments.
#pragma once

#include <string>
#include <vector>

#include "privdnn/data/dataset.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct ValueRange {
  float min = 0, max = 0;
};

// Returns the smallest and the largest element of each value over all images. Fails with InvalidArgument if a value
// isn't in the graph or the images don't fit its one input.
absl::StatusOr<std::vector<ValueRange>> MeasureRanges(const Graph& graph, const std::vector<std::string>& values,
                                                      const ImageSet& images);

}  // namespace privdnn
