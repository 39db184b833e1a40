#include "privdnn/party/wire.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>

#include "privdnn/ring/residues.h"

namespace privdnn {
namespace {

// magic 8 | version 4 | package id 32 | segment 4 | images 4 | body | checksum 8
constexpr uint64_t kHeaderSize = 52;
constexpr uint64_t kChecksumSize = 8;

std::string_view Magic(MessageKind kind) { return kind == MessageKind::kQuery ? "PVDNNQRY" : "PVDNNRPL"; }
const char* Name(MessageKind kind) { return kind == MessageKind::kQuery ? "query" : "reply"; }

// A message with its header written, room for the body and for the checksum: `size` bytes.
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

// The part of a message's body.
std::span<uint8_t> At(Bytes& message, const MessageLayout::Part& part) {
  return std::span(message).subspan(kHeaderSize + part.offset, part.size);
}
std::span<const uint8_t> At(std::span<const uint8_t> body, const MessageLayout::Part& part) {
  return body.subspan(part.offset, part.size);
}

uint64_t WholeSize(MessageKind kind, const MessageLayout& layout, uint64_t images) {
  return kind == MessageKind::kQuery ? layout.query(images) : layout.reply(images);
}

}  // namespace

MessageLayout::MessageLayout(const PreparedSegment& segment)
    : primes_(segment.parameters.spec().primes),
      reply_bits_(segment.parameters.reply_bits()),
      masked_poly_(PackedResidueBytes(primes_, segment.parameters.spec().n)),
      tiles_(segment.geometry.num_tiles()),
      images_(segment.geometry.images_per_ciphertext()) {
  const Geometry& g = segment.geometry;
  for (size_t k = 0; k < g.spec().groups.size(); ++k) {
    Group group{g.spec().groups[k].outputs, {}};
    for (uint32_t tile = 0; tile < tiles_; ++tile) group.positions.push_back(g.patch(tile, k).positions());
    groups_.push_back(std::move(group));
  }
  before_.push_back({0, 0});
  for (uint64_t tile = 0; tile < tiles_; ++tile) {
    const UnitBytes size = SizeOf(tile, images_);
    before_.push_back({before_.back().query + size.query, before_.back().reply + size.reply});
  }
}

MessageLayout::UnitBytes MessageLayout::OutputBytes(const Group& group, uint64_t tile, uint64_t images) const {
  const uint64_t values = group.positions[tile] * images;
  return {PackedResidueBytes(primes_, values), PackedBytes(values, reply_bits_)};
}

MessageLayout::UnitBytes MessageLayout::SizeOf(uint64_t tile, uint64_t images) const {
  UnitBytes size{masked_poly_, 0};
  for (const Group& group : groups_) {
    const UnitBytes one = OutputBytes(group, tile, images);
    size.query += group.outputs * one.query;
    size.reply += group.outputs * one.reply;
  }
  return size;
}

MessageLayout::UnitBytes MessageLayout::Offset(uint64_t unit, uint64_t images) const {
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

uint64_t MessageLayout::ImagesIn(uint64_t unit, uint64_t images) const {
  return std::min(images_, images - unit / tiles_ * images_);
}

MessageLayout::UnitBytes MessageLayout::Before(uint64_t unit, uint64_t images, uint32_t output) const {
  // Outputs of a group have parts of one size.
  UnitBytes before{0, 0};
  for (const Group& group : groups_) {
    const UnitBytes one = OutputBytes(group, unit % tiles_, ImagesIn(unit, images));
    const uint32_t outputs = std::min(output, group.outputs);
    before.query += outputs * one.query;
    before.reply += outputs * one.reply;
    output -= outputs;
  }
  return before;
}

uint64_t MessageLayout::values(uint64_t unit, uint64_t images, uint32_t output) const {
  return GroupOf(output).positions[unit % tiles_] * ImagesIn(unit, images);
}

uint64_t MessageLayout::overhead() { return kHeaderSize + kChecksumSize; }

MessageLayout::Part MessageLayout::MaskedPoly(uint64_t unit, uint64_t images) const {
  return {Offset(unit, images).query, masked_poly_};
}

MessageLayout::Part MessageLayout::MaskedOutput(uint64_t unit, uint64_t images, uint32_t output) const {
  const uint64_t size = OutputBytes(GroupOf(output), unit % tiles_, ImagesIn(unit, images)).query;
  return {Offset(unit, images).query + masked_poly_ + Before(unit, images, output).query, size};
}

MessageLayout::Part MessageLayout::ReplyOutput(uint64_t unit, uint64_t images, uint32_t output) const {
  const uint64_t size = OutputBytes(GroupOf(output), unit % tiles_, ImagesIn(unit, images)).reply;
  return {Offset(unit, images).reply + Before(unit, images, output).reply, size};
}

MessageWriter::MessageWriter(MessageKind kind, const MessageHeader& header, const MessageLayout& layout)
    : layout_(&layout),
      images_(header.images),
      message_(StartMessage(kind, header, WholeSize(kind, layout, header.images))) {}

Bytes MessageWriter::Finish() && {
  FinishMessage(message_);
  return std::move(message_);
}

void QueryWriter::WriteMaskedPoly(uint64_t unit, std::span<const uint64_t> residues) {
  PackResidues(layout_->primes(), residues, At(message_, layout_->MaskedPoly(unit, images_)));
}

void QueryWriter::WriteMaskedOutput(uint64_t unit, uint32_t output, std::span<const uint64_t> residues) {
  assert(residues.size() == layout_->primes().size() * layout_->values(unit, images_, output));
  PackResidues(layout_->primes(), residues, At(message_, layout_->MaskedOutput(unit, images_, output)));
}

absl::StatusOr<MessageView> MessageView::ParseBody(MessageKind kind, std::span<const uint8_t> message,
                                                   const MessageHeader& header,
                                                   std::span<const MessageLayout> layouts) {
  const MessageLayout& layout = layouts[header.segment];
  ByteReader r(message, Name(kind));
  PRIVDNN_RETURN_IF_ERROR(r.Take(kHeaderSize, "header").status());
  PRIVDNN_ASSIGN_OR_RETURN(const auto body,
                           r.Take(WholeSize(kind, layout, header.images) - MessageLayout::overhead(), "images"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t checksum, r.U64("checksum"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (checksum != XXH3_64bits(message.data(), message.size() - kChecksumSize)) {
    return InvalidArgument("{}: damaged: the checksum does not match", Name(kind));
  }
  return MessageView(header, layout, body);
}

absl::StatusOr<Query> Query::Parse(std::span<const uint8_t> message, const PackageId& package,
                                   std::span<const MessageLayout> layouts) {
  PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header,
                           PeekHeader(MessageKind::kQuery, message, package, layouts.size()));
  PRIVDNN_ASSIGN_OR_RETURN(const MessageView view, ParseBody(MessageKind::kQuery, message, header, layouts));
  return Query(view);
}

absl::Status Query::ReadMaskedPoly(uint64_t unit, std::span<uint64_t> residues) const {
  if (UnpackResidues(layout_->primes(), At(body_, layout_->MaskedPoly(unit, header_.images)), residues)) {
    return absl::OkStatus();
  }
  return InvalidArgument("query: unit {}: a residue of a' is not below its prime", unit);
}

absl::Status Query::ReadMaskedOutput(uint64_t unit, uint32_t output, std::span<uint64_t> residues) const {
  assert(residues.size() == layout_->primes().size() * layout_->values(unit, header_.images, output));
  if (UnpackResidues(layout_->primes(), At(body_, layout_->MaskedOutput(unit, header_.images, output)), residues)) {
    return absl::OkStatus();
  }
  return InvalidArgument("query: unit {}: a residue of b' for output {} is not below its prime", unit, output);
}

void ReplyWriter::WriteOutput(uint64_t unit, uint32_t output, std::span<const uint64_t> values) {
  assert(values.size() == layout_->values(unit, images_, output));
  PackBits(values, layout_->reply_bits(), At(message_, layout_->ReplyOutput(unit, images_, output)));
}

absl::StatusOr<Reply> Reply::Parse(std::span<const uint8_t> message, const MessageHeader& query,
                                   std::span<const MessageLayout> layouts) {
  PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header,
                           PeekHeader(MessageKind::kReply, message, query.package, layouts.size()));
  if (header != query) {
    return InvalidArgument("reply: has {} images of segment {}, the query had {} of segment {}", header.images,
                           header.segment, query.images, query.segment);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const MessageView view, ParseBody(MessageKind::kReply, message, header, layouts));
  return Reply(view);
}

absl::Status Reply::ReadOutput(uint64_t unit, uint32_t output, std::span<uint64_t> values) const {
  assert(values.size() == layout_->values(unit, header_.images, output));
  if (UnpackBits(At(body_, layout_->ReplyOutput(unit, header_.images, output)), layout_->reply_bits(), values)) {
    return absl::OkStatus();
  }
  return InvalidArgument("reply: unit {}: surplus bits after output {} are not zero", unit, output);
}

absl::StatusOr<MessageHeader> PeekHeader(MessageKind kind, std::span<const uint8_t> message, const PackageId& package,
                                         size_t segments) {
  assert(segments >= 1);
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

void FinishMessage(Bytes& message) {
  const uint64_t sum = XXH3_64bits(message.data(), message.size() - kChecksumSize);
  for (uint64_t i = 0; i < kChecksumSize; ++i) {
    message[message.size() - kChecksumSize + i] = static_cast<uint8_t>(sum >> (8 * i));
  }
}

}  // namespace privdnn
