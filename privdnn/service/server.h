// The owner's side of the connection: a gRPC server with TLS that answers queries of known users within their budgets.
// It knows neither formats nor keys: `party` supplies the sessions, which turn query bytes into reply bytes.
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/service/ledger.h"
#include "privdnn/service/pki.h"
#include "privdnn/session/session.h"

namespace privdnn {

struct ServerOptions {
  std::string listen_address = "127.0.0.1:0";  // host:port; port 0 lets the system choose
  TlsFiles tls;                                // the owner's
  std::vector<std::shared_ptr<const HostedPackage>> packages;
  std::shared_ptr<Ledger> ledger;  // holds the budgets; Shutdown() closes it

  uint64_t max_message_bytes = uint64_t{16} << 20;  // for a query and for a reply; 1 to 2^30
  uint64_t max_images_per_message = 1024;           // at least 1
  // A stream ends with DEADLINE_EXCEEDED if the user neither sends nor takes a message for this long.
  std::chrono::milliseconds idle_timeout{300'000};
  // Limits on open streams. A stream holds at most one query and one reply, so these limits bound the memory to about
  // max_streams * 4 * max_message_bytes, gRPC's buffers included. Further streams are refused as busy; clients ask
  // again later.
  int max_streams = 32;
  int max_streams_per_user = 8;
  int workers = 0;  // threads that compute answers; 0: one per hardware thread

  // Logs the start and end of the server, and one audit line per stream: user, package, images answered for each
  // segment ("images=200,195": each image takes one query per segment), messages, bytes, ms, outcome. Never logs
  // contents. nullptr: spdlog's default logger.
  std::shared_ptr<spdlog::logger> logger;
};

// Thread-safe.
class Server {
 public:
  // Starts to listen, then returns. Fails with InvalidArgument or FailedPrecondition for unusable options or
  // certificates, and with Unavailable if it cannot listen on the address.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Shuts down at once, like Shutdown() with a patience of zero.
  ~Server();

  // Returns the port that the server listens on.
  int Port() const;
  // Refuses new streams and ends each open one with UNAVAILABLE after its current message is answered. Cuts off streams
  // that have not ended after `patience`. Then gives back unspent budget reservations and returns the ledger's error,
  // if any. A running answer cannot be interrupted: the function returns when the last one is done. A second call waits
  // for the first and returns its result.
  absl::Status Shutdown(std::chrono::milliseconds patience);
  // Waits until a call of Shutdown(), on any thread, is done.
  void Wait();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
