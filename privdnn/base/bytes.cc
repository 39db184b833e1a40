#include "privdnn/base/bytes.h"

#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

namespace privdnn {

static_assert(std::endian::native == std::endian::little, "packing reads and writes 64-bit words in place");

absl::Status ByteReader::Error(std::string_view field, std::string_view problem) const {
  return InvalidArgument("{}: field '{}' at byte {}: {}", what_, field, offset_, problem);
}

absl::StatusOr<std::span<const uint8_t>> ByteReader::Take(uint64_t size, std::string_view field) {
  if (size > remaining()) return Error(field, fmt::format("needs {} bytes, {} are left", size, remaining()));
  auto view = data_.subspan(offset_, size);
  offset_ += size;
  return view;
}

namespace {
uint64_t LittleEndian(std::span<const uint8_t> b) {
  uint64_t v = 0;
  for (size_t i = 0; i < b.size(); ++i) v |= static_cast<uint64_t>(b[i]) << (8 * i);
  return v;
}
}  // namespace

absl::StatusOr<uint8_t> ByteReader::U8(std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(auto b, Take(1, field));
  return b[0];
}
absl::StatusOr<uint16_t> ByteReader::U16(std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(auto b, Take(2, field));
  return static_cast<uint16_t>(LittleEndian(b));
}
absl::StatusOr<uint32_t> ByteReader::U32(std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(auto b, Take(4, field));
  return static_cast<uint32_t>(LittleEndian(b));
}
absl::StatusOr<uint64_t> ByteReader::U64(std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(auto b, Take(8, field));
  return LittleEndian(b);
}
absl::StatusOr<double> ByteReader::F64(std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(uint64_t bits, U64(field));
  const double v = std::bit_cast<double>(bits);
  if (!std::isfinite(v)) return Error(field, "is not a finite number");
  return v;
}

absl::StatusOr<uint32_t> ByteReader::U32InRange(uint32_t min, uint32_t max, std::string_view field) {
  const uint64_t start = offset_;
  PRIVDNN_ASSIGN_OR_RETURN(uint32_t v, U32(field));
  if (v < min || v > max) {
    offset_ = start;
    return Error(field, fmt::format("is {}, must be {} to {}", v, min, max));
  }
  return v;
}

absl::StatusOr<std::string> ByteReader::String(uint32_t max_size, std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(uint32_t size, U32InRange(0, max_size, field));
  PRIVDNN_ASSIGN_OR_RETURN(auto b, Take(size, field));
  return std::string(AsStringView(b));
}

absl::Status ByteReader::Magic(std::string_view expected, std::string_view kind) {
  if (expected.size() > remaining() || std::memcmp(data_.data() + offset_, expected.data(), expected.size()) != 0) {
    return Error("magic", fmt::format("is not {}, with which {} begin", expected, kind));
  }
  offset_ += expected.size();
  return absl::OkStatus();
}

absl::Status ByteReader::Finish() const {
  if (remaining() == 0) return absl::OkStatus();
  return InvalidArgument("{}: {} trailing bytes after byte {}", what_, remaining(), offset_);
}

void ByteWriter::F64(double v) { U64(std::bit_cast<uint64_t>(v)); }

std::span<uint8_t> ByteWriter::Grow(uint64_t size) {
  const size_t start = out_.size();
  out_.resize(start + size);
  return std::span(out_).subspan(start);
}

absl::StatusOr<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) return InvalidArgument("size {} x {} does not fit 64 bits", a, b);
  return r;
}
absl::StatusOr<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) return InvalidArgument("size {} + {} does not fit 64 bits", a, b);
  return r;
}

void PackBits(std::span<const uint64_t> values, int bits, std::span<uint8_t> out) {
  assert(bits >= 1 && bits <= 64 && out.size() == PackedBytes(values.size(), bits));
  uint64_t buffer = 0;  // the low `held` bits wait to be written
  int held = 0;
  uint8_t* p = out.data();
  for (const uint64_t v : values) {
    buffer |= v << held;
    if (held + bits >= 64) {
      std::memcpy(p, &buffer, 8);
      p += 8;
      const int used = 64 - held;
      buffer = used == 64 ? 0 : v >> used;
      held = held + bits - 64;
    } else {
      held += bits;
    }
  }
  for (; held > 0; held -= 8, buffer >>= 8) *p++ = static_cast<uint8_t>(buffer);
}

bool UnpackBits(std::span<const uint8_t> in, int bits, std::span<uint64_t> values) {
  assert(bits >= 1 && bits <= 64 && in.size() == PackedBytes(values.size(), bits));
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  const uint8_t* p = in.data();
  const uint8_t* end = p + in.size();
  uint64_t buffer = 0;
  int held = 0;
  for (uint64_t& v : values) {
    if (held >= bits) {
      v = buffer & mask;
      buffer = bits == 64 ? 0 : buffer >> bits;
      held -= bits;
      continue;
    }
    uint64_t word = 0;
    const int available = end - p >= 8 ? 8 : static_cast<int>(end - p);
    std::memcpy(&word, p, static_cast<size_t>(available));
    p += available;
    v = (buffer | (held == 0 ? word : word << held)) & mask;
    const int used = bits - held;  // bits taken from `word`, 1..64
    buffer = used == 64 ? 0 : word >> used;
    held = 8 * available - used;
  }
  return buffer == 0;
}

std::string HexEncode(std::span<const uint8_t> bytes) {
  std::string s;
  for (const uint8_t b : bytes) s += fmt::format("{:02x}", b);
  return s;
}

}  // namespace privdnn
