// Reads and writes little-endian byte strings, which may be untrusted, within bounds; packs integers of fewer than 64
// bits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

using Bytes = std::vector<uint8_t>;

inline std::span<const uint8_t> AsBytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string_view AsStringView(std::span<const uint8_t> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

// Reads fields from front to back, and never past the end. Every error names the object, the field and the offset:
// "query: field 'images' at byte 40: needs 4 bytes, 2 are left".
class ByteReader {
 public:
  // `data` must outlive the reader. `what` names the object in messages.
  ByteReader(std::span<const uint8_t> data, std::string what) : data_(data), what_(std::move(what)) {}

  absl::StatusOr<uint8_t> U8(std::string_view field);
  absl::StatusOr<uint16_t> U16(std::string_view field);
  absl::StatusOr<uint32_t> U32(std::string_view field);
  absl::StatusOr<uint64_t> U64(std::string_view field);
  absl::StatusOr<double> F64(std::string_view field);  // IEEE 754 bits; NaN and infinities are errors
  // Returns a view into the data; copies nothing.
  absl::StatusOr<std::span<const uint8_t>> Take(uint64_t size, std::string_view field);
  // Reads a u32 length, then that many bytes. Fails if the length is above `max_size`.
  absl::StatusOr<std::string> String(uint32_t max_size, std::string_view field);
  // Reads a u32 that must lie in [min, max].
  absl::StatusOr<uint32_t> U32InRange(uint32_t min, uint32_t max, std::string_view field);
  // Reads `expected`, with which all files or messages of a kind ("package files") begin; fails if the bytes differ.
  absl::Status Magic(std::string_view expected, std::string_view kind);
  // Fails if bytes are left.
  absl::Status Finish() const;

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return data_.size() - offset_; }
  // Returns an InvalidArgument error that names the object and the current offset.
  absl::Status Error(std::string_view field, std::string_view problem) const;

 private:
  std::span<const uint8_t> data_;
  std::string what_;
  uint64_t offset_ = 0;
};

class ByteWriter {
 public:
  void U8(uint8_t v) { out_.push_back(v); }
  void U16(uint16_t v) { Int(v, 2); }
  void U32(uint32_t v) { Int(v, 4); }
  void U64(uint64_t v) { Int(v, 8); }
  void F64(double v);
  void Raw(std::span<const uint8_t> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void Raw(std::string_view bytes) { Raw(AsBytes(bytes)); }
  void String(std::string_view s) {
    U32(static_cast<uint32_t>(s.size()));
    Raw(s);
  }
  // Appends `size` zero bytes and returns a view of them, valid until the next call.
  std::span<uint8_t> Grow(uint64_t size);
  uint64_t size() const { return out_.size(); }
  Bytes Take() && { return std::move(out_); }
  std::span<const uint8_t> view() const { return out_; }

 private:
  void Int(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<uint8_t>(v >> (8 * i)));
  }
  Bytes out_;
};

// Return a*b and a+b of sizes read from untrusted bytes. Fail on overflow.
absl::StatusOr<uint64_t> CheckedMul(uint64_t a, uint64_t b);
absl::StatusOr<uint64_t> CheckedAdd(uint64_t a, uint64_t b);

// Returns how many bytes `count` integers of `bits` bits take when packed without gaps (little-endian bit order),
// rounded up.
constexpr uint64_t PackedBytes(uint64_t count, int bits) { return (count * static_cast<uint64_t>(bits) + 7) / 8; }
// Packs values < 2^bits, bits in 1..64. out.size() must equal PackedBytes(values.size(), bits).
void PackBits(std::span<const uint64_t> values, int bits, std::span<uint8_t> out);
// The inverse of PackBits; in.size() must equal PackedBytes(values.size(), bits). Returns false if surplus bits of the
// last byte are not zero; the values are still written.
[[nodiscard]] bool UnpackBits(std::span<const uint8_t> in, int bits, std::span<uint64_t> values);

std::string HexEncode(std::span<const uint8_t> bytes);

}  // namespace privdnn
