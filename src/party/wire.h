// Query and reply messages; docs/protocol.md specifies them byte by byte.
#pragma once

#include <cstdint>
#include <span>

#include "package/package.h"
#include "ring/residues.h"

namespace privdnn {

inline constexpr uint32_t kWireVersion = 1;
// Images that one message may carry.
inline constexpr uint32_t kMaxImagesPerMessage = 1024;

// Sizes that follow from a package's parameters.
class WireSizes {
 public:
  WireSizes(const Parameters& parameters, const Geometry& geometry);
  uint64_t query_image() const { return masked_poly_ + outputs_ * masked_output_; }
  uint64_t reply_image() const { return outputs_ * reply_output_; }
  uint64_t query(uint64_t images) const { return overhead() + images * query_image(); }
  uint64_t reply(uint64_t images) const { return overhead() + images * reply_image(); }
  uint64_t masked_poly() const { return masked_poly_; }      // a'
  uint64_t masked_output() const { return masked_output_; }  // b'_f
  uint64_t reply_output() const { return reply_output_; }
  // Header and checksum.
  static uint64_t overhead();

 private:
  uint64_t outputs_, masked_poly_, masked_output_, reply_output_;
};

enum class MessageKind { kQuery, kReply };

// A message with its header written, room for the images and for the checksum.
Bytes StartMessage(MessageKind kind, const PackageId& package, uint32_t images, uint64_t size);
// The bytes between header and checksum.
std::span<uint8_t> Body(Bytes& message);
// Fills in the checksum: XXH3-64 of all before it. It finds damage by accident; against attackers there is TLS.
void FinishMessage(Bytes& message);

// Number of images that a message says it holds, after checking magic, version, package and that number alone.
absl::StatusOr<uint32_t> PeekImages(MessageKind kind, std::span<const uint8_t> message, const PackageId& package);

// Checks everything about a message but the residues; returns its body, `images` * `image_size` bytes.
absl::StatusOr<std::span<const uint8_t>> ParseMessage(MessageKind kind, std::span<const uint8_t> message,
                                                      const PackageId& package, uint64_t image_size, uint32_t& images);

}  // namespace privdnn
