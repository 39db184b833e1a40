// An owner without networks: certificates, a ledger, and what a key file that is none is called.
#include <cstdio>

#include "privdnn/base/file.h"
#include "privdnn/party/hosted_owner.h"
#include "privdnn/service/pki.h"
#include "privdnn/service/server.h"
#include "privdnn/service/sqlite_usage_store.h"

int main() {
  const auto directory = privdnn::TemporaryDirectory::Create();
  if (!directory.ok() || !privdnn::CreateAuthority(directory->path()).ok()) return 1;
  if (!privdnn::IssueOwner(directory->path(), {}).ok()) return 1;
  auto ledger = privdnn::OpenSqliteLedger((directory->path() / "budgets.sqlite").string());
  if (!ledger.ok()) return 1;
  privdnn::ServerOptions options;
  options.tls = *privdnn::LoadTlsFiles(directory->path(), "owner");
  options.ledger = *std::move(ledger);
  const auto server = privdnn::Server::Start(std::move(options));
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  const auto key = privdnn::OwnerKey::Parse({}, "nothing");
  std::printf("listening on port %d; %s\n", (*server)->Port(), std::string(key.status().message()).c_str());
  return key.ok() || !(*server)->Shutdown(std::chrono::seconds(1)).ok() ? 1 : 0;
}
