// Lets attacks ask through a user's session with an owner.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "privdnn/attack/output_oracle.h"
#include "privdnn/base/reporting.h"
#include "privdnn/pipeline/inference_session.h"

namespace privdnn {

class SessionOracle final : public OutputOracle {
 public:
  // Stops asking once `go_on`, if given, returns false.
  explicit SessionOracle(InferenceSession session, GoOnFn go_on = {})
      : session_(std::make_unique<InferenceSession>(std::move(session))), go_on_(std::move(go_on)) {}

  const User& user() const override { return session_->user(); }
  const RestNetwork& rest() const override { return session_->rest(); }
  double output_noise() const override { return session_->terms().output_noise; }
  absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs) override {
    return session_->Ask(k, inputs, go_on_);
  }

 private:
  std::unique_ptr<InferenceSession> session_;  // at a fixed address: attacks refer to its parts
  GoOnFn go_on_;
};

}  // namespace privdnn
