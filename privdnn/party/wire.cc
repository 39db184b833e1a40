#include "privdnn/party/wire.h"

#include <xxhash.h>

#include <algorithm>

namespace privdnn {
namespace {

// magic 8 | version 4 | package id 32 | segment 4 | images 4 | body | checksum 8
constexpr uint64_t kHeaderSize = 52;
constexpr uint64_t kChecksumSize = 8;

std::string_view Magic(MessageKind kind) { return kind == MessageKind::kQuery ? "PVDNNQRY" : "PVDNNRPL"; }
const char* Name(MessageKind kind) { return kind == MessageKind::kQuery ? "query" : "reply"; }

}  // namespace

WireSizes::WireSizes(const PreparedSegment& segment)
    : primes_(segment.parameters.spec().primes),
      reply_bits_(segment.parameters.reply_bits()),
      masked_poly_(PackedResidueBytes(primes_, segment.parameters.spec().n)),
      tiles_(segment.geometry.num_tiles()),
      images_(segment.geometry.images_per_ciphertext()) {
  const Geometry& g = segment.geometry;
  for (size_t k = 0; k < g.spec().groups.size(); ++k) {
    Group group{g.spec().groups[k].outputs, {}};
    for (uint32_t tile = 0; tile < tiles_; ++tile) {
      group.positions.push_back(g.patch(tile, k).positions());
    }
    groups_.push_back(std::move(group));
  }
  before_.push_back({0, 0});
  for (uint64_t tile = 0; tile < tiles_; ++tile) {
    const UnitBytes size = SizeOf(tile, images_);
    before_.push_back({before_.back().query + size.query, before_.back().reply + size.reply});
  }
}

WireSizes::UnitBytes WireSizes::SizeOf(uint64_t tile, uint64_t images) const {
  UnitBytes size{masked_poly_, 0};
  for (const Group& group : groups_) {
    const uint64_t positions = group.positions[tile] * images;
    size.query += group.outputs * masked_output(positions);
    size.reply += group.outputs * reply_output(positions);
  }
  return size;
}

WireSizes::UnitBytes WireSizes::Offset(uint64_t unit, uint64_t images) const {
  // Only the last images, if they don't fill a ciphertext, have units that are not full. Then there are no tiles.
  const uint64_t rest = images % images_;
  if (rest > 0 && unit == units(images)) {
    const UnitBytes last = SizeOf(0, rest), before = Offset(unit - 1, images - rest);
    return {before.query + last.query, before.reply + last.reply};
  }
  const uint64_t rounds = unit / tiles_;
  const UnitBytes& within = before_[unit % tiles_];
  return {rounds * before_.back().query + within.query, rounds * before_.back().reply + within.reply};
}

uint64_t WireSizes::query_offset(uint64_t unit, uint64_t images) const { return Offset(unit, images).query; }
uint64_t WireSizes::reply_offset(uint64_t unit, uint64_t images) const { return Offset(unit, images).reply; }
uint64_t WireSizes::overhead() { return kHeaderSize + kChecksumSize; }

Bytes StartMessage(MessageKind kind, const MessageHeader& header, uint64_t size) {
  ByteWriter w;
  w.Raw(Magic(kind));
  w.U32(kWireVersion);
  w.Raw(header.package);
  w.U32(header.segment);
  w.U32(header.images);
  w.Grow(size - w.size());
  return std::move(w).Take();
}

std::span<uint8_t> Body(Bytes& message) {
  return std::span(message).subspan(kHeaderSize, message.size() - kHeaderSize - kChecksumSize);
}

void FinishMessage(Bytes& message) {
  const uint64_t sum = XXH3_64bits(message.data(), message.size() - kChecksumSize);
  for (uint64_t i = 0; i < kChecksumSize; ++i) {
    message[message.size() - kChecksumSize + i] = static_cast<uint8_t>(sum >> (8 * i));
  }
}

absl::StatusOr<MessageHeader> PeekHeader(MessageKind kind, std::span<const uint8_t> message, const PackageId& package,
                                         size_t segments) {
  ByteReader r(message, Name(kind));
  PRIVDNN_RETURN_IF_ERROR(r.Magic(Magic(kind), kind == MessageKind::kQuery ? "queries" : "replies"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kWireVersion, kWireVersion, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(const auto id, r.Take(package.size(), "package id"));
  if (!std::equal(id.begin(), id.end(), package.begin())) {
    return InvalidArgument("{}: is for package {}, not {}", Name(kind), HexEncode(id), HexEncode(package));
  }
  MessageHeader header{.package = package};
  PRIVDNN_ASSIGN_OR_RETURN(header.segment, r.U32InRange(0, static_cast<uint32_t>(segments) - 1, "segment"));
  PRIVDNN_ASSIGN_OR_RETURN(header.images, r.U32InRange(1, kMaxImagesPerMessage, "images"));
  return header;
}

absl::StatusOr<std::span<const uint8_t>> ParseBody(MessageKind kind, std::span<const uint8_t> message, uint64_t size) {
  ByteReader r(message, Name(kind));
  PRIVDNN_RETURN_IF_ERROR(r.Take(kHeaderSize, "header").status());
  PRIVDNN_ASSIGN_OR_RETURN(const auto body, r.Take(size, "images"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t checksum, r.U64("checksum"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (checksum != XXH3_64bits(message.data(), message.size() - kChecksumSize)) {
    return InvalidArgument("{}: damaged: the checksum does not match", Name(kind));
  }
  return body;
}

}  // namespace privdnn
