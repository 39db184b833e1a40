#include "privdnn/service/evaluate_stream.h"

#include <algorithm>
#include <exception>

#include "privdnn/service/transport.h"

namespace privdnn {
namespace {

constexpr char kShuttingDown[] = "the owner is shutting down";

}  // namespace

std::shared_ptr<EvaluateStream> EvaluateStream::Begin(const StreamEnvironment& environment,
                                                      absl::StatusOr<std::string> user,
                                                      grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<EvaluateStream>(environment, user, context);
  stream->self_ = stream;
  // Held so that a drain or the idle watch cannot end the stream before its first read has started.
  std::unique_lock lock(stream->mutex_);
  const absl::Status admitted = user.ok() ? environment.registry.Add(stream) : user.status();
  if (admitted.ok()) {
    stream->StartRead(&stream->request_);
  } else {
    stream->End(lock, admitted);
  }
  return stream;
}

EvaluateStream::EvaluateStream(const StreamEnvironment& environment, absl::StatusOr<std::string> user,
                               grpc::CallbackServerContext* context)
    : environment_(environment), user_(user.value_or("")), context_(context), peer_(context->peer()) {}

void EvaluateStream::OnReadDone(bool ok) {
  std::unique_lock lock(mutex_);
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kAnswering;
  phase_start_ = Clock::now();
  if (!ok) return End(lock, absl::OkStatus());  // the user has said all, or is gone and hears nothing
  lock.unlock();
  environment_.workers.Post([self = shared_from_this()] { self->Answer(); });
}

absl::Status EvaluateStream::CheckRequest() {
  if (request_.sequence() != messages_) {
    return InvalidArgument("sequence number {} where {} was expected", request_.sequence(), messages_);
  }
  if (!session_) {
    PRIVDNN_ASSIGN_OR_RETURN(session_, environment_.host.Open(request_.package_id(), user_));
    package_ = &session_->package();
  } else if (!request_.package_id().empty() && request_.package_id() != package_->id) {
    return InvalidArgument("message {} names another package than the first one", messages_);
  }
  return absl::OkStatus();
}

absl::Status EvaluateStream::AnswerRequest() {
  if (cancelled_) return absl::CancelledError("the user went away");  // before it costs anything
  PRIVDNN_RETURN_IF_ERROR(CheckRequest());
  PRIVDNN_ASSIGN_OR_RETURN(const Answered answered, session_->Answer(AsBytes(request_.query()), cancelled_));
  query_bytes_ += request_.query().size();
  reply_bytes_ += answered.reply.size();
  images_.resize(package_->segments);
  for (const Charge& charge : answered.committed) images_[charge.segment] += charge.images;
  compute_ns_ += answered.compute_ns;
  reply_.set_sequence(messages_++);
  reply_.set_reply(answered.reply.data(), answered.reply.size());
  reply_.set_owner_compute_ns(answered.compute_ns);
  reply_.set_images_remaining(answered.images_remaining);
  return absl::OkStatus();
}

void EvaluateStream::Answer() {
  absl::Status status;
  try {
    status = AnswerRequest();
  } catch (const std::exception& e) {  // out of memory, or a library below `party` that throws
    environment_.logger.error("user={}: {}: {}", user_, kNoAnswer, e.what());
    status = absl::InternalError(kNoAnswer);
  }
  std::unique_lock lock(mutex_);
  if (!status.ok()) return End(lock, status);
  phase_ = Phase::kWriting;
  phase_start_ = Clock::now();
  StartWrite(&reply_);
}

void EvaluateStream::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  if (!ok) return End(lock, absl::CancelledError("the user went away"));
  if (draining_) return End(lock, absl::UnavailableError(kShuttingDown));
  phase_ = Phase::kReading;
  phase_start_ = Clock::now();
  StartRead(&request_);
}

void EvaluateStream::End(std::unique_lock<std::mutex>& lock, absl::Status status) {
  // What doesn't count as an open stream any more holds no messages, but for one that is being read into.
  reply_ = v1::EvaluateReply();
  if (phase_ != Phase::kReading) request_ = v1::EvaluateRequest();
  phase_ = Phase::kEnded;
  outcome_ = status;
  lock.unlock();
  session_.reset();                      // with what it has reserved and not committed
  environment_.registry.GiveBack(this);  // before the user hears of the end and may begin another
  Finish(ToGrpc(status));
}

void EvaluateStream::Drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  if (phase_ == Phase::kReading) End(lock, absl::UnavailableError(kShuttingDown));
}

void EvaluateStream::EndIfIdle(Clock::time_point now, Clock::duration timeout) {
  std::unique_lock lock(mutex_);
  if (now - phase_start_ < timeout) return;
  if (phase_ == Phase::kReading) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    return End(lock, absl::DeadlineExceededError(fmt::format("no message came for {} ms", ms)));
  }
  if (phase_ == Phase::kWriting) context_->TryCancel();  // a status would wait behind the reply that is not taken
}

void EvaluateStream::CutOff() {
  const std::scoped_lock lock(mutex_);
  if (phase_ != Phase::kEnded) context_->TryCancel();
}

void EvaluateStream::OnDone() {
  Audit();
  environment_.registry.Remove(this);
  const auto self = std::move(self_);  // the last reference, but for a worker on its way out
}

void EvaluateStream::Audit() const {
  const bool gone = cancelled_ && outcome_.ok();
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  // Messages of errors may quote the query's header, so that only the code is logged.
  const std::string outcome = gone ? "CANCELLED" : absl::StatusCodeToString(outcome_.code());
  // An image takes a query for each segment, so that a sum over segments would count it several times.
  const std::string images = images_.empty() ? "0" : fmt::format("{}", fmt::join(images_, ","));
  environment_.logger.log(outcome_.ok() && !gone ? spdlog::level::info : spdlog::level::warn,
                          "evaluate user={} peer={} package={} images={} messages={} bytes_in={} bytes_out={} "
                          "compute_ms={:.1f} ms={:.1f} outcome={}",
                          user_.empty() ? "?" : user_, peer_, package_ ? ShortPackageId(package_->id) : "?", images,
                          messages_, query_bytes_, reply_bytes_, static_cast<double>(compute_ns_) * 1e-6, ms, outcome);
}

StreamRegistry::StreamRegistry(int max_streams, int max_streams_per_user, std::chrono::milliseconds idle_timeout)
    : max_streams_(max_streams), max_streams_per_user_(max_streams_per_user), idle_timeout_(idle_timeout) {
  watcher_ = std::thread([this] { WatchForIdleStreams(); });
}

StreamRegistry::~StreamRegistry() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

absl::Status StreamRegistry::Add(const std::shared_ptr<EvaluateStream>& stream) {
  const std::scoped_lock lock(mutex_);
  if (draining_) return absl::UnavailableError(kShuttingDown);
  if (open_.size() >= static_cast<size_t>(max_streams_)) {
    return Busy(fmt::format("the owner is busy: {} streams are open", open_.size()));
  }
  const auto of_user = std::ranges::count_if(open_, [&](const auto* s) { return s->user() == stream->user(); });
  if (of_user >= max_streams_per_user_) {
    return Busy(fmt::format("{} streams of this user are open, more are not allowed", of_user));
  }
  open_.insert(stream.get());
  streams_.emplace(stream.get(), stream);
  return absl::OkStatus();
}

void StreamRegistry::GiveBack(const EvaluateStream* stream) {
  const std::scoped_lock lock(mutex_);
  open_.erase(stream);
}

void StreamRegistry::Remove(const EvaluateStream* stream) {
  std::shared_ptr<EvaluateStream> last;  // destroyed without the lock
  const std::scoped_lock lock(mutex_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;  // refused streams are not here
  last = std::move(found->second);
  streams_.erase(found);
  open_.erase(stream);
  if (streams_.empty()) changed_.notify_all();
}

std::vector<std::shared_ptr<EvaluateStream>> StreamRegistry::Snapshot() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<EvaluateStream>> streams;
  for (const auto& [key, stream] : streams_) streams.push_back(stream);
  return streams;
}

void StreamRegistry::Drain() {
  {
    const std::scoped_lock lock(mutex_);
    draining_ = true;
  }
  for (const auto& stream : Snapshot()) stream->Drain();
}

bool StreamRegistry::WaitUntilEmpty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return streams_.empty(); });
}

void StreamRegistry::CutOffAll() {
  for (const auto& stream : Snapshot()) stream->CutOff();
}

void StreamRegistry::WatchForIdleStreams() {
  using std::chrono::milliseconds;
  const milliseconds interval = std::clamp(idle_timeout_ / 4, milliseconds(10), milliseconds(1000));
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, interval, [this] { return stopping_; })) return;
    }
    const auto now = EvaluateStream::Clock::now();
    for (const auto& stream : Snapshot()) stream->EndIfIdle(now, idle_timeout_);
  }
}

}  // namespace privdnn
