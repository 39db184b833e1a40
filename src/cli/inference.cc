#include "cli/inference.h"

#include <algorithm>
#include <chrono>
#include <deque>

namespace privdnn::cli {
namespace {

using Clock = std::chrono::steady_clock;
double MsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The state of one or more passes over the images, as a stream of messages.
class Passes {
 public:
  Passes(const User& user, const RestNetwork& rest, const nn::ImageSet& images, const InferenceOptions& options,
         const ProgressFn& progress, InferenceResult& result)
      : user_(user), rest_(rest), images_(images), options_(options), progress_(progress), result_(result) {
    result_.passes.resize(static_cast<size_t>(options.repeats));
  }

  absl::StatusOr<std::optional<Bytes>> NextQuery() {
    if (pass_ == options_.repeats) return std::optional<Bytes>();
    if (next_ == 0) start_ = Clock::now();
    const int64_t end = std::min(next_ + options_.batch, images_.count);
    Pending pending{pass_, next_, images_.Batch(next_, end), {}};
    const auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(pending.query,
                             user_.Prepare(pending.images.values, random_, workspace_, options_.threads));
    result_.passes[static_cast<size_t>(pass_)].encrypted += MsSince(begin);
    if (pass_ == 0) result_.bytes_up += pending.query.message.size();
    Bytes message = std::move(pending.query.message);
    pending_.push_back(std::move(pending));
    next_ = end == images_.count ? 0 : end;
    pass_ += next_ == 0;
    return std::optional<Bytes>(std::move(message));
  }

  absl::Status OnReply(const Bytes& reply, const ReplyInfo& info) {
    Pending done = std::move(pending_.front());
    pending_.pop_front();
    PassTiming& timing = result_.passes[static_cast<size_t>(done.pass)];
    auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> outputs, user_.Unmask(done.query, reply));
    timing.encrypted += MsSince(begin);
    timing.owner += static_cast<double>(info.owner_compute_ns) * 1e-6;
    begin = Clock::now();
    const int64_t count = done.images.dim(0);
    PRIVDNN_ASSIGN_OR_RETURN(const nn::Tensor scores, rest_.Run(done.images, user_.Dequantize(outputs)));
    timing.rest += MsSince(begin);
    if (done.first + count == images_.count) timing.wall = MsSince(start_);
    if (options_.plain) PRIVDNN_RETURN_IF_ERROR(RunPlain(done, timing));
    if (done.pass == 0) {
      result_.bytes_down += reply.size();
      result_.outputs.insert(result_.outputs.end(), outputs.begin(), outputs.end());
      const auto labels = nn::Argmax(scores);
      result_.predictions.insert(result_.predictions.end(), labels.begin(), labels.end());
    }
    result_.images_remaining = info.images_remaining;
    done_ += static_cast<uint64_t>(count);
    const uint64_t total = static_cast<uint64_t>(images_.count) * static_cast<uint64_t>(options_.repeats);
    if (!progress_(done_, total, fmt::format("{} of {} images", done_, total)))
      return absl::CancelledError("interrupted");
    return absl::OkStatus();
  }

 private:
  struct Pending {
    int pass;
    int64_t first;
    nn::Tensor images;
    PreparedQuery query;
  };

  absl::Status RunPlain(const Pending& done, PassTiming& timing) {
    std::map<std::string, nn::Tensor> inputs;
    inputs.emplace(options_.plain_input, done.images);
    const auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const auto scores, options_.plain->Run(inputs));
    timing.plain += MsSince(begin);
    if (done.pass > 0) return absl::OkStatus();
    const auto labels = nn::Argmax(scores.at(options_.plain_output));
    result_.plain.insert(result_.plain.end(), labels.begin(), labels.end());
    return absl::OkStatus();
  }

  const User& user_;
  const RestNetwork& rest_;
  const nn::ImageSet& images_;
  const InferenceOptions& options_;
  const ProgressFn& progress_;
  InferenceResult& result_;
  SystemRandom random_;
  User::Workspace workspace_;
  std::deque<Pending> pending_;
  Clock::time_point start_;
  int pass_ = 0;
  int64_t next_ = 0;
  uint64_t done_ = 0;
};

}  // namespace

absl::StatusOr<InferenceResult> InferWithOwner(const User& user, const RestNetwork& rest, Client& client,
                                               const nn::ImageSet& images, const InferenceOptions& options,
                                               const ProgressFn& progress) {
  InferenceResult result;
  Passes passes(user, rest, images, options, progress, result);
  const absl::Status status = client.Evaluate(
      HexEncode(user.package().id()), [&] { return passes.NextQuery(); },
      [&](uint64_t, const Bytes& reply, const ReplyInfo& info) { return passes.OnReply(reply, info); });
  PRIVDNN_RETURN_IF_ERROR(status);
  return result;
}

absl::StatusOr<std::vector<int32_t>> InferOffline(const User& user, const RestNetwork& rest, const nn::ImageSet& images,
                                                  int64_t batch) {
  std::vector<int32_t> predictions;
  const Geometry& g = user.package().geometry();
  for (int64_t first = 0; first < images.count; first += batch) {
    const int64_t end = std::min(first + batch, images.count);
    auto zeros = nn::Tensor::Zeros({end - first, g.spec().outputs, g.output().h, g.output().w});
    PRIVDNN_ASSIGN_OR_RETURN(const nn::Tensor scores, rest.Run(images.Batch(first, end), std::move(zeros)));
    const auto labels = nn::Argmax(scores);
    predictions.insert(predictions.end(), labels.begin(), labels.end());
  }
  return predictions;
}

}  // namespace privdnn::cli
