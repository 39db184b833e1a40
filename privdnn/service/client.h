// The user's side of the wire: asks an owner's server for what it hosts and streams queries to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "privdnn/base/status.h"
#include "privdnn/service/owner_api.h"
#include "privdnn/service/pki.h"

namespace privdnn {

struct ClientOptions {
  std::chrono::milliseconds connect_deadline{10'000};  // of Connect() and Describe()
  int window = 4;                                      // most queries in flight, 1 to 64
  uint64_t max_reply_bytes = uint64_t{64} << 20;       // longer replies are refused; 1 to 2^30
};

// One connection to an owner. Every error names the owner's address. Its functions may be called from several threads.
//
// Errors of the connection are Unavailable: nobody listens, TLS fails on either side, or the owner dies.
// DeadlineExceeded: ours passed, or the owner gave the stream up as idle. What the owner refuses comes with its own
// code: NotFound, InvalidArgument, ResourceExhausted, Unauthenticated, Internal (see privdnn.proto).
class Client {
 public:
  // Connects and asks for the description once, so that a wrong certificate shows here. FailedPrecondition if `tls` is
  // not a valid identity of a user; InvalidArgument for a bad address or options. Does not use HTTP proxies.
  static absl::StatusOr<Client> Connect(const std::string& address, const TlsFiles& tls,
                                        const ClientOptions& options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  absl::StatusOr<OwnerDescription> Describe();

  // Sends the queries of `next_query` to a package and hands the replies to `on_reply`. Up to `window` queries are in
  // flight: while the owner answers one, the user makes the next. Both functions are called on the calling thread, one
  // at a time; a waiting reply goes before the next query. OK if every query was answered. Otherwise replies that have
  // arrived are still handed out before the error is returned, and the message says how many. An error or exception of
  // either function cancels the stream and is passed on. `deadline`: from begin to end, 1 ms to a year.
  absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                        std::chrono::milliseconds deadline = std::chrono::hours(1));

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
