// 128 bits: an element of GF(2)^128 or GF(2^128), a seed, a key.
#pragma once

#include <cstdint>

namespace privdnn {

// Its operators are inlined whatever the optimisation, since the vector kernels use them: a copy that is compiled for
// another instruction set must not become everybody's.
struct alignas(16) Block {
  uint64_t low = 0, high = 0;

  [[gnu::always_inline]] constexpr Block& operator^=(const Block& other) {
    low ^= other.low;
    high ^= other.high;
    return *this;
  }
  [[gnu::always_inline]] friend constexpr Block operator^(Block a, const Block& b) { return a ^= b; }
  [[gnu::always_inline]] friend constexpr Block operator&(const Block& a, const Block& b) {
    return {a.low & b.low, a.high & b.high};
  }
  // For public values and tests only: it ends at the first difference.
  bool operator==(const Block&) const = default;

  constexpr bool LowBit() const { return (low & 1) != 0; }
};

// All ones if `bit`, else all zeros, without a branch. `bit` must be 0 or 1.
constexpr Block MaskOf(uint64_t bit) { return {0 - bit, 0 - bit}; }

}  // namespace privdnn
