#include "privdnn/ot/transpose.h"

#include <array>
#include <utility>

namespace privdnn {
namespace {

// Warren, Hacker's Delight, 2nd edition, section 7-3: exchanges blocks off the diagonal, of 32 bits, 16, ..., 1.
void Transpose64(std::array<uint64_t, 64>& a) {
  uint64_t mask = 0x00000000ffffffff;
  for (unsigned half = 32; half != 0; half >>= 1, mask ^= mask << half) {
    for (unsigned k = 0; k < 64; k = (k + half + 1) & ~half) {
      const uint64_t t = ((a[k] >> half) ^ a[k + half]) & mask;
      a[k] ^= t << half;
      a[k + half] ^= t;
    }
  }
}

}  // namespace

void Transpose128(std::span<Block, 128> rows) {
  std::array<uint64_t, 64> quarters[4];  // [row half][column half]
  for (size_t i = 0; i < 64; ++i) {
    quarters[0][i] = rows[i].low;
    quarters[1][i] = rows[i].high;
    quarters[2][i] = rows[i + 64].low;
    quarters[3][i] = rows[i + 64].high;
  }
  for (auto& quarter : quarters) Transpose64(quarter);
  for (size_t i = 0; i < 64; ++i) {
    rows[i] = {quarters[0][i], quarters[2][i]};
    rows[i + 64] = {quarters[1][i], quarters[3][i]};
  }
}

}  // namespace privdnn
