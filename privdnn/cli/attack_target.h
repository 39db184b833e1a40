// A served package from the side of a user who keeps what it learns.
#pragma once

#include <memory>
#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/inference_session.h"

namespace privdnn {

// How a user reaches an owner's server.
struct OwnerAddress {
  std::string package, address, tls, user = "user";
};

class AttackTarget {
 public:
  static absl::StatusOr<AttackTarget> Connect(const OwnerAddress& owner, int threads);

  const User& user() const { return session_->user(); }
  const RestNetwork& rest() const { return session_->rest(); }
  // Deviation of the errors in replies, as the owner says; 0: replies are exact.
  double output_noise() const { return session_->terms().output_noise; }
  // See InferenceSession::Ask. Cancelled when interrupted.
  absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs);

 private:
  explicit AttackTarget(InferenceSession session) : session_(std::make_unique<InferenceSession>(std::move(session))) {}
  std::unique_ptr<InferenceSession> session_;
};

}  // namespace privdnn
