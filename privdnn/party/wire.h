// Query and reply messages; docs/protocol.md specifies them byte by byte. No other code knows where a part of a message
// lies.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/package/header.h"

namespace privdnn {

inline constexpr uint32_t kWireVersion = 2;
// Images that one message may carry.
inline constexpr uint32_t kMaxImagesPerMessage = 1024;

enum class MessageKind { kQuery, kReply };

// What a message says before its body.
struct MessageHeader {
  PackageId package{};
  uint32_t segment = 0;
  uint32_t images = 0;  // 1 to kMaxImagesPerMessage
  bool operator==(const MessageHeader&) const = default;
};

// The layout of one segment's messages. Units are Geometry's. Parts are offsets and sizes in a message's body.
class MessageLayout {
 public:
  explicit MessageLayout(const PreparedSegment& segment);

  const std::vector<uint64_t>& primes() const { return primes_; }
  int reply_bits() const { return reply_bits_; }
  // Returns the units of a message of `images` images, and the values of one output in one of them.
  uint64_t units(uint64_t images) const { return (images + images_ - 1) / images_ * tiles_; }
  uint64_t values(uint64_t unit, uint64_t images, uint32_t output) const;
  // Return the bytes of a whole message, header and checksum included; overhead() is the bytes of these two.
  uint64_t query(uint64_t images) const { return overhead() + Offset(units(images), images).query; }
  uint64_t reply(uint64_t images) const { return overhead() + Offset(units(images), images).reply; }
  static uint64_t overhead();

  struct Part {
    uint64_t offset = 0, size = 0;
  };
  Part MaskedPoly(uint64_t unit, uint64_t images) const;                     // a'
  Part MaskedOutput(uint64_t unit, uint64_t images, uint32_t output) const;  // b'_f
  Part ReplyOutput(uint64_t unit, uint64_t images, uint32_t output) const;

 private:
  struct Group {
    uint32_t outputs;
    std::vector<uint32_t> positions;  // [tile], of one image
  };
  struct UnitBytes {
    uint64_t query, reply;
  };
  // The bytes of b'_f, and of the reply's part for it.
  UnitBytes OutputBytes(const Group& group, uint64_t tile, uint64_t images) const;
  UnitBytes SizeOf(uint64_t tile, uint64_t images) const;
  // Where a unit begins; for one behind the last, the body's size.
  UnitBytes Offset(uint64_t unit, uint64_t images) const;
  // Where an output begins among those of its unit.
  UnitBytes Before(uint64_t unit, uint64_t images, uint32_t output) const;
  uint64_t ImagesIn(uint64_t unit, uint64_t images) const;
  const Group& GroupOf(uint32_t output) const { return groups_[output < groups_[0].outputs ? 0 : 1]; }

  std::vector<uint64_t> primes_;
  int reply_bits_;
  uint64_t masked_poly_, tiles_, images_;
  std::vector<Group> groups_;
  std::vector<UnitBytes> before_;  // of tiles before one, in full units; the last: all tiles
};

// Writes a message. Different parts may be written from several threads. The layout must outlive the writer.
class MessageWriter {
 public:
  Bytes Finish() &&;

 protected:
  MessageWriter(MessageKind kind, const MessageHeader& header, const MessageLayout& layout);
  const MessageLayout* layout_;
  uint32_t images_;
  Bytes message_;
};

class QueryWriter : public MessageWriter {
 public:
  QueryWriter(const MessageHeader& header, const MessageLayout& layout)
      : MessageWriter(MessageKind::kQuery, header, layout) {}
  // a' of a unit: residues [prime][n], as many as Ring::limbs_size().
  void WriteMaskedPoly(uint64_t unit, std::span<const uint64_t> residues);
  // b' of an output: residues [prime][value], MessageLayout::values() of each prime.
  void WriteMaskedOutput(uint64_t unit, uint32_t output, std::span<const uint64_t> residues);
};

class ReplyWriter : public MessageWriter {
 public:
  ReplyWriter(const MessageHeader& header, const MessageLayout& layout)
      : MessageWriter(MessageKind::kReply, header, layout) {}
  // Values of an output, below 2^reply_bits(): MessageLayout::values() of them.
  void WriteOutput(uint64_t unit, uint32_t output, std::span<const uint64_t> values);
};

// A message whose header, size and checksum are right; its contents are checked as they are read. Refers to the
// message's bytes and to the layout. Reading is const and thread-safe.
class MessageView {
 public:
  const MessageHeader& header() const { return header_; }
  uint64_t units() const { return layout_->units(header_.images); }

 protected:
  // `message` must have a header that PeekHeader returned. Fails with InvalidArgument, naming field and byte.
  static absl::StatusOr<MessageView> ParseBody(MessageKind kind, std::span<const uint8_t> message,
                                               const MessageHeader& header, std::span<const MessageLayout> layouts);
  MessageHeader header_;
  const MessageLayout* layout_;
  std::span<const uint8_t> body_;

 private:
  MessageView(const MessageHeader& header, const MessageLayout& layout, std::span<const uint8_t> body)
      : header_(header), layout_(&layout), body_(body) {}
};

class Query : public MessageView {
 public:
  // `layouts`: of the package's segments. Fails with InvalidArgument, naming field and byte.
  static absl::StatusOr<Query> Parse(std::span<const uint8_t> message, const PackageId& package,
                                     std::span<const MessageLayout> layouts);
  // Read what QueryWriter wrote, into spans of the same sizes. Fail with InvalidArgument, naming the unit, if a residue
  // is not below its prime.
  absl::Status ReadMaskedPoly(uint64_t unit, std::span<uint64_t> residues) const;
  absl::Status ReadMaskedOutput(uint64_t unit, uint32_t output, std::span<uint64_t> residues) const;

 private:
  explicit Query(const MessageView& view) : MessageView(view) {}
};

class Reply : public MessageView {
 public:
  // Fails with InvalidArgument, naming field and byte, or if the reply is to another query than one with this header.
  static absl::StatusOr<Reply> Parse(std::span<const uint8_t> message, const MessageHeader& query,
                                     std::span<const MessageLayout> layouts);
  // Reads what ReplyWriter wrote, into a span of the same size. Fails with InvalidArgument, naming the unit, if padding
  // bits are set.
  absl::Status ReadOutput(uint64_t unit, uint32_t output, std::span<uint64_t> values) const;

 private:
  explicit Reply(const MessageView& view) : MessageView(view) {}
};

// Returns the header of a message for `package`, which has `segments` segments, at least 1. Looks at nothing behind it.
absl::StatusOr<MessageHeader> PeekHeader(MessageKind kind, std::span<const uint8_t> message, const PackageId& package,
                                         size_t segments);
// Fills in the checksum of a message: XXH3-64 of all before it. It finds damage by accident; against attackers there is
// TLS.
void FinishMessage(Bytes& message);

}  // namespace privdnn
