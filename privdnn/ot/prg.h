// Pseudorandom bits, and the hash that breaks the correlation of correlated oblivious transfers.
#pragma once

#include <cstdint>
#include <span>

#include "privdnn/base/secret.h"
#include "privdnn/ot/block.h"
#include "privdnn/ot/kernels/kernels.h"

namespace privdnn {

// AES-128 in counter mode under a secret seed.
class Prg {
 public:
  explicit Prg(const OtKernels& kernels, const Block& seed);
  Prg(Prg&&) noexcept = default;
  Prg& operator=(Prg&&) noexcept = default;

  void Fill(std::span<Block> out);

 private:
  const OtKernels* kernels_;
  Secret<AesRoundKeys> keys_;
  uint64_t counter_ = 0;
};

// H(x, i) = pi(pi(x) + i) + pi(x), pi being AES-128 under a public key, + addition in GF(2)^128: tweakable, circular
// correlation robust if pi is an ideal permutation (Guo, Katz, Wang, Yu: Efficient and Secure Multiparty Computation
// from Fixed-Key Block Ciphers, S&P 2020, section 7.4). Correlated transfers q_i, q_i + Delta give independent masks
// H(q_i, i), H(q_i + Delta, i) to whoever does not know Delta, even if it chose q_i. Each session takes a fresh random
// key, so that an attacker on many sessions is no better off than on one (multi-instance bound, ibid., section 8).
class CorrelationRobustHash {
 public:
  CorrelationRobustHash(const OtKernels& kernels, const Block& session_key);

  // out[k] = H(in[k], first_tweak + k / per_tweak). The two may be the same. A tweak must not be used for two
  // correlations.
  void operator()(std::span<const Block> in, uint64_t first_tweak, std::span<Block> out, size_t per_tweak = 1) const;

 private:
  const OtKernels* kernels_;
  AesRoundKeys keys_;
};

}  // namespace privdnn
