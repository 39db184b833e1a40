#include "privdnn/service/exchange.h"

#include <thread>

#include "privdnn/service/transport.h"

namespace privdnn {

Exchange::Exchange(v1::Owner::Stub& stub, Settings settings) : settings_(std::move(settings)) {
  context_.set_deadline(std::chrono::system_clock::now() + settings_.deadline);
  stream_ = stub.Evaluate(&context_);
}

absl::Status Exchange::Run(const NextQueryFn& next_query, const OnReplyFn& on_reply) {
  std::thread receiver([this] { Receive(); });
  absl::Status local;
  try {
    local = Converse(next_query, on_reply);
  } catch (...) {  // a thread that is not joined ends the process
    context_.TryCancel();
    receiver.join();
    throw;
  }
  if (!local.ok()) context_.TryCancel();
  receiver.join();
  const grpc::Status remote = stream_->Finish();
  return local.ok() ? Outcome(remote) : local;
}

absl::Status Exchange::Converse(const NextQueryFn& next_query, const OnReplyFn& on_reply) {
  for (;;) {
    const bool may_send = !all_sent_ && !waiting_ && sent_ - handled_ < static_cast<uint64_t>(settings_.window);
    if (auto received = Take(!may_send)) {
      PRIVDNN_RETURN_IF_ERROR(Handle(*std::move(received), on_reply));
    } else if (Ended()) {
      return absl::OkStatus();  // Outcome() knows how it ended
    } else {
      PRIVDNN_RETURN_IF_ERROR(Send(next_query));
    }
  }
}

absl::Status Exchange::Send(const NextQueryFn& next_query) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::optional<Bytes> query, next_query());
  if (!query) {
    waiting_ = sent_ > handled_;
    if (waiting_) return absl::OkStatus();
    all_sent_ = true;
    stream_->WritesDone();
    return absl::OkStatus();
  }
  if (query->size() > settings_.max_query_bytes) {
    return InvalidArgument("query {} has {} bytes, the owner at {} takes at most {}", sent_, query->size(),
                           settings_.address, settings_.max_query_bytes);
  }
  v1::EvaluateRequest request;
  if (sent_ == 0) request.set_package_id(settings_.package_id);
  request.set_sequence(sent_++);
  request.set_query(query->data(), query->size());
  {
    const std::scoped_lock lock(mutex_);
    sent_at_.push_back(Clock::now());
  }
  // If the stream has broken, the receiver sees that too, and after the replies that came before.
  if (!stream_->Write(request)) all_sent_ = true;
  return absl::OkStatus();
}

absl::Status Exchange::Handle(Received received, const OnReplyFn& on_reply) {
  ++handled_;
  waiting_ = false;
  return on_reply(received.sequence, std::move(received.reply), received.info);
}

std::optional<Exchange::Received> Exchange::Take(bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [this] { return ended_ || !replies_.empty(); });
  if (replies_.empty()) return std::nullopt;
  Received received = std::move(replies_.front());
  replies_.pop_front();
  return received;
}

bool Exchange::Ended() {
  const std::scoped_lock lock(mutex_);
  return ended_ && replies_.empty();
}

void Exchange::Receive() {
  v1::EvaluateReply message;
  while (stream_->Read(&message)) {
    if (!Accept(message)) {
      context_.TryCancel();
      break;
    }
    changed_.notify_one();
  }
  while (stream_->Read(&message)) {  // what came before a cancellation took effect
  }
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_one();
}

bool Exchange::Accept(v1::EvaluateReply& message) {
  const auto now = Clock::now();
  const std::scoped_lock lock(mutex_);
  if (message.sequence() != received_) {
    violation_ = fmt::format("reply {} came where {} was expected", message.sequence(), received_);
    return false;
  }
  if (sent_at_.empty()) {
    violation_ = fmt::format("reply {} came before its query was sent", received_);
    return false;
  }
  const auto round_trip = std::chrono::duration_cast<std::chrono::nanoseconds>(now - sent_at_.front());
  sent_at_.pop_front();
  const auto bytes = AsBytes(message.reply());
  replies_.push_back({.sequence = received_++,
                      .reply = Bytes(bytes.begin(), bytes.end()),
                      .info = {.owner_compute_ns = message.owner_compute_ns(),
                               .round_trip_ns = static_cast<uint64_t>(round_trip.count()),
                               .images_remaining = message.images_remaining()}});
  return true;
}

absl::Status Exchange::Outcome(const grpc::Status& remote) const {
  const std::string& address = settings_.address;
  if (!violation_.empty()) return absl::InternalError(fmt::format("the owner at {}: {}", address, violation_));
  const std::string progress = fmt::format("after {} of {} messages", handled_, sent_);
  if (remote.ok()) {
    if (handled_ == sent_ && all_sent_) return absl::OkStatus();
    return Unavailable("the owner at {} ended the stream {}", address, progress);
  }
  const absl::Status status = FromGrpc(remote);
  const std::string why = Message(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      if (IsBusy(status)) return Busy(why);
      return Unavailable("the owner at {} went away {}: {}", address, progress, why);
    case absl::StatusCode::kCancelled:  // not by us: Run() returns our own reasons
      return Unavailable("the owner at {} cut the stream off {}: {}", address, progress, why);
    case absl::StatusCode::kDeadlineExceeded: {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
      return absl::DeadlineExceededError(
          fmt::format("the owner at {} timed out {} and {} ms: {}", address, progress, ms, why));
    }
    default:
      return absl::Status(status.code(), fmt::format("the owner at {} refused {}: {}", address, progress, why));
  }
}

}  // namespace privdnn
