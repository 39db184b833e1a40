// How a user reaches an owner: the same questions over gRPC, in memory, or by whatever else carries bytes.
#pragma once

#include <chrono>
#include <string>

#include "privdnn/base/status.h"
#include "privdnn/service/owner_api.h"

namespace privdnn {

// One user's way to one owner.
class OwnerTransport {
 public:
  virtual ~OwnerTransport() = default;

  // Names the owner in messages: "owner.example.org:7070".
  virtual const std::string& address() const = 0;

  // What the owner offers this user now.
  virtual absl::StatusOr<OwnerDescription> Describe() = 0;

  // Sends the queries of `next_query` to a package and hands the replies to `on_reply`, in the order of the queries.
  // Calls both functions on the calling thread, one at a time. Returns OK if every query was answered; otherwise the
  // replies that arrived have been handed out. An error of either function ends the exchange and is passed on.
  // DeadlineExceeded once `deadline`, 1 ms to a year, has passed since the call. NotFound for a package that the owner
  // doesn't have, ResourceExhausted where its budget ends.
  virtual absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                                std::chrono::milliseconds deadline) = 0;
};

}  // namespace privdnn
