#include "privdnn/service/hosted_session.h"

#include <chrono>
#include <utility>

namespace privdnn {

absl::Status Conceal(const absl::Status& status, const std::string& package_id, spdlog::logger& logger,
                     const char* instead) {
  if (status.code() == absl::StatusCode::kInvalidArgument) return status;
  logger.error("package={}: {}: {}", ShortPackageId(package_id), instead, status.ToString());
  return absl::InternalError(instead);
}

std::string BudgetAccount(const PackageInfo& package, uint64_t segment) {
  return package.segments == 1 ? package.id : fmt::format("{}/{}", package.id, segment);
}

HostedSession::~HostedSession() {
  for (const Charge& charge : reserved_) {
    ledger_.GiveBack(BudgetAccount(package_, charge.segment), user_, charge.images);
  }
  for (uint64_t k = 0; k < package_.segments; ++k) ledger_.Leave(BudgetAccount(package_, k), user_);
}

absl::StatusOr<BudgetEvents> HostedSession::Peek(std::span<const uint8_t> message) const {
  if (message.size() > limits_.max_message_bytes) {
    return ResourceExhausted("the query has {} bytes, at most {} are allowed", message.size(),
                             limits_.max_message_bytes);
  }
  const auto events = session_->Peek(message);
  if (!events.ok()) return Conceal(events.status(), package_.id, logger_, "the owner could not read the query");
  if (!events->reserve) return events;
  const auto [segment, images] = *events->reserve;
  if (images < 1 || images > limits_.max_images_per_message) {
    return InvalidArgument("the query has {} images, must be 1 to {}", images, limits_.max_images_per_message);
  }
  if (segment >= package_.segments) {
    return InvalidArgument("the query is for segment {}, the package has {}", segment, package_.segments);
  }
  return events;
}

absl::Status HostedSession::Reserve(const Charge& charge) {
  const auto remaining =
      ledger_.Charge(BudgetAccount(package_, charge.segment), user_, charge.images, package_.image_budget);
  if (absl::IsResourceExhausted(remaining.status())) return remaining.status();
  if (!remaining.ok()) {
    return Conceal(remaining.status(), package_.id, logger_, "the owner could not record the query");
  }
  reserved_.push_back(charge);
  images_remaining_ = *remaining;
  return absl::OkStatus();
}

absl::StatusOr<Bytes> HostedSession::Step(std::span<const uint8_t> message) {
  PRIVDNN_ASSIGN_OR_RETURN(Bytes reply, session_->Step(message));
  if (reply.size() <= limits_.max_message_bytes) return reply;
  return FailedPrecondition("the reply has {} bytes, more than the {} allowed", reply.size(),
                            limits_.max_message_bytes);
}

absl::StatusOr<Answered> HostedSession::Answer(std::span<const uint8_t> message, const std::atomic<bool>& gone) {
  PRIVDNN_ASSIGN_OR_RETURN(const BudgetEvents events, Peek(message));
  if (events.reserve) PRIVDNN_RETURN_IF_ERROR(Reserve(*events.reserve));
  if (gone) return absl::CancelledError("the user went away");
  Answered answered;
  if (events.commit) answered.committed = std::exchange(reserved_, {});
  answered.images_remaining = images_remaining_;

  const auto start = std::chrono::steady_clock::now();
  auto reply = Step(message);
  answered.compute_ns = static_cast<uint64_t>((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1));
  if (!reply.ok()) return Conceal(reply.status(), package_.id, logger_, kNoAnswer);
  answered.reply = *std::move(reply);
  return answered;
}

}  // namespace privdnn
