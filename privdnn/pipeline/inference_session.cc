#include "privdnn/pipeline/inference_session.h"

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "privdnn/base/random.h"
#include "privdnn/pipeline/inference_passes.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

// Of Ask, so that a message's polynomials stay in the caches.
constexpr int64_t kAskedAtOnce = 64;

// Adds the wall time and this process's processor time of its life to two sums, in milliseconds.
class Stopwatch {
 public:
  Stopwatch(double& wall, double& cpu) : wall_(wall), cpu_(cpu), start_(Clock::now()), cpu_start_(CpuMs()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    wall_ += std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
    cpu_ += CpuMs() - cpu_start_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double CpuMs() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
  }
  double &wall_, &cpu_;
  Clock::time_point start_;
  double cpu_start_;
};

// As many images as may go through the plaintext rest at a time.
absl::StatusOr<int64_t> MostInMemory(const RestNetwork& rest, uint64_t package_bytes, uint64_t allowed) {
  constexpr uint64_t kLeast = uint64_t{256} << 20, kTimes = 64;
  if (allowed == 0) {
    uint64_t image_bytes = sizeof(float);  // no more than bytes_per_image
    for (const int64_t side : rest.image_shape()) image_bytes *= static_cast<uint64_t>(side);
    allowed = std::max(kLeast, kTimes * (package_bytes + image_bytes));
  }
  const uint64_t needed = std::max(rest.bytes_per_image(), uint64_t{1});
  if (needed > allowed) {
    return absl::OutOfRangeError(fmt::format(
        "package: plaintext model: the values of one image take {} MiB, allowed are {} MiB for a package of {} bytes",
        needed >> 20, allowed >> 20, package_bytes));
  }
  return static_cast<int64_t>(std::min(allowed / needed, uint64_t{kMaxImagesPerMessage}));
}

absl::Status NoOwner() { return FailedPrecondition("the session has no owner to ask"); }

}  // namespace

absl::StatusOr<PlainNetwork> PlainNetwork::Create(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(Executor executor, Executor::Create(graph));
  const ValueInfo& input = graph.inputs[0];
  return PlainNetwork{
      std::move(executor), input.name, graph.outputs[0].name, {input.shape.begin() + 1, input.shape.end()}};
}

absl::Status CheckImages(const ImageSet& images, const RestNetwork& rest) {
  if (IsSameInput(images.Shape(), rest.image_shape())) return absl::OkStatus();
  return InvalidArgument("images are {}, the package's network reads {}", fmt::join(images.Shape(), "x"),
                         fmt::join(rest.image_shape(), "x"));
}

int64_t CountAnswered(const InferenceResult& result) {
  return std::ranges::count_if(result.predictions, [](int32_t label) { return label != kNoPrediction; });
}

absl::StatusOr<InferenceSession> InferenceSession::Open(Package package, std::unique_ptr<OwnerTransport> owner,
                                                        const SessionOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(RestNetwork rest, RestNetwork::Create(package));
  malloc_trim(0);  // the model as it was read, before as much again is needed for the kernels
  if (options.images) PRIVDNN_RETURN_IF_ERROR(CheckImages(*options.images, rest));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t most, MostInMemory(rest, package.size(), options.max_value_bytes));
  PRIVDNN_ASSIGN_OR_RETURN(User user, User::Create(std::move(package), options.threads));
  InferenceSession session(std::move(user), std::move(rest), std::move(owner), options.threads, most);
  if (session.owner_) PRIVDNN_RETURN_IF_ERROR(session.AskTerms().status());
  return session;
}

absl::StatusOr<InferenceSession> InferenceSession::Open(const std::filesystem::path& package,
                                                        std::unique_ptr<OwnerTransport> owner,
                                                        const SessionOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(Package opened, Package::Open(package));
  return Open(std::move(opened), std::move(owner), options);
}

absl::StatusOr<OwnerTerms> InferenceSession::AskTerms() {
  if (!owner_) return NoOwner();
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerDescription owner, owner_->Describe());
  const std::string id = HexEncode(user_.package().id());
  const auto offer = std::ranges::find(owner.packages, id, &PackageDescription::id);
  OwnerTerms terms;
  if (offer != owner.packages.end()) {  // if it isn't, Evaluate will say so
    terms.output_noise = offer->output_noise;
    terms.images_remaining = offer->images_remaining;
  }
  auto most = static_cast<int64_t>(std::min(static_cast<uint64_t>(most_in_memory_), owner.max_images_per_message));
  uint64_t needed = 0;
  for (size_t k = 0; k < user_.num_segments(); ++k) {
    const auto fits = [&](int64_t n) {
      const auto count = static_cast<uint64_t>(n);
      return user_.layout(k).query(count) <= owner.max_message_bytes &&
             user_.layout(k).reply(count) <= owner.max_message_bytes;
    };
    while (most > 0 && !fits(most)) --most;
    needed = std::max(needed, user_.layout(k).query(1));
  }
  terms.most_images = most;
  if (most < 1) {
    return FailedPrecondition("{}: takes messages of {} bytes, one image needs {}", owner_->address(),
                              owner.max_message_bytes, needed);
  }
  terms_ = terms;
  return terms;
}

absl::Status InferenceSession::CheckBudget(int64_t images, int repeats) const {
  if (images < 0 || repeats < 0) {
    return InvalidArgument("{} images, {} times: neither may be negative", images, repeats);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t needed,
                           CheckedMul(static_cast<uint64_t>(images), static_cast<uint64_t>(repeats)));
  if (!terms_.images_remaining || needed <= *terms_.images_remaining) return absl::OkStatus();
  return FailedPrecondition("{} images are left of the package's budget, {} were to be asked", *terms_.images_remaining,
                            needed);
}

absl::Status InferenceSession::Converse(const NextQuestionFn& next, const OnAnswerFn& on_answer,
                                        std::chrono::milliseconds deadline) {
  if (!owner_) return NoOwner();
  struct Asked {
    PreparedQuery query;
    Answer answer;
  };
  std::deque<Asked> asked;  // in the order of their queries
  SystemRandom random;
  const auto next_query = [&]() -> absl::StatusOr<std::optional<Bytes>> {
    PRIVDNN_ASSIGN_OR_RETURN(const std::optional<Question> question, next());
    if (!question) return std::optional<Bytes>();
    Asked& latest = asked.emplace_back();
    const Stopwatch watch(latest.answer.encrypted_ms, latest.answer.encrypted_cpu_ms);
    PRIVDNN_ASSIGN_OR_RETURN(latest.query,
                             user_.Prepare(question->segment, question->inputs, random, workspace_, threads_));
    latest.answer.bytes_up = latest.query.message.size();
    latest.answer.clamping = latest.query.clamping;
    return std::optional<Bytes>(std::move(latest.query.message));
  };
  const auto on_reply = [&](uint64_t, const Bytes& reply, const ReplyInfo& info) -> absl::Status {
    Asked first = std::move(asked.front());
    asked.pop_front();
    Answer& answer = first.answer;
    {
      const Stopwatch watch(answer.encrypted_ms, answer.encrypted_cpu_ms);
      PRIVDNN_ASSIGN_OR_RETURN(answer.outputs, user_.Unmask(first.query, reply));
    }
    answer.bytes_down = reply.size();
    answer.owner_ms = static_cast<double>(info.owner_compute_ns) * 1e-6;
    answer.images_remaining = info.images_remaining;
    return on_answer(std::move(answer));
  };
  return owner_->Evaluate(HexEncode(user_.package().id()), next_query, on_reply, deadline);
}

absl::StatusOr<std::vector<int64_t>> InferenceSession::Ask(size_t k, std::span<const float> inputs, const GoOnFn& go_on,
                                                           std::chrono::milliseconds deadline) {
  const size_t message = static_cast<size_t>(std::min(terms_.most_images, kAskedAtOnce)) * user_.input_size(k);
  std::vector<int64_t> outputs;
  const auto next = [&]() -> absl::StatusOr<std::optional<Question>> {
    if (inputs.empty()) return std::optional<Question>();
    const auto batch = inputs.first(std::min(message, inputs.size()));
    inputs = inputs.subspan(batch.size());
    return Question{k, {batch.begin(), batch.end()}};
  };
  const auto on_answer = [&](const Answer& answer) {
    outputs.insert(outputs.end(), answer.outputs.begin(), answer.outputs.end());
    return GoesOn(go_on) ? absl::OkStatus() : absl::CancelledError("interrupted");
  };
  PRIVDNN_RETURN_IF_ERROR(Converse(next, on_answer, deadline));
  return outputs;
}

InferenceResult InferenceSession::NoAnswers(int64_t images, const InferenceOptions& options) const {
  const auto count = static_cast<size_t>(images);
  InferenceResult result;
  result.predictions.assign(count, kNoPrediction);
  if (options.plain) result.plain.assign(count, kNoPrediction);
  if (options.scores) result.scores.assign(count * static_cast<size_t>(rest_.columns()), kNoScore);
  result.clamping.resize(user_.num_segments());
  for (size_t k = 0; options.outputs && k < user_.num_segments(); ++k) {
    result.outputs.emplace_back(count * user_.segment(k).geometry.spec().values_per_image(), kNoOutput);
  }
  result.passes.resize(static_cast<size_t>(options.repeats));
  return result;
}

InferenceResult InferenceSession::Infer(const ImageSet& images, const InferenceOptions& options,
                                        const ProgressFn& progress) {
  if (options.batch < 1 || options.repeats < 1) {
    InferenceResult result = NoAnswers(images.count, {.repeats = 0});
    result.ended =
        InvalidArgument("batch is {} and repeats are {}, both must be at least 1", options.batch, options.repeats);
    return result;
  }
  InferenceResult result = NoAnswers(images.count, options);
  result.ended = CheckImages(images, rest_);
  if (options.plain && !IsSameInput(images.Shape(), options.plain->shape)) {
    result.ended = InvalidArgument("images are {}, the plaintext network reads {}", fmt::join(images.Shape(), "x"),
                                   fmt::join(options.plain->shape, "x"));
  }
  if (!result.ended.ok()) return result;
  InferenceOptions bounded = options;
  bounded.batch = std::min(options.batch, terms_.most_images);
  InferencePasses passes(rest_, images, bounded, progress, result);
  result.ended = Converse([&] { return passes.Next(); }, [&](const Answer& answer) { return passes.OnAnswer(answer); },
                          options.deadline);
  return result;
}

absl::StatusOr<std::vector<int32_t>> InferenceSession::Offline(const ImageSet& images, int64_t batch,
                                                               const ProgressFn& progress) const {
  PRIVDNN_RETURN_IF_ERROR(CheckImages(images, rest_));
  return Predict(
      images, std::min(batch, most_in_memory_), [&](Tensor some) { return rest_.WithoutOwner(std::move(some)); },
      progress);
}

}  // namespace privdnn
