#include "privdnn/pipeline/inference_passes.h"

#include <algorithm>
#include <map>
#include <utility>

namespace privdnn {
namespace {

double MsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

InferencePasses::InferencePasses(const RestNetwork& rest, const ImageSet& images, const InferenceOptions& options,
                                 const ProgressFn& progress, InferenceResult& result)
    : rest_(rest),
      images_(images),
      options_(options),
      progress_(progress),
      result_(result),
      remaining_(rest.num_segments(), UINT64_MAX) {}

absl::StatusOr<std::optional<InferenceSession::Question>> InferencePasses::Next() {
  using Question = InferenceSession::Question;
  if (options_.repeats > 1 && !asked_.empty()) return std::optional<Question>();  // one at a time, for its timing
  if (ready_.empty() && pass_ == options_.repeats) return std::optional<Question>();
  Batch batch = ready_.empty() ? StartBatch() : std::move(ready_.front());
  if (!ready_.empty()) ready_.pop_front();
  const auto begin = Clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(Tensor feed, rest_.Feed(batch.segment, batch.evaluation));
  Timing(batch).rest += MsSince(begin);
  const size_t segment = batch.segment;
  asked_.push_back(std::move(batch));
  return Question{segment, std::move(feed.values)};
}

absl::Status InferencePasses::OnAnswer(const InferenceSession::Answer& answer) {
  Batch batch = std::move(asked_.front());
  asked_.pop_front();
  PassTiming& timing = Timing(batch);
  timing.encrypted += answer.encrypted_ms;
  timing.encrypted_cpu += answer.encrypted_cpu_ms;
  timing.owner += answer.owner_ms;
  remaining_[batch.segment] = answer.images_remaining;
  result_.images_remaining = std::ranges::min(remaining_);
  if (batch.pass == 0) {
    result_.bytes_up += answer.bytes_up;
    result_.bytes_down += answer.bytes_down;
    result_.clamping[batch.segment] += answer.clamping;
    if (options_.outputs) {
      const auto per_image = static_cast<int64_t>(answer.outputs.size()) / batch.evaluation.images;
      std::ranges::copy(answer.outputs, result_.outputs[batch.segment].begin() + batch.first * per_image);
    }
  }
  const auto begin = Clock::now();
  rest_.Provide(batch.segment, answer.outputs, batch.evaluation);
  timing.rest += MsSince(begin);
  if (++batch.segment < rest_.num_segments()) {
    ready_.push_back(std::move(batch));
    return absl::OkStatus();
  }
  return Finish(std::move(batch));
}

InferencePasses::Batch InferencePasses::StartBatch() {
  if (next_ == 0) start_ = Clock::now();
  const int64_t end = std::min(next_ + options_.batch, images_.count);
  Tensor images = images_.Batch(next_, end);
  Batch batch{pass_, next_, options_.plain ? images : Tensor(), rest_.Start(std::move(images)), 0};
  next_ = end == images_.count ? 0 : end;
  pass_ += next_ == 0;
  return batch;
}

absl::Status InferencePasses::Finish(Batch batch) {
  PassTiming& timing = Timing(batch);
  const auto begin = Clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor scores, rest_.Scores(batch.evaluation));
  timing.rest += MsSince(begin);
  done_ += static_cast<uint64_t>(batch.evaluation.images);
  if (done_ % static_cast<uint64_t>(images_.count) == 0) timing.wall = MsSince(start_);
  if (batch.pass == 0) {
    std::ranges::copy(Argmax(scores), result_.predictions.begin() + batch.first);
    if (options_.scores) std::ranges::copy(scores.values, result_.scores.begin() + batch.first * rest_.columns());
  }
  if (options_.plain) PRIVDNN_RETURN_IF_ERROR(RunPlain(batch, timing));  // behind the answers, which were paid for
  const uint64_t total = static_cast<uint64_t>(images_.count) * static_cast<uint64_t>(options_.repeats);
  if (!Proceeds(progress_, done_, total, fmt::format("{} of {} images", done_, total)))
    return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

absl::Status InferencePasses::RunPlain(Batch& done, PassTiming& timing) {
  const std::vector<int64_t>& shape = options_.plain->shape;
  done.images.shape.resize(1);
  done.images.shape.insert(done.images.shape.end(), shape.begin(), shape.end());
  std::map<std::string, Tensor> inputs;
  inputs.emplace(options_.plain->input, std::move(done.images));
  const auto begin = Clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(const auto scores, options_.plain->executor.Run(inputs));
  timing.plain += MsSince(begin);
  if (done.pass > 0) return absl::OkStatus();
  std::ranges::copy(Argmax(scores.at(options_.plain->output)), result_.plain.begin() + done.first);
  return absl::OkStatus();
}

}  // namespace privdnn
