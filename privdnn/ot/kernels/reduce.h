// Reduction modulo X^128 + X^7 + X^2 + X + 1. Internal to the kernels. In an anonymous namespace, since the files that
// include this are compiled for different instruction sets.
#pragma once

#include "privdnn/ot/block.h"

namespace privdnn {
namespace {  // NOLINT(google-build-namespaces): see above

// Returns low + X^128 high.
inline Block Gf128Reduce(const Block& low, const Block& high) {
  // X^128 = X^7 + X^2 + X + 1; what the shifts push out, at most 7 bits, is folded once more.
  const uint64_t out = (high.high >> 63) ^ (high.high >> 62) ^ (high.high >> 57);
  const auto shifted = [&high](int by) { return Block{high.low << by, (high.high << by) | (high.low >> (64 - by))}; };
  const Block folded = low ^ high ^ shifted(1) ^ shifted(2) ^ shifted(7);
  return folded ^ Block { out ^ (out << 1) ^ (out << 2) ^ (out << 7), 0 };
}

}  // namespace
}  // namespace privdnn
