#include "privdnn/sealed/hosted.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "privdnn/sealed/evaluate.h"

namespace privdnn {
namespace {

// The user's request, taken apart.
struct Request {
  FrameKind kind;
  uint32_t images = 0;                 // of kStart
  std::span<const uint8_t> body = {};  // nonce of kStart, message of kFlow
};

absl::StatusOr<Request> ParseRequest(std::span<const uint8_t> bytes) {
  ByteReader r(bytes, "sealed request");
  PRIVDNN_ASSIGN_OR_RETURN(const uint8_t kind, r.U8("kind"));
  Request request{static_cast<FrameKind>(kind)};
  if (request.kind == FrameKind::kStart) {
    PRIVDNN_ASSIGN_OR_RETURN(request.images, r.U32InRange(1, kMaxImagesPerMessage, "images"));
    PRIVDNN_ASSIGN_OR_RETURN(request.body, r.Take(kSessionNonce, "nonce"));
  } else if (request.kind == FrameKind::kFlow) {
    PRIVDNN_ASSIGN_OR_RETURN(request.body, r.Take(r.remaining(), "message"));
  } else if (request.kind != FrameKind::kReveal) {
    return r.Error("kind", fmt::format("is {}, which no user sends", kind));
  }
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  return request;
}

// One inference. Its thread runs the protocol as straight code; what it sends and waits for passes through here.
class SealedSession final : public Session, private Channel {
 public:
  SealedSession(const Owner& owner, const SealedProgram& program, int threads)
      : owner_(owner), program_(program), threads_(threads) {}

  ~SealedSession() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const override {
    PRIVDNN_ASSIGN_OR_RETURN(const Request request, ParseRequest(message));
    const std::lock_guard lock(mutex_);
    if ((request.kind == FrameKind::kStart) == started_) {
      return InvalidArgument("sealed request: {}",
                             started_ ? "the session has started" : "a session begins with a start");
    }
    if ((request.kind == FrameKind::kReveal) != ready_ && started_) {
      return InvalidArgument("sealed request: {}", ready_ ? "the answer is to be asked for" : "there is no answer yet");
    }
    if (done_) return InvalidArgument("sealed request: the session is over");
    BudgetEvents events;
    if (request.kind == FrameKind::kStart) events.reserve = Charge{.segment = 0, .images = request.images};
    events.commit = request.kind == FrameKind::kReveal;
    return events;
  }

  absl::StatusOr<Bytes> Step(std::span<const uint8_t> message) override {
    PRIVDNN_ASSIGN_OR_RETURN(const Request request, ParseRequest(message));
    std::unique_lock lock(mutex_);
    if (request.kind == FrameKind::kStart) {
      started_ = true;
      const Bytes context = SessionContext(owner_.package_id(), request.body);
      thread_ = std::thread([this, context, images = request.images] { Run(context, images); });
    } else if (request.kind == FrameKind::kReveal) {
      ready_ = false;
    } else {
      received_.emplace_back(request.body.begin(), request.body.end());
    }
    changed_.notify_all();
    changed_.wait(lock, [this] { return !replies_.empty(); });
    auto reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }

 private:
  // Called by the session's thread.
  void Run(const Bytes& context, uint32_t images) {
    absl::Status status = absl::OkStatus();
    try {
      status = Evaluate(context, images);
    } catch (const std::exception& e) {
      status = absl::InternalError(e.what());
    }
    const std::lock_guard lock(mutex_);
    done_ = true;
    replies_.push_back(status.ok() ? absl::StatusOr<Bytes>(MakeFrame(FrameKind::kDone)) : status);
    changed_.notify_all();
  }

  absl::Status Evaluate(const Bytes& context, uint32_t images) {
    SystemRandom random;
    PRIVDNN_ASSIGN_OR_RETURN(SharesParty party, SharesParty::Create(kOwnerParty, context, random, *this));
    OwnersLayers layers(owner_, threads_);
    const auto before_answer = [this] { return WaitForReveal(); };
    return EvaluateSealed(program_, party, layers, {}, images, {}, before_answer).status();
  }

  absl::StatusOr<Bytes> Exchange(std::string_view step, std::span<const uint8_t> message, uint64_t size) override {
    std::unique_lock lock(mutex_);
    replies_.emplace_back(MakeFrame(FrameKind::kFlow, message));
    changed_.notify_all();
    changed_.wait(lock, [this] { return closed_ || !received_.empty(); });
    if (received_.empty()) return absl::CancelledError(fmt::format("{}: the user is gone", step));
    Bytes received = std::move(received_.front());
    received_.pop_front();
    if (received.size() == size) return received;
    return InvalidArgument("{}: a message of {} bytes, expected {}", step, received.size(), size);
  }

  absl::Status WaitForReveal() {
    std::unique_lock lock(mutex_);
    ready_ = true;
    replies_.emplace_back(MakeFrame(FrameKind::kReady));
    changed_.notify_all();
    changed_.wait(lock, [this] { return closed_ || !ready_; });
    return closed_ ? absl::CancelledError("answer: the user is gone") : absl::OkStatus();
  }

  const Owner& owner_;
  const SealedProgram& program_;
  const int threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false, ready_ = false, done_ = false, closed_ = false;
  std::deque<Bytes> received_;
  std::deque<absl::StatusOr<Bytes>> replies_;
  std::thread thread_;
};

}  // namespace

Bytes MakeFrame(FrameKind kind, std::span<const uint8_t> body) {
  Bytes frame(1 + body.size());
  frame[0] = static_cast<uint8_t>(kind);
  std::ranges::copy(body, frame.begin() + 1);
  return frame;
}

Bytes SessionContext(std::span<const uint8_t> package_id, std::span<const uint8_t> nonce) {
  ByteWriter w;
  w.Raw("privdnn sealed session 1");
  w.Raw(package_id);
  w.Raw(nonce);
  return std::move(w).Take();
}

absl::StatusOr<std::unique_ptr<const HostedSealedOwner>> HostedSealedOwner::Create(OwnerKey key, int threads) {
  std::vector<SegmentSpec> specs;
  for (const PreparedSegment& segment : key.segments()) {
    if (!segment.parameters.spec().shares) return InvalidArgument("a sealed package with outputs for replies");
    specs.push_back(segment.header.spec);
  }
  PRIVDNN_ASSIGN_OR_RETURN(SealedProgram program, ReadProgram(key.program(), specs, "program"));
  PRIVDNN_ASSIGN_OR_RETURN(Owner owner, Owner::Create(std::move(key)));
  PackageInfo info{.id = HexEncode(owner.package_id()),
                   .user = owner.user(),
                   .segments = 1,
                   .image_budget = owner.image_budget(),
                   .output_noise = 0};
  return std::unique_ptr<const HostedSealedOwner>(
      new HostedSealedOwner(std::move(info), std::move(owner), std::move(program), threads));
}

HostedSealedOwner::HostedSealedOwner(PackageInfo info, Owner owner, SealedProgram program, int threads)
    : HostedPackage(std::move(info)), owner_(std::move(owner)), program_(std::move(program)), threads_(threads) {}

absl::StatusOr<std::unique_ptr<Session>> HostedSealedOwner::OpenSession() const {
  return std::make_unique<SealedSession>(owner_, program_, threads_);
}

}  // namespace privdnn
