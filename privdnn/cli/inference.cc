#include "privdnn/cli/inference.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <deque>

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;
double MsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Milliseconds of processor time that this process has used.
double CpuMs() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

// The state of one or more passes over the images, as a stream of messages. A batch of images goes through the network
// segment by segment: a message for each, sent when the reply to the one before has come.
class Passes {
 public:
  Passes(const User& user, const RestNetwork& rest, const ImageSet& images, const InferenceOptions& options,
         const ProgressFn& progress, InferenceResult& result)
      : user_(user), rest_(rest), images_(images), options_(options), progress_(progress), result_(result) {
    result_ = NoAnswers(user, images.count, options);
    remaining_.resize(user.num_segments(), UINT64_MAX);
  }

  absl::StatusOr<std::optional<Bytes>> NextQuery() {
    if (ready_.empty() && pass_ == options_.repeats) return std::optional<Bytes>();
    Batch batch = ready_.empty() ? StartBatch() : std::move(ready_.front());
    if (!ready_.empty()) ready_.pop_front();
    PassTiming& timing = Timing(batch);
    auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, rest_.Feed(batch.segment, batch.evaluation));
    timing.rest += MsSince(begin);
    begin = Clock::now();
    const double cpu = CpuMs();
    PRIVDNN_ASSIGN_OR_RETURN(batch.query,
                             user_.Prepare(batch.segment, feed.values, random_, workspace_, options_.threads));
    timing.encrypted += MsSince(begin);
    timing.encrypted_cpu += CpuMs() - cpu;
    if (batch.pass == 0) result_.bytes_up += batch.query.message.size();
    Bytes message = std::move(batch.query.message);
    asked_.push_back(std::move(batch));
    return std::optional<Bytes>(std::move(message));
  }

  absl::Status OnReply(const Bytes& reply, const ReplyInfo& info) {
    Batch batch = std::move(asked_.front());
    asked_.pop_front();
    PassTiming& timing = Timing(batch);
    auto begin = Clock::now();
    const double cpu = CpuMs();
    PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> outputs, user_.Unmask(batch.query, reply));
    timing.encrypted += MsSince(begin);
    timing.encrypted_cpu += CpuMs() - cpu;
    timing.owner += static_cast<double>(info.owner_compute_ns) * 1e-6;
    remaining_[batch.segment] = info.images_remaining;
    result_.images_remaining = std::ranges::min(remaining_);
    if (batch.pass == 0) {
      result_.bytes_down += reply.size();
      if (options_.outputs) {
        const auto per_image = static_cast<int64_t>(outputs.size()) / batch.evaluation.images;
        std::ranges::copy(outputs, result_.outputs[batch.segment].begin() + batch.first * per_image);
      }
    }
    begin = Clock::now();
    rest_.Provide(batch.segment, outputs, batch.evaluation);
    timing.rest += MsSince(begin);
    if (++batch.segment < user_.num_segments()) {
      ready_.push_back(std::move(batch));
      return absl::OkStatus();
    }
    return Finish(std::move(batch));
  }

 private:
  struct Batch {
    int pass;
    int64_t first;  // image
    Tensor images;  // kept for comparison with the plaintext network only
    RestNetwork::Evaluation evaluation;
    size_t segment = 0;  // whose reply it waits for
    PreparedQuery query;
  };

  PassTiming& Timing(const Batch& batch) { return result_.passes[static_cast<size_t>(batch.pass)]; }

  Batch StartBatch() {
    if (next_ == 0) start_ = Clock::now();
    const int64_t end = std::min(next_ + options_.batch, images_.count);
    Tensor images = images_.Batch(next_, end);
    Batch batch{pass_, next_, options_.plain ? images : Tensor(), rest_.Start(std::move(images)), 0, {}};
    next_ = end == images_.count ? 0 : end;
    pass_ += next_ == 0;
    return batch;
  }

  // Behind the last segment.
  absl::Status Finish(Batch batch) {
    PassTiming& timing = Timing(batch);
    const auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor scores, rest_.Scores(batch.evaluation));
    timing.rest += MsSince(begin);
    done_ += static_cast<uint64_t>(batch.evaluation.images);
    if (done_ % static_cast<uint64_t>(images_.count) == 0) timing.wall = MsSince(start_);
    if (options_.plain) PRIVDNN_RETURN_IF_ERROR(RunPlain(batch, timing));
    if (batch.pass == 0) {
      std::ranges::copy(Argmax(scores), result_.predictions.begin() + batch.first);
    }
    const uint64_t total = static_cast<uint64_t>(images_.count) * static_cast<uint64_t>(options_.repeats);
    if (!progress_(done_, total, fmt::format("{} of {} images", done_, total)))
      return absl::CancelledError("interrupted");
    return absl::OkStatus();
  }

  absl::Status RunPlain(const Batch& done, PassTiming& timing) {
    std::map<std::string, Tensor> inputs;
    inputs.emplace(options_.plain_input, done.images);
    const auto begin = Clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const auto scores, options_.plain->Run(inputs));
    timing.plain += MsSince(begin);
    if (done.pass > 0) return absl::OkStatus();
    std::ranges::copy(Argmax(scores.at(options_.plain_output)), result_.plain.begin() + done.first);
    return absl::OkStatus();
  }

  const User& user_;
  const RestNetwork& rest_;
  const ImageSet& images_;
  const InferenceOptions& options_;
  const ProgressFn& progress_;
  InferenceResult& result_;
  SystemRandom random_;
  User::Workspace workspace_;
  std::vector<uint64_t> remaining_;  // of each segment's budget, as its last reply says
  std::deque<Batch> asked_;          // in the order of their queries
  std::deque<Batch> ready_;          // for their next segment
  Clock::time_point start_;
  int pass_ = 0;
  int64_t next_ = 0;
  uint64_t done_ = 0;
};

}  // namespace

absl::StatusOr<TlsFiles> LoadUserTls(const std::string& directory, const std::string& user) {
  auto files = LoadTlsFiles(directory, user);
  std::error_code ignored;
  if (!absl::IsNotFound(files.status()) || !std::filesystem::exists(directory + "/ca.crt", ignored)) return files;
  return NotFound("{}; --user says whose certificate it is, here {}", Message(files.status()), user);
}

absl::Status CheckImages(const ImageSet& images, const RestNetwork& rest) {
  const std::vector<int64_t>& shape = rest.image_shape();
  if (shape == std::vector<int64_t>{images.channels, images.height, images.width}) return absl::OkStatus();
  return InvalidArgument("images are {}x{}x{}, the package's network reads {}", images.channels, images.height,
                         images.width, fmt::join(shape, "x"));
}

absl::StatusOr<OwnerTerms> AskTerms(const User& user, Client& client, const std::string& address) {
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerDescription owner, client.Describe());
  const std::string id = HexEncode(user.package().id());
  const auto offer = std::ranges::find(owner.packages, id, &PackageDescription::id);
  OwnerTerms terms;
  if (offer != owner.packages.end()) {  // if it isn't, Evaluate will say so
    terms.output_noise = offer->output_noise;
    terms.images_remaining = offer->images_remaining;
  }
  auto most = std::min(int64_t{kMaxImagesPerMessage}, static_cast<int64_t>(owner.max_images_per_message));
  uint64_t needed = 0;
  for (size_t k = 0; k < user.num_segments(); ++k) {
    const auto fits = [&](int64_t n) {
      const auto count = static_cast<uint64_t>(n);
      return user.sizes(k).query(count) <= owner.max_message_bytes &&
             user.sizes(k).reply(count) <= owner.max_message_bytes;
    };
    while (most > 0 && !fits(most)) --most;
    needed = std::max(needed, user.sizes(k).query(1));
  }
  terms.most_images = most;
  if (most > 0) return terms;
  return FailedPrecondition("{}: takes messages of {} bytes, one image needs {}", address, owner.max_message_bytes,
                            needed);
}

int64_t CountAnswered(const InferenceResult& result) {
  return std::ranges::count_if(result.predictions, [](int32_t label) { return label != kNoPrediction; });
}

InferenceResult NoAnswers(const User& user, int64_t images, const InferenceOptions& options) {
  const auto count = static_cast<size_t>(images);
  InferenceResult result;
  result.predictions.assign(count, kNoPrediction);
  if (options.plain) result.plain.assign(count, kNoPrediction);
  for (size_t k = 0; options.outputs && k < user.num_segments(); ++k) {
    result.outputs.emplace_back(count * user.segment(k).geometry.spec().values_per_image(), kNoOutput);
  }
  result.passes.resize(static_cast<size_t>(options.repeats));
  return result;
}

InferenceResult InferWithOwner(const User& user, const RestNetwork& rest, Client& client, const ImageSet& images,
                               const InferenceOptions& options, const ProgressFn& progress) {
  InferenceResult result;
  Passes passes(user, rest, images, options, progress, result);
  result.ended = client.Evaluate(
      HexEncode(user.package().id()), [&] { return passes.NextQuery(); },
      [&](uint64_t, const Bytes& reply, const ReplyInfo& info) { return passes.OnReply(reply, info); },
      options.deadline);
  return result;
}

}  // namespace privdnn
