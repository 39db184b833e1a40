#include "privdnn/pipeline/grpc_transport.h"

namespace privdnn {

absl::StatusOr<std::unique_ptr<GrpcTransport>> GrpcTransport::Connect(const std::string& address, const TlsFiles& tls,
                                                                      const ClientOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(Client client, Client::Connect(address, tls, options));
  return std::unique_ptr<GrpcTransport>(new GrpcTransport(address, std::move(client)));
}

}  // namespace privdnn
