// Private inference whose images are spread over ranks, each with a connection of its own to the owner.
#pragma once

#include "privdnn/cli/inference.h"
#include "privdnn/ranks/ranks.h"

namespace privdnn {

// What one rank did.
struct RankShare {
  std::string host;
  int64_t images = 0;
  double ms = 0;  // in which it had images
};

// What a rank needs to evaluate images; all must outlive the calls. `options` has one repeat and no comparison.
struct InferenceSetup {
  const User& user;
  const RestNetwork& rest;
  Client& client;
  const ImageSet& images;
  const InferenceOptions& options;
};

// Rank 0's side of InferWithOwner: messages hold the same images as in one process, so that results are the same.
// Times but `wall` are sums over the ranks. `shares`: by rank. If a rank's piece ends early, the others end theirs, and
// no more are begun. An interruption loses the pieces in progress. An error if ranks don't meet.
absl::StatusOr<InferenceResult> InferOnRanks(Ranks& ranks, const InferenceSetup& setup, const ProgressFn& progress,
                                             std::vector<RankShare>& shares);

// The other ranks' side, until rank 0 leaves.
absl::Status ServeInference(Ranks& ranks, const InferenceSetup& setup);

}  // namespace privdnn
