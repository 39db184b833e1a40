// Shares of bits and of integers, and how they travel. A value x modulo 2^k is shared if x = x_0 + x_1 mod 2^k, a bit
// if b = b_0 xor b_1; party i holds x_i or b_i. Bits are packed, 64 to a word.
#pragma once

#include <cstdint>
#include <span>

#include "privdnn/base/bytes.h"
#include "privdnn/base/secret.h"

namespace privdnn {

using ShareWords = ZeroizingVector<uint64_t>;   // bits
using ShareValues = ZeroizingVector<uint32_t>;  // integers modulo 2^k, k <= 32; the bits above are zero

// Steps work on batches of a multiple of this: half of it, a word, each way.
constexpr size_t kShareBatch = 128;
constexpr size_t PaddedCount(size_t count) { return (count + kShareBatch - 1) / kShareBatch * kShareBatch; }

constexpr uint32_t LowMask(int bits) { return bits == 32 ? ~uint32_t{0} : (uint32_t{1} << bits) - 1; }
inline uint32_t BitOf(std::span<const uint64_t> words, size_t i) {
  return static_cast<uint32_t>(words[i / 64] >> (i % 64)) & 1;
}
// All ones if the bit is 1.
inline uint32_t BitMask(std::span<const uint64_t> words, size_t i) { return 0 - BitOf(words, i); }

// Bit `bit` of each value; values.size() must be a multiple of 64.
ShareWords BitsOf(std::span<const uint32_t> values, int bit);

// Little-endian, `bits` bits a value without gaps.
void AppendValues(std::span<const uint32_t> values, int bits, Bytes& message);
void AppendWords(std::span<const uint64_t> words, Bytes& message);

// Reads what the above wrote, from front to back. The message must be long enough.
class ShareReader {
 public:
  explicit ShareReader(std::span<const uint8_t> message) : rest_(message) {}
  ShareValues Values(size_t count, int bits);
  ShareWords Words(size_t count);

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace privdnn
