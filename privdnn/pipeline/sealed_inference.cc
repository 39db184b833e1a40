#include "privdnn/pipeline/sealed_inference.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "privdnn/onnx/onnx.h"
#include "privdnn/sealed/evaluate.h"
#include "privdnn/sealed/hosted.h"

namespace privdnn {
namespace {

constexpr std::string_view kSealedMagic = "PVDNSEAL";
constexpr uint32_t kMaxFrontValues = 256;

struct SealedPart {
  SealedProgram program;
  Graph graph;
  std::vector<std::string> front;
};

absl::StatusOr<SealedPart> ReadSealedPart(std::span<const uint8_t> bytes, std::span<const SegmentSpec> segments) {
  ByteReader r(bytes, "sealed package");
  PRIVDNN_RETURN_IF_ERROR(r.Magic(kSealedMagic, "sealed packages' plaintext parts"));
  SealedPart part;
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, r.U64("program size"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto program, r.Take(size, "program"));
  PRIVDNN_ASSIGN_OR_RETURN(part.program, ReadProgram(program, segments, "sealed package: program"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t values, r.U32InRange(1, kMaxFrontValues, "front values"));
  for (uint32_t i = 0; i < values; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(std::string name, r.String(4096, "front value"));
    part.front.push_back(std::move(name));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto model, r.Take(r.remaining(), "network"));
  PRIVDNN_ASSIGN_OR_RETURN(part.graph, ImportOnnx(model, "sealed package: network"));
  return part;
}

// Carries the messages of straight code, which runs in a thread of its own, for Evaluate's calls.
class Ferry final : public Channel {
 public:
  // Of the code's thread.
  absl::StatusOr<Bytes> Exchange(std::string_view step, std::span<const uint8_t> message, uint64_t size) override {
    std::unique_lock lock(mutex_);
    requests_.push_back(MakeFrame(FrameKind::kFlow, message));
    PRIVDNN_ASSIGN_OR_RETURN(Bytes reply, WaitFor(lock, FrameKind::kFlow, step));
    if (reply.size() == size) return reply;
    return InvalidArgument("{}: the owner sent {} bytes, expected {}", step, reply.size(), size);
  }

  absl::Status AskForTheAnswer() {
    std::unique_lock lock(mutex_);
    PRIVDNN_RETURN_IF_ERROR(WaitFor(lock, FrameKind::kReady, "answer").status());
    requests_.push_back(MakeFrame(FrameKind::kReveal));
    changed_.notify_all();
    return absl::OkStatus();
  }

  void Start(Bytes request) { requests_.push_back(std::move(request)); }
  void Finished(absl::Status status) {
    const std::lock_guard lock(mutex_);
    finished_ = std::move(status);
    changed_.notify_all();
  }

  // Of the calling thread.
  absl::StatusOr<std::optional<Bytes>> NextRequest() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !requests_.empty() || waiting_ || finished_; });
    if (finished_ && !finished_->ok()) return *finished_;
    if (requests_.empty()) return std::optional<Bytes>();
    Bytes request = std::move(requests_.front());
    requests_.pop_front();
    return std::optional(std::move(request));
  }
  void TakeReply(Bytes reply) {
    const std::lock_guard lock(mutex_);
    replies_.push_back(std::move(reply));
    waiting_ = false;
    changed_.notify_all();
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  absl::StatusOr<Bytes> WaitFor(std::unique_lock<std::mutex>& lock, FrameKind kind, std::string_view step) {
    waiting_ = replies_.empty();
    changed_.notify_all();
    changed_.wait(lock, [this] { return !replies_.empty() || closed_; });
    waiting_ = false;
    if (replies_.empty()) return absl::CancelledError(fmt::format("{}: the owner is gone", step));
    Bytes reply = std::move(replies_.front());
    replies_.pop_front();
    if (reply.empty() || reply[0] != static_cast<uint8_t>(kind)) {
      return InvalidArgument("{}: the owner sent something else than a message of this step", step);
    }
    reply.erase(reply.begin());
    return reply;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Bytes> requests_, replies_;
  bool waiting_ = false, closed_ = false;
  std::optional<absl::Status> finished_;
};

}  // namespace

Bytes WriteSealedPart(const SealedModel& model) {
  const Bytes program = WriteProgram(model.program);
  ByteWriter w;
  w.Raw(kSealedMagic);
  w.U64(program.size());
  w.Raw(program);
  w.U32(static_cast<uint32_t>(model.front.size()));
  for (const std::string& value : model.front) w.String(value);
  w.Raw(ExportOnnx(FrontGraph(model)));
  return std::move(w).Take();
}

bool SealedUser::Takes(const Package& package) {
  return std::ranges::any_of(package.segments(), [](const auto& s) { return s.parameters.spec().shares; });
}

absl::StatusOr<SealedUser> SealedUser::Create(Package package, int threads) {
  std::vector<SegmentSpec> specs;
  for (const PreparedSegment& segment : package.segments()) {
    if (!segment.parameters.spec().shares) return InvalidArgument("a sealed package with outputs for replies");
    specs.push_back(segment.header.spec);
  }
  PRIVDNN_ASSIGN_OR_RETURN(SealedPart part, ReadSealedPart(package.rest_model(), specs));
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckOneInput(part.graph), "sealed package"));
  PRIVDNN_ASSIGN_OR_RETURN(SealedFront front, SealedFront::Create(part.graph, part.front, part.program));
  PRIVDNN_ASSIGN_OR_RETURN(User user, User::Create(std::move(package), threads));
  const std::vector<int64_t>& shape = part.graph.inputs[0].shape;
  return SealedUser(std::move(user), std::move(part.program), std::move(front), {shape.begin() + 1, shape.end()},
                    threads);
}

absl::StatusOr<SealedUser::Asked> SealedUser::Ask(OwnerTransport& owner, const Tensor& images,
                                                  std::chrono::milliseconds deadline) const {
  const auto count = static_cast<uint32_t>(images.dim(0));
  PRIVDNN_ASSIGN_OR_RETURN(const FrontOutputs inputs, front_.Run(images));
  SystemRandom random;
  Bytes nonce(kSessionNonce);
  random.Fill(nonce);
  ByteWriter start;
  start.U32(count);
  start.Raw(nonce);
  Ferry ferry;
  ferry.Start(MakeFrame(FrameKind::kStart, start.view()));

  absl::StatusOr<SealedAnswer> answer = absl::UnknownError("");
  const PackageId& id = user_.package().id();
  std::thread code([&] {
    answer = [&]() -> absl::StatusOr<SealedAnswer> {
      PRIVDNN_ASSIGN_OR_RETURN(SharesParty party,
                               SharesParty::Create(kUserParty, SessionContext(id, nonce), random, ferry));
      UsersLayers layers(user_, threads_);
      return EvaluateSealed(program_, party, layers, inputs, count, {}, [&] { return ferry.AskForTheAnswer(); });
    }();
    ferry.Finished(answer.status());
  });
  Asked asked;
  const auto next = [&]() -> absl::StatusOr<std::optional<Bytes>> {
    PRIVDNN_ASSIGN_OR_RETURN(std::optional<Bytes> request, ferry.NextRequest());
    if (request) {
      asked.bytes_up += request->size();
      ++asked.messages;
    }
    return request;
  };
  const auto take = [&](uint64_t, Bytes reply, const ReplyInfo& info) {
    asked.bytes_down += reply.size();
    asked.owner_ms += static_cast<double>(info.owner_compute_ns) * 1e-6;
    asked.images_remaining = info.images_remaining;
    ferry.TakeReply(std::move(reply));
    return absl::OkStatus();
  };
  const absl::Status carried = owner.Evaluate(HexEncode(id), next, take, deadline);
  ferry.Close();
  code.join();
  // What the code met first says more than that the exchange ended.
  if (!answer.ok() && !absl::IsCancelled(answer.status())) return answer.status();
  PRIVDNN_RETURN_IF_ERROR(carried);
  PRIVDNN_RETURN_IF_ERROR(answer.status());
  asked.answer = *std::move(answer);
  return asked;
}

}  // namespace privdnn
