// Private inference with its images spread over ranks. Each rank has its own connection to the owner.
#pragma once

#include <string>
#include <vector>

#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/inference_session.h"
#include "privdnn/ranks/ranks.h"

namespace privdnn {

// What a rank needs to evaluate images. All of it must outlive the calls. `options` must have one repeat and no
// comparison.
struct InferenceSetup {
  InferenceSession& session;
  const ImageSet& images;
  const InferenceOptions& options;
};

// Runs rank 0's side of InferenceSession::Infer. Messages hold the same images as in one process, so the results are
// the same. All times except `wall` are sums over the ranks. `shares` is indexed by rank. If a rank's piece ends early,
// the other ranks end theirs and no new piece begins. `progress` or `go_on` may interrupt while ranks meet or work; the
// pieces in progress are then lost. Returns an error if ranks don't meet.
absl::StatusOr<InferenceResult> InferOnRanks(Ranks& ranks, const InferenceSetup& setup, const ProgressFn& progress,
                                             const GoOnFn& go_on, std::vector<RankShare>& shares);

// Runs the side of every other rank, until rank 0 leaves.
absl::Status ServeInference(Ranks& ranks, const InferenceSetup& setup, const GoOnFn& go_on);

}  // namespace privdnn
