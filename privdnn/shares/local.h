// What each party does to its shares by itself.
#pragma once

#include <span>

#include "privdnn/shares/bits.h"

namespace privdnn {

// Drops the `by` low bits of x shared modulo 2^bits, by < bits: shares modulo 2^(bits - by) of floor(x / 2^by), or of
// one less where the low bits of both shares carry. Nothing can wrap around, since the modulus shrinks too.
inline void DropLowBits(std::span<uint32_t> x, int by) {
  for (uint32_t& share : x) share >>= by;
}

// From modulo 2^bits to modulo 2^to, to <= bits: exact for x in [-2^(to - 1), 2^(to - 1)).
inline void Narrow(std::span<uint32_t> x, int to) {
  for (uint32_t& share : x) share &= LowMask(to);
}

}  // namespace privdnn
