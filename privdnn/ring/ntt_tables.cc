#include "privdnn/ring/ntt_tables.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace privdnn {
namespace {

// The smallest x with x^n = -1 mod q; n a power of two, q = 1 mod 2n prime.
uint64_t SmallestPrimitiveRoot(size_t n, const Modulus& q) {
  // Half of all residues are non-squares, and x^((q-1)/2n) is a primitive 2n-th root exactly for those.
  uint64_t any = 0;
  for (uint64_t x = 2; any == 0; ++x) {
    const uint64_t candidate = q.Pow(x, (q.value() - 1) / (2 * n));
    if (q.Pow(candidate, n) == q.value() - 1) any = candidate;
  }
  // The others are its odd powers.
  const uint64_t square = q.Mul(any, any);
  uint64_t smallest = any;
  uint64_t power = any;
  for (size_t i = 1; i < n; ++i) {
    power = q.Mul(power, square);
    smallest = std::min(smallest, power);
  }
  return smallest;
}

size_t BitReverse(size_t x, int bits) {
  size_t reversed = 0;
  for (int i = 0; i < bits; ++i) reversed |= ((x >> i) & 1) << (bits - 1 - i);
  return reversed;
}

// table[bitreverse(k)] = base^k.
AlignedVector<uint64_t> BitReversedPowers(size_t n, const Modulus& q, uint64_t base) {
  AlignedVector<uint64_t> table(n);
  const int bits = std::countr_zero(n);
  uint64_t power = 1;
  for (size_t k = 0; k < n; ++k) {
    table[BitReverse(k, bits)] = power;
    power = q.Mul(power, base);
  }
  return table;
}

void FillQuotients(const Modulus& q, const AlignedVector<uint64_t>& roots, AlignedVector<uint64_t>& shoup64,
                   AlignedVector<uint64_t>& shoup52) {
  for (const uint64_t w : roots) {
    shoup64.push_back(q.ShoupQuotient64(w));
    shoup52.push_back(shoup64.back() >> 12);  // floor(floor(w * 2^64 / q) / 2^12) = floor(w * 2^52 / q)
  }
}

}  // namespace

absl::StatusOr<NttTables> NttTables::Create(size_t n, const Modulus& q) {
  if (!std::has_single_bit(n) || n < 16 || n > 16384) {
    return InvalidArgument("ring degree {} is not a power of two between 16 and 16384", n);
  }
  if (q.value() % (2 * n) != 1) {
    return InvalidArgument("modulus {} is not 1 modulo 2N = {}: it has no NTT of this degree", q.value(), 2 * n);
  }
  NttTables t{.n = n,
              .modulus = q,
              .psi = SmallestPrimitiveRoot(n, q),
              .roots = {},
              .roots_shoup64 = {},
              .roots_shoup52 = {},
              .inverse_roots = {},
              .inverse_roots_shoup64 = {},
              .inverse_roots_shoup52 = {}};
  for (auto* v : {&t.roots_shoup64, &t.roots_shoup52, &t.inverse_roots_shoup64, &t.inverse_roots_shoup52}) {
    v->reserve(n);
  }
  t.roots = BitReversedPowers(n, q, t.psi);
  t.inverse_roots = BitReversedPowers(n, q, q.Inverse(t.psi));
  t.inverse_roots[0] = q.Inverse(n);
  t.inverse_roots[1] = q.Mul(t.inverse_roots[1], t.inverse_roots[0]);
  FillQuotients(q, t.roots, t.roots_shoup64, t.roots_shoup52);
  FillQuotients(q, t.inverse_roots, t.inverse_roots_shoup64, t.inverse_roots_shoup52);
  return t;
}

}  // namespace privdnn
