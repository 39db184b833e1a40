// The questions and answers between a user and an owner, for any transport. Needs no gRPC.
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
  uint64_t image_budget = 0;      // images that this user may have answered in total
  uint64_t images_remaining = 0;  // the part of the budget that is left
  double output_noise = 0;        // standard deviation of errors in replies, as the owner says; finite; 0: exact
};

struct OwnerDescription {
  std::string server_version;
  std::string user;  // our name, as the owner knows it
  uint64_t max_message_bytes = 0;
  uint64_t max_images_per_message = 0;
  std::vector<PackageDescription> packages;
};

struct ReplyInfo {
  uint64_t owner_compute_ns = 0;  // as the owner says
  uint64_t round_trip_ns = 0;     // from the start of sending the query to the arrival of the reply, queueing included
  uint64_t images_remaining = 0;  // left in the budget
};

// Returns the next query, or an error that ends the stream. std::nullopt means "none now" while replies are
// outstanding: the function is then called again after each reply. Otherwise std::nullopt ends the stream.
using NextQueryFn = std::function<absl::StatusOr<std::optional<Bytes>>()>;
// Receives replies in the order of the queries; `sequence` counts from 0. Returning an error ends the stream.
using OnReplyFn = std::function<absl::Status(uint64_t sequence, Bytes reply, const ReplyInfo& info)>;

}  // namespace privdnn
