// Takes a set of images through a network, message by message: decides what InferenceSession::Infer asks, and when.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "privdnn/pipeline/inference_session.h"

namespace privdnn {

// One or more passes over the images. A batch of images goes through the network segment by segment, with one message
// for each segment. The next message goes out when the previous answer has arrived. Results go into `result`, which
// NoAnswers made.
class InferencePasses {
 public:
  InferencePasses(const RestNetwork& rest, const ImageSet& images, const InferenceOptions& options,
                  const ProgressFn& progress, InferenceResult& result);

  absl::StatusOr<std::optional<InferenceSession::Question>> Next();
  absl::Status OnAnswer(const InferenceSession::Answer& answer);

 private:
  using Clock = std::chrono::steady_clock;
  struct Batch {
    int pass;
    int64_t first;  // index of the first image
    Tensor images;  // kept only for comparison with the plaintext network
    RestNetwork::Evaluation evaluation;
    size_t segment = 0;  // the batch waits for this segment's answer
  };

  PassTiming& Timing(const Batch& batch) { return result_.passes[static_cast<size_t>(batch.pass)]; }
  Batch StartBatch();
  // Completes a batch after the last segment.
  absl::Status Finish(Batch batch);
  absl::Status RunPlain(Batch& done, PassTiming& timing);

  const RestNetwork& rest_;
  const ImageSet& images_;
  const InferenceOptions& options_;
  const ProgressFn& progress_;
  InferenceResult& result_;
  std::vector<uint64_t> remaining_;  // budget of each segment, as its last answer says
  std::deque<Batch> asked_;          // in the order of their questions
  std::deque<Batch> ready_;          // waiting to ask their next segment
  Clock::time_point start_;
  int pass_ = 0;
  int64_t next_ = 0;
  uint64_t done_ = 0;
};

}  // namespace privdnn
