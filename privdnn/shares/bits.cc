#include "privdnn/shares/bits.h"

#include <algorithm>

namespace privdnn {

ShareWords BitsOf(std::span<const uint32_t> values, int bit) {
  ShareWords words(values.size() / 64);
  for (size_t w = 0; w < words.size(); ++w) {
    uint64_t word = 0;
    for (size_t i = 0; i < 64; ++i) word |= static_cast<uint64_t>((values[64 * w + i] >> bit) & 1) << i;
    words[w] = word;
  }
  return words;
}

void AppendValues(std::span<const uint32_t> values, int bits, Bytes& message) {
  size_t at = message.size();
  message.resize(at + PackedBytes(values.size(), bits));
  uint64_t pending = 0;
  int count = 0;
  for (const uint32_t value : values) {
    pending |= static_cast<uint64_t>(value) << count;
    for (count += bits; count >= 8; count -= 8, pending >>= 8) message[at++] = static_cast<uint8_t>(pending);
  }
  if (count > 0) message[at] = static_cast<uint8_t>(pending);
}

void AppendWords(std::span<const uint64_t> words, Bytes& message) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
  message.insert(message.end(), bytes, bytes + words.size_bytes());
}

ShareValues ShareReader::Values(size_t count, int bits) {
  const auto packed = rest_.first(PackedBytes(count, bits));
  rest_ = rest_.subspan(packed.size());
  ShareValues values(count);
  uint64_t pending = 0;
  int have = 0;
  size_t at = 0;
  for (uint32_t& value : values) {
    for (; have < bits; have += 8) pending |= static_cast<uint64_t>(packed[at++]) << have;
    value = static_cast<uint32_t>(pending) & LowMask(bits);
    pending >>= bits;
    have -= bits;
  }
  return values;
}

ShareWords ShareReader::Words(size_t count) {
  ShareWords words(count);
  const auto raw = rest_.first(count * sizeof(uint64_t));
  rest_ = rest_.subspan(raw.size());
  std::copy(raw.begin(), raw.end(), reinterpret_cast<uint8_t*>(words.data()));
  return words;
}

}  // namespace privdnn
