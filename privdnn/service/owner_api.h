// What a user is told by an owner and asks it, whichever way the bytes travel. Needs no gRPC.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"

namespace privdnn {

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

}  // namespace privdnn
