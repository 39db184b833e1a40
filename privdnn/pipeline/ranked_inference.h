// Private inference whose images are spread over ranks, each with a connection of its own to the owner.
#pragma once

#include <string>
#include <vector>

#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/inference_session.h"
#include "privdnn/ranks/ranks.h"

namespace privdnn {

// What a rank needs to evaluate images; all must outlive the calls. `options` has one repeat and no comparison.
struct InferenceSetup {
  InferenceSession& session;
  const ImageSet& images;
  const InferenceOptions& options;
};

// Rank 0's side of InferenceSession::Infer: messages hold the same images as in one process, so that results are the
// same. Times but `wall` are sums over the ranks. `shares`: by rank. If a rank's piece ends early, the others end
// theirs, and no more are begun. An interruption, asked for by `progress` or by `go_on` while ranks meet or work, loses
// the pieces in progress. An error if ranks don't meet.
absl::StatusOr<InferenceResult> InferOnRanks(Ranks& ranks, const InferenceSetup& setup, const ProgressFn& progress,
                                             const GoOnFn& go_on, std::vector<RankShare>& shares);

// The other ranks' side, until rank 0 leaves.
absl::Status ServeInference(Ranks& ranks, const InferenceSetup& setup, const GoOnFn& go_on);

}  // namespace privdnn
