// The user's side of the wire: asks an owner's server for what it hosts and streams queries to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"
#include "privdnn/service/pki.h"

namespace privdnn {

struct ClientOptions {
  std::chrono::milliseconds connect_deadline{10'000};  // of Connect() and Describe()
  int window = 4;                                      // most queries in flight, 1 to 64
  uint64_t max_reply_bytes = uint64_t{64} << 20;       // longer replies are refused; 1 to 2^30
};

struct PackageDescription {
  std::string id;
  uint64_t image_budget = 0;      // images that this user may have answered, in all
  uint64_t images_remaining = 0;  // of them still to be asked
  double output_noise = 0;        // deviation of the errors in replies, as the owner says; finite, 0: replies are exact
};

struct OwnerDescription {
  std::string server_version;
  std::string user;  // the name under which the owner knows us
  uint64_t max_message_bytes = 0;
  uint64_t max_images_per_message = 0;
  std::vector<PackageDescription> packages;
};

struct ReplyInfo {
  uint64_t owner_compute_ns = 0;  // as the owner says
  uint64_t round_trip_ns = 0;     // from the start of sending the query to the arrival of the reply, with queueing
  uint64_t images_remaining = 0;  // of the budget
};

// The next query, or an error that ends the stream. std::nullopt: none now; while replies are outstanding the function
// is asked again after each, otherwise that was the end.
using NextQueryFn = std::function<absl::StatusOr<std::optional<Bytes>>()>;
// Replies come in the order of the queries; `sequence` counts from 0. An error ends the stream.
using OnReplyFn = std::function<absl::Status(uint64_t sequence, Bytes reply, const ReplyInfo& info)>;

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
