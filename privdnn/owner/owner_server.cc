#include "privdnn/owner/owner_server.h"

#include <utility>

#include "privdnn/party/hosted_owner.h"
#include "privdnn/sealed/hosted.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {

absl::StatusOr<OwnerServer> OwnerServer::Start(const OwnerServerOptions& options) {
  ServerOptions server;
  server.listen_address = options.listen;
  server.max_message_bytes = options.max_message_bytes;
  server.max_streams = options.max_streams;
  server.workers = options.threads;
  PRIVDNN_ASSIGN_OR_RETURN(server.tls, LoadTlsFiles(options.tls, "owner"));
  OwnerServer result;
  for (const std::filesystem::path& path : options.keys) {
    PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key, OwnerKey::Open(path));
    std::unique_ptr<const HostedPackage> package;
    if (key.program().empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(package, HostedOwner::Create(std::move(key), options.output_noise, options.threads));
    } else if (options.output_noise > 0) {
      return InvalidArgument("{}: is of a sealed package, of which no outputs are told: noise has no effect",
                             path.string());
    } else {
      auto sealed = HostedSealedOwner::Create(std::move(key), options.threads);
      if (!sealed.ok()) return Annotate(sealed.status(), path.string());
      package = *std::move(sealed);
    }
    result.packages_.push_back(package->info().id);
    server.packages.push_back(std::move(package));
  }
  PRIVDNN_ASSIGN_OR_RETURN(server.ledger, OpenSqliteLedger(options.ledger));
  PRIVDNN_ASSIGN_OR_RETURN(result.lost_, server.ledger->TakeLost());
  PRIVDNN_ASSIGN_OR_RETURN(result.server_, Server::Start(std::move(server)));
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  result.address_ = fmt::format("{}:{}", host, result.server_->Port());
  return result;
}

}  // namespace privdnn
