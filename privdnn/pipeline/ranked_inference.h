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

// Returns the images of a message.
int64_t MessageImages(const InferenceSetup& setup);
// Says what results depend on: package, images, options. Not on the size of messages, which the owner may change.
std::string Identity(const InferenceSetup& setup);

// Write and read the result on a piece of the images, and the milliseconds that it took. `all` is a result on all
// images, which says what outputs there are. Reading fails with InvalidArgument if the bytes don't fit `images` images.
Bytes WriteResult(const InferenceResult& result, double ms);
absl::StatusOr<InferenceResult> ReadResult(std::span<const uint8_t> bytes, int64_t images, const InferenceResult& all,
                                           double& ms);
// Puts the result on some images into that on all, of which the first of them is `begin`. Leaves out the wall time.
void Place(const InferenceResult& part, int64_t begin, InferenceResult& all);

// Runs rank 0's side of InferenceSession::Infer. Messages hold the same images as in one process, so the results are
// the same. All times except `wall` are sums over the ranks. `shares` is indexed by rank. If a rank's piece ends early,
// the other ranks end theirs and no new piece begins. `progress` or `go_on` may interrupt while ranks meet or work; the
// pieces in progress are then lost. Returns an error if ranks don't meet.
absl::StatusOr<InferenceResult> InferOnRanks(Ranks& ranks, const InferenceSetup& setup, const ProgressFn& progress,
                                             const GoOnFn& go_on, std::vector<RankShare>& shares);

// Runs the side of every other rank, until rank 0 leaves.
absl::Status ServeInference(Ranks& ranks, const InferenceSetup& setup, const GoOnFn& go_on);

}  // namespace privdnn
