#include "party/wire.h"

#include <xxhash.h>

#include <algorithm>

namespace privdnn {
namespace {

// magic 8 | version 4 | package id 32 | images 4 | body | checksum 8
constexpr uint64_t kHeaderSize = 48;
constexpr uint64_t kChecksumSize = 8;

std::string_view Magic(MessageKind kind) { return kind == MessageKind::kQuery ? "PVDNNQRY" : "PVDNNRPL"; }
const char* Name(MessageKind kind) { return kind == MessageKind::kQuery ? "query" : "reply"; }

absl::StatusOr<uint32_t> ReadHeader(MessageKind kind, ByteReader& r, const PackageId& package) {
  PRIVDNN_RETURN_IF_ERROR(r.Expect(Magic(kind), "magic"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kWireVersion, kWireVersion, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(const auto id, r.Take(package.size(), "package id"));
  if (!std::equal(id.begin(), id.end(), package.begin())) {
    return InvalidArgument("{}: is for package {}, not {}", Name(kind), HexEncode(id), HexEncode(package));
  }
  return r.U32InRange(1, kMaxImagesPerMessage, "images");
}

}  // namespace

WireSizes::WireSizes(const Parameters& parameters, const Geometry& geometry)
    : outputs_(geometry.spec().outputs),
      masked_poly_(PackedResidueBytes(parameters.spec().primes, parameters.spec().n)),
      masked_output_(PackedResidueBytes(parameters.spec().primes, geometry.positions_per_output())),
      reply_output_(PackedBytes(geometry.positions_per_output(), parameters.reply_bits())) {}

uint64_t WireSizes::overhead() { return kHeaderSize + kChecksumSize; }

Bytes StartMessage(MessageKind kind, const PackageId& package, uint32_t images, uint64_t size) {
  ByteWriter w;
  w.Raw(Magic(kind));
  w.U32(kWireVersion);
  w.Raw(package);
  w.U32(images);
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

absl::StatusOr<uint32_t> PeekImages(MessageKind kind, std::span<const uint8_t> message, const PackageId& package) {
  ByteReader r(message, Name(kind));
  return ReadHeader(kind, r, package);
}

absl::StatusOr<std::span<const uint8_t>> ParseMessage(MessageKind kind, std::span<const uint8_t> message,
                                                      const PackageId& package, uint64_t image_size, uint32_t& images) {
  ByteReader r(message, Name(kind));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, ReadHeader(kind, r, package));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, CheckedMul(count, image_size));
  PRIVDNN_ASSIGN_OR_RETURN(const auto body, r.Take(size, "images"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t checksum, r.U64("checksum"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (checksum != XXH3_64bits(message.data(), message.size() - kChecksumSize)) {
    return InvalidArgument("{}: damaged: the checksum does not match", Name(kind));
  }
  images = count;
  return body;
}

}  // namespace privdnn
