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
  const Parameters& parameters() const { return parameters_; }
  const WireSizes& sizes() const { return sizes_; }

  // Images in a query, judged by its header alone.
  absl::StatusOr<uint32_t> CountImages(std::span<const uint8_t> query) const;
  // The reply; InvalidArgument, naming image and field, for a query that isn't well-formed. `random` must be
  // SystemRandom in use: the drowning noise hides the keys.
  absl::StatusOr<Bytes> Answer(std::span<const uint8_t> query, const RandomSource& random, int threads = 1) const;

 private:
  Owner(OwnerKey key, Parameters parameters, Geometry geometry);
  absl::Status AnswerImage(size_t image, std::span<const uint8_t> query, RandomSource& random,
                           std::span<uint8_t> reply) const;
  OwnerKey key_;
  Parameters parameters_;
  Geometry geometry_;
  WireSizes sizes_;
  TorusMap torus_;
};

}  // namespace privdnn
