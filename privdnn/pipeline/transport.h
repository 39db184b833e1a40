// Connects a user to an owner: by gRPC, in memory, or by any other carrier of bytes.
#pragma once

#include <chrono>
#include <string>

#include "privdnn/base/status.h"
#include "privdnn/service/owner_api.h"

namespace privdnn {

// One user's connection to one owner.
class OwnerTransport {
 public:
  virtual ~OwnerTransport() = default;

  // Returns the owner's name for messages: "owner.example.org:7070".
  virtual const std::string& address() const = 0;

  // Asks what the owner offers this user now.
  virtual absl::StatusOr<OwnerDescription> Describe() = 0;

  // Sends the queries of `next_query` to a package and hands the replies to `on_reply`, in the order of the queries.
  // Calls both functions on the calling thread, one at a time. Returns OK if every query was answered. On an error,
  // `on_reply` has received every reply that arrived. An error of either function ends the exchange and is returned.
  // Fails with DeadlineExceeded once `deadline`, 1 ms to a year, has passed since the call, with NotFound if the owner
  // doesn't have the package, and with ResourceExhausted when the budget runs out.
  virtual absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                                std::chrono::milliseconds deadline) = 0;
};

}  // namespace privdnn
