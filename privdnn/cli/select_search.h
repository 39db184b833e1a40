// Runs what `privdnn select` is asked for.
#pragma once

#include "privdnn/cli/select_options.h"
#include "privdnn/selection/ranked_source.h"

namespace privdnn {

// The images in a random order from the seed, `count` of them (0: all). InvalidArgument if there are fewer.
absl::StatusOr<ImageSet> DrawImages(const ImageSet& images, int64_t count, uint64_t seed);

// What was asked for, with the numbers that depend on the network, and what came of it.
struct Selected {
  SearchOptions options;
  SearchResult result;
  absl::Status not_written;  // why --all-results are in no file
  // The best candidate's, image by image.
  // With several ranks: (candidate, image) pairs that each evaluated.
  std::vector<uint64_t> rank_pairs;
};

// What outcomes depend on, in a line.
std::string Identity(const Graph& graph, const Evaluator& evaluator);

// `graph` is what the evaluator was made of; `ranks`, of which this is rank 0, share the work (nullptr: none do).
absl::StatusOr<Selected> RunSelect(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator,
                                   Ranks* ranks);

}  // namespace privdnn
