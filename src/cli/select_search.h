// Runs what `privdnn select` is asked for.
#pragma once

#include "cli/select_options.h"

namespace privdnn::cli {

// The images in a random order from the seed, `count` of them (0: all). InvalidArgument if there are fewer.
absl::StatusOr<nn::ImageSet> DrawImages(const nn::ImageSet& images, int64_t count, uint64_t seed);

// What was asked for, with the numbers that depend on the network, and what came of it.
struct Selected {
  SearchOptions options;
  SearchResult result;
  // The best candidate's, image by image.
  Outcome outcome;
};

// `graph` is what the evaluator was made of.
absl::StatusOr<Selected> RunSelect(const SelectCommand& command, const nn::Graph& graph, const Evaluator& evaluator);

}  // namespace privdnn::cli
