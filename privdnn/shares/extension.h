// From a smaller modulus to a larger one.
#pragma once

#include "privdnn/shares/bits.h"
#include "privdnn/shares/party.h"
#include "privdnn/shares/transfers.h"

namespace privdnn {

// Material for the carry of shares: y = share_0 + share_1 - 2^k w modulo 2^l for 0 <= y < 2^(k-1), where w = a or b for
// the shares' top bits a and b, each known to one party: w = a + b - a b. Both top bits are opened under random bits r
// and s; shares of r s modulo 2^(l-k) are prepared.
class Carry {
 public:
  // For `count` values, a multiple of kShareBatch, and `extra` = l - k bits, from 1 on. What this party corrects is
  // appended to `message`, which goes to the peer; Finish reads the peer's.
  static absl::StatusOr<Carry> Begin(SharesParty& party, size_t count, int extra, Bytes& message);
  void Finish(ShareReader& reader);

  const ShareWords& masks() const { return masks_; }       // this party's random bits
  const ShareValues& product() const { return product_; }  // share of the product of both parties'

 private:
  size_t half() const { return product_.size() / 2; }
  size_t sent_ = 0, got_ = 0;  // half of the values each way
  int extra_ = 0;
  ShareWords masks_;
  ShareValues product_, received_;
};

// A share of y modulo 2^l, before it is narrowed, of one modulo 2^bits: `u` is this party's top bit under its mask `r`,
// `v` the peer's; `rs` the product's share. `first` has all bits set for party 0.
inline uint32_t ExtendShare(uint32_t share, int bits, uint32_t u, uint32_t v, uint32_t r, uint32_t rs, uint32_t first) {
  const uint32_t u_sign = 1 - 2 * u, v_sign = 1 - 2 * v;
  const uint32_t both = (u & v & first) + v * u_sign * r + u_sign * v_sign * rs;
  return share + ((both - (u ^ r)) << bits);
}

// x modulo 2^l of x shared modulo 2^k, k < l <= 32, for -2^(k-2) <= x < 2^(k-2): as y = x + 2^(k-2). One flow.
class Extension {
 public:
  static absl::StatusOr<Extension> Prepare(SharesParty& party, size_t count, int bits, int out_bits);
  // Uses the material up.
  absl::StatusOr<ShareValues> Run(SharesParty& party, std::span<const uint32_t> x);

 private:
  int bits_ = 0, out_bits_ = 0;
  Carry carry_;
};

}  // namespace privdnn
