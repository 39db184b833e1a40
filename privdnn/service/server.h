// The owner's side of the wire: a gRPC server with TLS that lets known users have queries answered within their
// budgets. It knows neither formats nor keys; `party` supplies what turns query bytes into reply bytes.
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"
#include "privdnn/service/ledger.h"
#include "privdnn/service/pki.h"

namespace privdnn {

// What a query asks for.
struct QuerySize {
  uint64_t segment = 0;  // of the package's encrypted parts, each with a budget of its own
  uint64_t images = 0;
};

// A package that the owner can answer for. The functions are called from several threads at once.
struct HostedPackage {
  std::string id;             // 64 lower-case hex digits: SHA-256 that names the encrypted-model package
  std::string user;           // the only one who is answered and told of the package; empty: every user
  uint64_t segments = 1;      // an image takes a query for each
  uint64_t image_budget = 0;  // images one user may ever have answered, for each segment (0 = none left)
  double output_noise = 0;    // what the user is told of errors in replies: their deviation; 0: replies are exact
  // What a query asks for, or InvalidArgument for malformed bytes. Cheap; looks at the header only.
  std::function<absl::StatusOr<QuerySize>(std::span<const uint8_t> query)> peek;
  // The reply to a query. Pure. The message of an InvalidArgument error reaches the user, all others only the log.
  std::function<absl::StatusOr<Bytes>(std::span<const uint8_t> query)> answer;
};

struct ServerOptions {
  std::string listen_address = "127.0.0.1:0";  // host:port; port 0 lets the system choose
  TlsFiles tls;                                // the owner's
  std::vector<HostedPackage> packages;
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
