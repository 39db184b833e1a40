// A network as training takes it.
#pragma once

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns a network of class scores in the form in which it can be trained further: it reads pictures of `picture`,
// (C, H, W), which are reshaped if it reads as many numbers in another shape; and it gives logits, (N, classes), in
// place of their Softmax, or (0, z) in place of the two probabilities (1 - p, p), p = Sigmoid(z), that WithScores makes
// of a binary output. Layers keep their numbers. Fails with InvalidArgument if a picture doesn't have as many numbers
// as an input.
absl::StatusOr<Graph> Trainable(const Graph& graph, const std::vector<int64_t>& picture);

}  // namespace privdnn
