#include "privdnn/cli/attack_target.h"

#include "privdnn/cli/user_tls.h"
#include "privdnn/pipeline/grpc_transport.h"

namespace privdnn {

absl::StatusOr<AttackTarget> AttackTarget::Connect(const OwnerAddress& owner, int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(owner.package));
  PRIVDNN_ASSIGN_OR_RETURN(const TlsFiles tls, LoadUserTls(owner.tls, owner.user));
  PRIVDNN_ASSIGN_OR_RETURN(auto transport, GrpcTransport::Connect(owner.address, tls));
  PRIVDNN_ASSIGN_OR_RETURN(InferenceSession session,
                           InferenceSession::Open(std::move(package), std::move(transport), {.threads = threads}));
  return AttackTarget(std::move(session));
}

absl::StatusOr<std::vector<int64_t>> AttackTarget::Ask(size_t k, std::span<const float> inputs) {
  return session_->Ask(k, inputs, GoOn);
}

}  // namespace privdnn
