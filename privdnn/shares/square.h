// Squares of shared values.
#pragma once

#include <vector>

#include "privdnn/shares/transfers.h"

namespace privdnn {

// x^2 modulo 2^k of x shared modulo 2^k: x_0^2 + x_1^2 + 2 x_0 x_1. The last product is Gilboa's (CRYPTO 1999): the
// bits of one party's share choose multiples of the other's, k - 1 transfers, the i-th of k - 1 - i bits. Half of the
// values each way, 2 flows.
class Square {
 public:
  static absl::StatusOr<Square> Prepare(SharesParty& party, size_t count, int bits);
  absl::StatusOr<ShareValues> Run(SharesParty& party, std::span<const uint32_t> x);

 private:
  size_t count_ = 0;
  int bits_ = 0;
  std::vector<WordTransfers> transfers_;  // one for each bit, half of the values
};

}  // namespace privdnn
