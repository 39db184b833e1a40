#include "privdnn/ring/modulus.h"

#include <bit>
#include <cassert>

namespace privdnn {
namespace {

using U128 = unsigned __int128;

// Strong probable prime to base `base` (Miller-Rabin), m.value() odd.
bool PassesMillerRabin(const Modulus& m, uint64_t base) {
  const uint64_t q = m.value();
  const int twos = std::countr_zero(q - 1);
  uint64_t x = m.Pow(base, (q - 1) >> twos);
  if (x == 1 || x == q - 1) return true;
  for (int i = 1; i < twos; ++i) {
    x = m.Mul(x, x);
    if (x == q - 1) return true;
  }
  return false;
}

}  // namespace

Modulus::Modulus(uint64_t q)
    : q_(q),
      bits_(std::bit_width(q)),
      barrett_(static_cast<uint64_t>((U128{1} << 64) / q)),
      pow2_64_(static_cast<uint64_t>((U128{1} << 64) % q)),
      pow2_64_shoup_(ShoupQuotient64(pow2_64_)),
      signed_offset_(((uint64_t{1} << 62) + q - 1) / q * q) {
  const auto shoup52 = [this](uint64_t w) { return ShoupQuotient64(w) >> 12; };  // floor(floor(w*2^64/q) / 2^12)
  const auto pow52 = (uint64_t{1} << 52) % q;
  const auto pow104 = static_cast<uint64_t>((U128{1} << 104) % q);
  powers52_ = {.one_shoup = shoup52(1),
               .pow52 = pow52,
               .pow52_shoup = shoup52(pow52),
               .pow104 = pow104,
               .pow104_shoup = shoup52(pow104)};
}

absl::StatusOr<Modulus> Modulus::Create(uint64_t q) {
  if (q <= uint64_t{1} << kMinModulusBits || q >= uint64_t{1} << kMaxModulusBits) {
    return InvalidArgument("modulus {} is not between 2^{} and 2^{}", q, kMinModulusBits, kMaxModulusBits);
  }
  const Modulus m(q);
  // The first twelve primes as bases decide every number below 3.3 * 10^24 (Sorenson and Webster, "Strong pseudoprimes
  // to twelve prime bases", 2017).
  bool prime = q % 2 == 1;
  for (const uint64_t base : {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37}) prime = prime && PassesMillerRabin(m, base);
  if (!prime) return InvalidArgument("modulus {} is not an odd prime", q);
  return m;
}

uint64_t Modulus::Pow(uint64_t base, uint64_t exponent) const {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result = Mul(result, base);
    base = Mul(base, base);
  }
  return result;
}

uint64_t Modulus::Inverse(uint64_t a) const {
  assert(a != 0);
  return Pow(a, q_ - 2);  // Fermat
}

std::vector<uint64_t> NttPrimes(size_t count) {
  assert(count <= 16);
  std::vector<uint64_t> primes;
  constexpr uint64_t kStep = uint64_t{1} << 15;
  for (uint64_t q = (uint64_t{1} << kMaxModulusBits) - kStep + 1; primes.size() < count; q -= kStep) {
    if (Modulus::Create(q).ok()) primes.push_back(q);
  }
  return primes;
}

}  // namespace privdnn
