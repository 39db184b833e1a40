// Runs an owner: from key files to a server that answers their users.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/party/owner.h"
#include "privdnn/service/server.h"
#include "privdnn/service/usage_store.h"

namespace privdnn {

struct OwnerServerOptions {
  std::vector<std::filesystem::path> keys;  // files that encryption wrote for the owner, one per package
  std::string tls;                          // directory with ca.crt, owner.crt and owner.key
  std::string ledger;                       // SQLite file that records how much of each budget is used
  std::string listen = "127.0.0.1:7070";    // host:port; port 0 lets the system choose
  uint64_t max_message_bytes = uint64_t{16} << 20;
  int max_streams = 32;
  // Number of queries answered at a time. The images of one message are also spread over this many threads.
  int threads = 1;
  double output_noise = 0;  // in replies, see Owner::Create
};

class OwnerServer {
 public:
  // Reads every file, then listens. Fails, naming the file, if a key or a certificate is unusable or a ledger isn't
  // one. Fails with Unavailable if it can't listen on the address.
  static absl::StatusOr<OwnerServer> Start(const OwnerServerOptions& options);

  // Returns the address it listens on: the host that was asked for, with the actual port.
  const std::string& address() const { return address_; }
  // Returns the ids of the packages it answers for, in the order of the keys.
  const std::vector<std::string>& packages() const { return packages_; }

  // Returns what earlier servers on this ledger had reserved when they ended without Shutdown (Ledger::TakeLost): at
  // most so many images of each account count as used and were not answered.
  const std::vector<UsageEntry>& lost() const { return lost_; }

  // See Server::Shutdown. Without it, the destructor cuts users off, and images that the ledger has reserved stay used.
  absl::Status Shutdown(std::chrono::milliseconds patience) { return server_->Shutdown(patience); }

 private:
  OwnerServer() = default;
  std::unique_ptr<Server> server_;
  std::string address_;
  std::vector<std::string> packages_;
  std::vector<UsageEntry> lost_;
};

}  // namespace privdnn
