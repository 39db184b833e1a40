#include "privdnn/cli/attack_target.h"

#include "privdnn/cli/command.h"
#include "privdnn/cli/user_tls.h"
#include "privdnn/pipeline/grpc_transport.h"

namespace privdnn {

absl::StatusOr<SessionOracle> ConnectTarget(const OwnerAddress& owner, int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(owner.package));
  PRIVDNN_ASSIGN_OR_RETURN(const TlsFiles tls, LoadUserTls(owner.tls, owner.user));
  PRIVDNN_ASSIGN_OR_RETURN(auto transport, GrpcTransport::Connect(owner.address, tls));
  PRIVDNN_ASSIGN_OR_RETURN(InferenceSession session,
                           InferenceSession::Open(std::move(package), std::move(transport), {.threads = threads}));
  return SessionOracle(std::move(session), GoOn);
}

}  // namespace privdnn
