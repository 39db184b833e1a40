// The user's side of the connection: asks an owner's server what it hosts, and streams queries to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"
#include "privdnn/service/owner_api.h"
#include "privdnn/service/pki.h"

namespace privdnn {

struct ClientOptions {
  std::chrono::milliseconds connect_deadline{10'000};  // for Connect() and Describe()
  int window = 4;                                      // most queries in flight, 1 to 64
  uint64_t max_reply_bytes = uint64_t{64} << 20;       // longer replies are refused; 1 to 2^30
  NoteFn on_busy = {};                                 // told why, once a call, if Evaluate() waits for a busy owner
  GoOnFn go_on = {};                                   // asked while it waits; false ends the call with Cancelled
};

// One connection to an owner. Every error names the owner's address. Its functions may be called from several threads.
//
// Errors are Unavailable if the connection fails: nobody listens, TLS fails on either side, or the owner dies.
// DeadlineExceeded means that the deadline given here passed or that the owner ended the stream as idle. If the owner
// refuses, the error has the owner's code: NotFound, InvalidArgument, ResourceExhausted, Unauthenticated, Internal (see
// privdnn.proto).
class Client {
 public:
  // Connects and asks for the description once, so that a wrong certificate is found here. Fails with
  // FailedPrecondition if `tls` is not a valid user identity, and with InvalidArgument for a bad address or options.
  // Does not use HTTP proxies.
  static absl::StatusOr<Client> Connect(const std::string& address, const TlsFiles& tls,
                                        const ClientOptions& options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  absl::StatusOr<OwnerDescription> Describe();

  // Sends the queries that `next_query` returns for a package, and passes the replies to `on_reply`. Up to `window`
  // queries are in flight: while the owner answers one, the user makes the next. Calls both functions on the calling
  // thread, one at a time, and handles a waiting reply before it asks for the next query. Returns OK if every query was
  // answered. Otherwise first passes on the replies that arrived, then returns the error, whose text says how many
  // there were. If the owner is busy, because too many streams are open, waits and sends the same queries again, at
  // growing and random intervals of up to some seconds, until the deadline. An error or exception of either function
  // cancels the stream and is passed on. `deadline` covers the whole call, 1 ms to a year.
  absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                        std::chrono::milliseconds deadline = std::chrono::hours(1));

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
