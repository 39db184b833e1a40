// Query and reply messages; docs/protocol.md specifies them byte by byte.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/package/package.h"
#include "privdnn/ring/residues.h"

namespace privdnn {

inline constexpr uint32_t kWireVersion = 2;
// Images that one message may carry.
inline constexpr uint32_t kMaxImagesPerMessage = 1024;

// Sizes that follow from a segment's parameters. Units are Geometry's.
class WireSizes {
 public:
  explicit WireSizes(const PreparedSegment& segment);
  uint64_t masked_poly() const { return masked_poly_; }  // a'
  // b'_f, and the reply's part for it, for `positions` values.
  uint64_t masked_output(size_t positions) const { return PackedResidueBytes(primes_, positions); }
  uint64_t reply_output(size_t positions) const { return PackedBytes(positions, reply_bits_); }
  // Bytes before output f of the parts of a unit that have these sizes, an output of each group.
  uint64_t before_output(uint32_t f, uint64_t first_group, uint64_t second_group) const {
    const uint32_t first = groups_[0].outputs;
    return f < first ? f * first_group : first * first_group + (f - first) * second_group;
  }
  // Where a unit begins in the body of a message; the body's size for one behind the last.
  uint64_t query_offset(uint64_t unit, uint64_t images) const;
  uint64_t reply_offset(uint64_t unit, uint64_t images) const;
  // Whole messages.
  uint64_t query(uint64_t images) const { return overhead() + query_offset(units(images), images); }
  uint64_t reply(uint64_t images) const { return overhead() + reply_offset(units(images), images); }
  // Header and checksum.
  static uint64_t overhead();

 private:
  struct Group {
    uint32_t outputs;
    std::vector<uint32_t> positions;  // [tile], of one image
  };
  struct UnitBytes {
    uint64_t query, reply;
  };
  uint64_t units(uint64_t images) const { return (images + images_ - 1) / images_ * tiles_; }
  UnitBytes SizeOf(uint64_t tile, uint64_t images) const;
  UnitBytes Offset(uint64_t unit, uint64_t images) const;

  std::vector<uint64_t> primes_;
  int reply_bits_;
  uint64_t masked_poly_, tiles_, images_;
  std::vector<Group> groups_;
  std::vector<UnitBytes> before_;  // of tiles before one, in full units; the last: all tiles
};

enum class MessageKind { kQuery, kReply };

// What a message says before its body.
struct MessageHeader {
  PackageId package{};
  uint32_t segment = 0;
  uint32_t images = 0;  // 1 to kMaxImagesPerMessage
  bool operator==(const MessageHeader&) const = default;
};

// A message with its header written, room for the images and for the checksum: `size` bytes.
Bytes StartMessage(MessageKind kind, const MessageHeader& header, uint64_t size);
// The bytes between header and checksum.
std::span<uint8_t> Body(Bytes& message);
// Fills in the checksum: XXH3-64 of all before it. It finds damage by accident; against attackers there is TLS.
void FinishMessage(Bytes& message);

// The header of a message for `package`, which has `segments` segments; nothing behind it is looked at.
absl::StatusOr<MessageHeader> PeekHeader(MessageKind kind, std::span<const uint8_t> message, const PackageId& package,
                                         size_t segments);
// Checks everything else about a message but the residues, and returns its body, which must have `size` bytes.
absl::StatusOr<std::span<const uint8_t>> ParseBody(MessageKind kind, std::span<const uint8_t> message, uint64_t size);

}  // namespace privdnn
