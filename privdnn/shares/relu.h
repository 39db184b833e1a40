// Rectifiers of shared values.
#pragma once

#include <array>

#include "privdnn/shares/comparison.h"
#include "privdnn/shares/extension.h"

namespace privdnn {

// max(x, 0) of x shared modulo 2^k, as shares modulo 2^l, k < l <= 32 or l = k.
//
// Comparison, multiplexer and zero extension take the comparison's flows and one more. Prepared are a random bit
// rho = rho_0 xor rho_1 with an arithmetic sharing, a random a, and shares of rho a. The first flow opens x - a too, so
// that both parties hold shares of y_1 = rho x and y_0 = (1 - rho) x. Behind the comparison the bit
// beta = (x >= 0) xor rho xor 1 is opened, which is uniform, and y = max(x, 0) is y_0 or y_1. The extension needs the
// carry of y's shares (see Carry). The top bits of both candidates are opened in the same flow.
class Relu {
 public:
  static absl::StatusOr<Relu> Prepare(SharesParty& party, size_t count, int bits, int out_bits);
  // Uses the material up. x and the result have the count that was prepared, a multiple of kShareBatch.
  absl::StatusOr<ShareValues> Run(SharesParty& party, std::span<const uint32_t> x);

 private:
  absl::Status PrepareSelection(SharesParty& party);
  absl::Status PrepareArithmetic(SharesParty& party, const std::array<ShareValues, 2>& second,
                                 const ShareValues& received);
  bool extends() const { return out_bits_ > bits_; }

  size_t count_ = 0;
  int bits_ = 0, out_bits_ = 0;
  Comparison comparison_;
  ShareWords rho_;                   // share of the bit
  ShareValues rho_sum_, a_, rho_a_;  // shares modulo 2^k of rho, a and rho a
  std::array<Carry, 2> carries_;     // of both candidates
};

}  // namespace privdnn
