// The model owner: turns query bytes into reply bytes with the secrets of one package.
#pragma once

#include "party/wire.h"

namespace privdnn {

// Pure computation on bytes; knows nothing of networks, users or budgets. Const and thread-safe.
//
// What the owner sees of an image is a' and b'_f: ring-LWE samples under the user's fresh v, and one-time-padded
// coefficients. See docs/protocol.md.
class Owner {
 public:
  static absl::StatusOr<Owner> Create(OwnerKey key);

  const PackageId& package_id() const { return key_.package_id; }
  const std::string& user() const { return key_.user; }
  uint64_t image_budget() const { return key_.header.image_budget; }
  size_t num_segments() const { return segments_.size(); }
  const PreparedSegment& segment(size_t k) const { return segments_[k].prepared; }
  const WireSizes& sizes(size_t k) const { return segments_[k].sizes; }

  // Segment and number of images of a query, judged by its header alone.
  absl::StatusOr<MessageHeader> Peek(std::span<const uint8_t> query) const;
  // The reply; InvalidArgument, naming unit and field, for a query that isn't well-formed. `random` must be
  // SystemRandom in use: the drowning noise hides the keys. Memory beside query and reply does not grow with the
  // images.
  absl::StatusOr<Bytes> Answer(std::span<const uint8_t> query, const RandomSource& random, int threads = 1) const;

 private:
  struct Segment {
    PreparedSegment prepared;
    WireSizes sizes;
    TorusMap torus;
  };
  Owner(OwnerKey key, std::vector<Segment> segments) : key_(std::move(key)), segments_(std::move(segments)) {}
  absl::Status AnswerUnits(size_t segment, uint32_t images, uint64_t first, uint64_t last,
                           std::span<const uint8_t> query, const RandomSource& random, int threads,
                           std::span<uint8_t> reply) const;
  OwnerKey key_;
  std::vector<Segment> segments_;
};

}  // namespace privdnn
