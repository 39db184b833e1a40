// What is made of correlated transfers ahead of time: material that does not depend on inputs.
#pragma once

#include <array>

#include "privdnn/shares/bits.h"
#include "privdnn/shares/party.h"

namespace privdnn {

// 1-of-16 transfers of pads of 2 bits, `count` in each direction. Each takes 4 correlated transfers: with
// z = sum_i X^i q_i, over blocks as vectors of 32 elements of GF(16) = GF(2)[X]/(X^4 + X + 1), the pads are
// H(z + v Delta), v in GF(16), and the receiver can compute that of r = sum_i r_i X^i. (A plain sum of the four would
// not do: pads of different v would be those of the same multiple of Delta.)
struct DigitTransfers {
  static absl::StatusOr<DigitTransfers> Prepare(SharesParty& party, size_t count);
  ZeroizingVector<uint32_t> pads;     // as the sender: 2 bits for each v, v = 0 lowest
  ZeroizingVector<uint8_t> choices;   // as the receiver: r in [0, 16)
  ZeroizingVector<uint8_t> received;  // pad r, 2 bits
};

// Shared bits a, b, b2 and c = a b, c2 = a b2, all random. One random transfer of two bits in each direction, and no
// message of its own.
struct BitTriples {
  static absl::StatusOr<BitTriples> Prepare(SharesParty& party, size_t count);  // a multiple of 64
  ShareWords a, b, b2, c, c2;
};

// Random transfers of pairs of 32-bit words: `count` in each direction.
struct WordTransfers {
  static absl::StatusOr<WordTransfers> Prepare(SharesParty& party, size_t count);  // a multiple of 64
  std::array<ShareValues, 2> first, second;  // as the sender: message 0 and 1, of two words each
  ShareWords choices;                        // as the receiver
  ShareValues received_first, received_second;
};

}  // namespace privdnn
