// Rewriting a graph into one that computes the same with less work.
#pragma once

#include "privdnn/graph/graph.h"

namespace privdnn {

// The graph with every BatchNormalization that alone reads the output of a Conv or Gemm folded into new weights and a
// new bias, and without initializers that nothing reads. Outputs differ by float rounding. For execution only:
// what trains, lifts or partitions a graph wants the nodes. An error if the graph is not valid.
absl::StatusOr<Graph> FoldBatchNormalization(const Graph& graph);

}  // namespace privdnn
