// The owner that an attack asks, over gRPC.
#pragma once

#include <string>

#include "privdnn/attack/session_oracle.h"

namespace privdnn {

// How a user reaches an owner's server.
struct OwnerAddress {
  std::string package, address, tls, user = "user";
};

// It stops asking when interrupted.
absl::StatusOr<SessionOracle> ConnectTarget(const OwnerAddress& owner, int threads);

}  // namespace privdnn
