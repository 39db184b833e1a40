// Rewrites a graph into one that computes the same with less work.
#pragma once

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns the graph with BatchNormalization nodes folded into new weights and a new bias, where the node is the only
// reader of a Conv's or Gemm's output. Removes initializers that nothing reads. Outputs differ by float rounding. For
// execution only: training, lifting and partitioning need the original nodes. Fails if the graph is not valid.
absl::StatusOr<Graph> FoldBatchNormalization(const Graph& graph);

}  // namespace privdnn
