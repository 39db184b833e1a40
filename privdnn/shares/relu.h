// Rectifiers of shared values.
#pragma once

#include <array>

#include "privdnn/shares/comparison.h"

namespace privdnn {

// max(x, 0) of x shared modulo 2^k, as shares modulo 2^l, k < l <= 32 or l = k.
//
// Comparison, multiplexer and zero extension take the comparison's flows and one more. Prepared are a random bit
// rho = rho_0 xor rho_1 with an arithmetic sharing, a random a, and shares of rho a. The first flow opens x - a too, so
// that both parties hold shares of y_1 = rho x and y_0 = (1 - rho) x. Behind the comparison the bit
// beta = (x >= 0) xor rho xor 1 is opened, which is uniform, and y = max(x, 0) is y_0 or y_1. The extension needs the
// carry of y's shares, w = msb(y_0) or msb(y_1) for y >= 0 and below 2^(k-1): y = share_0 + share_1 - 2^k w modulo 2^l.
// The top bits of both candidates are opened under random bits in the same flow, whose products are prepared.
class Relu {
 public:
  static absl::StatusOr<Relu> Prepare(SharesParty& party, size_t count, int bits, int out_bits);
  // Uses the material up. x and the result have the count that was prepared, a multiple of kShareBatch.
  absl::StatusOr<ShareValues> Run(SharesParty& party, std::span<const uint32_t> x);

 private:
  struct Candidate {
    ShareWords masks;     // own random bits
    ShareValues product;  // share of the product of both parties' masks, modulo 2^(l-k)
  };
  absl::Status PrepareSelection(SharesParty& party);
  absl::Status PrepareArithmetic(SharesParty& party, const std::array<ShareValues, 2>& second,
                                 const ShareValues& received);
  bool extends() const { return out_bits_ > bits_; }

  size_t count_ = 0;
  int bits_ = 0, out_bits_ = 0;
  Comparison comparison_;
  ShareWords rho_;                   // share of the bit
  ShareValues rho_sum_, a_, rho_a_;  // shares modulo 2^k of rho, a and rho a
  std::array<Candidate, 2> candidates_;
};

}  // namespace privdnn
