// Oblivious transfers from public-key cryptography, as few as extensions need to start from.
#pragma once

#include <array>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/base/secret.h"
#include "privdnn/ot/block.h"
#include "privdnn/ot/channel.h"

namespace privdnn {

// Endemic oblivious transfer of random blocks (Masny, Rindal: Endemic Oblivious Transfer, CCS 2019, figure 8, from
// Diffie-Hellman) in ristretto255 (libsodium), secure against malicious parties in the random oracle model. The
// receiver takes random r_(1-c) and r_c = x G - H_c(r_(1-c)), and sends (r_0, r_1). The sender sends A = y G, and takes
// k_i = KDF(y (r_i + H_i(r_(1-i)))); the receiver's is KDF(x A). One flow, both messages at once.
//
// Return one pair, or one block, for each transfer. Both parties must pass the same `context`, which separates this
// from other runs. Fail if the peer's message is malformed.
absl::StatusOr<Secret<std::array<Block, 2>>> SendBaseOts(size_t count, std::span<const uint8_t> context,
                                                         RandomSource& random, Channel& channel);
// `choices` holds one 0 or 1 for each transfer.
absl::StatusOr<Secret<Block>> ReceiveBaseOts(const Secret<uint8_t>& choices, std::span<const uint8_t> context,
                                             RandomSource& random, Channel& channel);

}  // namespace privdnn
