// Correlated oblivious transfer: the sender holds a secret Delta and a block q_j for each transfer, the receiver a
// random bit r_j and t_j = q_j + r_j Delta, + in GF(2)^128. Delta's low bit is 1 and each q_j's is 0, so that t_j's is
// r_j.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "privdnn/base/random.h"
#include "privdnn/base/secret.h"
#include "privdnn/ot/block.h"
#include "privdnn/ot/channel.h"
#include "privdnn/ot/kernels/kernels.h"

namespace privdnn {

enum class OtRole { kSender, kReceiver };

// Makes correlations. Its two ends, one of each role, make the same calls in the same order.
class CotSource {
 public:
  virtual ~CotSource() = default;
  virtual OtRole role() const = 0;
  // The sender's Delta. The receiver has none.
  virtual const Block& delta() const = 0;
  // Fills `out` with q_j, or with t_j. Fails if the peer is found to deviate from the protocol; the source must not be
  // used after that.
  virtual absl::Status Make(std::span<Block> out, Channel& channel) = 0;
};

// What a source is made of.
struct OtOptions {
  const OtKernels* kernels;
  // Separates this source from all others of this and other sessions; both parties pass the same.
  std::span<const uint8_t> context;
};

// IKNP (Ishai, Kilian, Nissim, Petrank, CRYPTO 2003) with a consistency check against a receiver that deviates: 16
// bytes of communication a transfer, two blocks of AES.
//
// For each bit i of Delta the receiver has two seeds, of which the sender knows number Delta_i (128 base transfers).
// The receiver expands them to rows of bits t_i and t'_i, and sends u_i = t_i + t'_i + r. The sender's row is q_i = t_i
// + Delta_i r. A receiver that takes another r for a row is found unless it guessed Delta_i: both parties hash their
// rows with a random linear function R into GF(2^128), drawn by Fiat and Shamir's method from all u_i; the receiver
// sends R(r) and all R(t_i); R(q_i) must be R(t_i) + Delta_i R(r). 128 transfers are sacrificed as R's masks. It is the
// check that is proven by Roy (SoftSpokenOT, CRYPTO 2022, section 4, for the repetition code and q = 2), whose
// section 1.2 shows a gap in the proof of the shorter one of KOS (CRYPTO 2015).
absl::StatusOr<std::unique_ptr<CotSource>> MakeIknp(OtRole role, const OtOptions& options, RandomSource& random,
                                                    Channel& channel);

}  // namespace privdnn
