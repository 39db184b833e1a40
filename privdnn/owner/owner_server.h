// An owner in service: from key files to a server that answers their users.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/party/owner.h"
#include "privdnn/service/server.h"

namespace privdnn {

struct OwnerServerOptions {
  std::vector<std::filesystem::path> keys;  // files that encrypting wrote for the owner, a package each
  std::string tls;                          // directory with ca.crt, owner.crt and owner.key
  std::string ledger;                       // SQLite file that remembers how much of each budget is used
  std::string listen = "127.0.0.1:7070";    // host:port; port 0 lets the system choose
  uint64_t max_message_bytes = uint64_t{16} << 20;
  int max_streams = 32;
  // Queries that are answered at a time; a message of several images is also spread over as many.
  int threads = 1;
  double output_noise = 0;  // of replies, see Owner::Create
};

class OwnerServer {
 public:
  // Reads every file, then listens. The errors name the file: of a key or a certificate that will not do, of a ledger
  // that is none; Unavailable if the address cannot be listened on.
  static absl::StatusOr<OwnerServer> Start(const OwnerServerOptions& options);

  // Where it listens: the host that was asked for, with the port that it got.
  const std::string& address() const { return address_; }
  // The packages that it answers for, by id, in the order of the keys.
  const std::vector<std::string>& packages() const { return packages_; }

  // See Server::Shutdown. Without it the destructor cuts users off, and what the ledger has reserved stays used.
  absl::Status Shutdown(std::chrono::milliseconds patience) { return server_->Shutdown(patience); }

 private:
  OwnerServer() = default;
  std::unique_ptr<Server> server_;
  std::string address_;
  std::vector<std::string> packages_;
};

// Reads the owner's key to a package from its file. The file's mode is not looked at; encrypting writes it with 0600.
absl::StatusOr<OwnerKey> ReadOwnerKey(const std::filesystem::path& path);

}  // namespace privdnn
