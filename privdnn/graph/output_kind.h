// What the numbers are that a network puts out.
#pragma once

#include <string>

#include "privdnn/graph/graph.h"

namespace privdnn {

enum class OutputKind {
  kClasses,     // (N, classes): scores, of which the largest is the prediction
  kBinary,      // (N, 1): the probability of class 1
  kMultiLabel,  // (N, labels): a probability each, of which none or several may be true
  kRegression,  // (N, values): numbers of their own
  kMap,         // anything else, such as scores for each pixel
};
// "classes", "binary", "multi-label", "regression", "map".
std::string OutputKindName(OutputKind kind);

// Returns the kind of the graph's first output, told by its shape and by what computes it. (N, 1), (N) and (N, 1, 1, 1)
// are binary behind a Sigmoid, else regression. (N, K) and (N, K, 1, 1) are labels behind a Sigmoid, else classes. A
// logit without a Sigmoid can't be told from a regression, nor several regressed values from scores: metadata
// "privdnn.output" (see Graph::metadata) holds what the owner says, and comes first. Fails with InvalidArgument if the
// graph has no output or if that metadata names no kind.
absl::StatusOr<OutputKind> FindOutputKind(const Graph& graph);

// Returns the graph with one output of 2 dimensions, as everything here that counts, chooses or predicts reads it.
// Binary outputs become two classes, (1 - p, p). Logits of binary or multi-label outputs get a Sigmoid. Outputs
// (N, K, 1, 1) and (N) lose or gain dimensions. Other outputs of the graph stay. Sets metadata "privdnn.output" where
// FindOutputKind would not find the kind. Fails with InvalidArgument for a map, or if the output's shape doesn't fit
// the kind.
absl::StatusOr<Graph> WithScores(const Graph& graph, OutputKind kind);

}  // namespace privdnn
