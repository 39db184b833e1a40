// The owner's side of the wire: a gRPC server with TLS that lets known users have queries answered within their
// budgets. It knows neither formats nor keys; `party` supplies the sessions, which turn query bytes into reply bytes.
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
  std::shared_ptr<Ledger> ledger;  // of the budgets; Shutdown() closes it

  uint64_t max_message_bytes = uint64_t{16} << 20;  // of a query and of a reply; 1 to 2^30
  uint64_t max_images_per_message = 1024;           // at least 1
  // A stream on which the user neither sends nor takes a message for this long ends with DEADLINE_EXCEEDED.
  std::chrono::milliseconds idle_timeout{300'000};
  // A stream holds at most one query and one reply, so that these bound the memory: about
  // max_streams * 4 * max_message_bytes with what gRPC buffers. Streams beyond are refused with RESOURCE_EXHAUSTED.
  int max_streams = 32;
  int max_streams_per_user = 8;
  int workers = 0;  // threads that answer; 0: as many as the machine has

  // Start and end of the server, and one audit line a stream: user, package, images answered for each of its segments
  // ("images=200,195": an image takes a query for each), messages, bytes, ms, outcome. Never contents. nullptr:
  // spdlog's default logger.
  std::shared_ptr<spdlog::logger> logger;
};

// Thread-safe.
class Server {
 public:
  // Listens, then returns. InvalidArgument or FailedPrecondition for options or certificates that will not do;
  // Unavailable if the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Shuts down without patience.
  ~Server();

  // The port that the server listens on.
  int Port() const;
  // Refuses new streams and ends the open ones with UNAVAILABLE, each after the message that is being answered. Streams
  // that have not ended after `patience` are cut off. Then gives unspent budget reservations back; the error is that of
  // the ledger. A running answer cannot be interrupted: returns when the last one is done. Calling it again waits for
  // the first call and returns its result.
  absl::Status Shutdown(std::chrono::milliseconds patience);
  // Returns when some thread's Shutdown() is done.
  void Wait();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
