// What oblivious transfer spends its time on, for each instruction set. Portable() is the specification: the others
// give the same bits. All run in constant time.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "privdnn/base/status.h"
#include "privdnn/ot/block.h"

namespace privdnn {

// The 11 round keys of AES-128 (FIPS 197, section 5.2), in the order of their use. The first is the key itself.
struct AesRoundKeys {
  Block round[11];
};

struct OtKernels {
  const char* name;
  bool (*supported)();
  void (*aes_expand)(const Block& key, AesRoundKeys& keys);
  // Encrypts each block by itself, in place. Keys must be those of this kernel's aes_expand.
  void (*aes_encrypt)(const AesRoundKeys& keys, Block* blocks, size_t count);
  // Returns sum_i a[i] b[i] in GF(2^128) = GF(2)[X]/(X^128 + X^7 + X^2 + X + 1); bit i of a block is the coefficient of
  // X^i.
  Block (*gf128_inner_product)(const Block* a, const Block* b, size_t count);
};

const OtKernels& PortableOtKernels();  // AES of OpenSSL, products by integer multiplication
const OtKernels& AesNiOtKernels();     // AES-NI, PCLMULQDQ
const OtKernels& VaesOtKernels();      // AVX-512 with VAES and VPCLMULQDQ

// The best first.
std::span<const OtKernels* const> AllOtKernels();
// Returns the best that this processor supports, or the one that PRIVDNN_OT_KERNEL names. Fails if that is unknown or
// not supported.
absl::StatusOr<const OtKernels*> ChooseOtKernels();

}  // namespace privdnn
