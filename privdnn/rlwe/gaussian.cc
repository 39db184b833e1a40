#include "privdnn/rlwe/gaussian.h"

#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "privdnn/base/secret.h"

namespace privdnn {
namespace {

// ln x for a positive normal x. x = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m-1)/(m+1),
// |s| <= 0.1716: the series' first dropped term is s^23/23 < 2^-62.
double Log(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const int64_t k = static_cast<int64_t>(bits - kSqrtHalf) >> 52;
  const double m = std::bit_cast<double>(bits - (static_cast<uint64_t>(k) << 52));
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 1.0 / 21;
  for (int d = 19; d >= 1; d -= 2) p = p * z + 1.0 / d;  // unrolled by the compiler; the bound is public
  return static_cast<double>(k) * std::numbers::ln2 + 2 * s * p;
}

// sin(2 pi h) for |h| <= 1/4; the Taylor series' first dropped term is (pi/2)^25/25! < 2^-67.
double SinTurns(double h) {
  const double y = 2 * std::numbers::pi * h;
  const double z = y * y;
  double p = 1;
  for (int d = 22; d >= 2; d -= 2) p = 1 - p * z / (d * (d + 1));
  return y * p;
}

}  // namespace

void SampleNormal(RandomSource& random, std::span<double> out) {
  assert(out.size() % 2 == 0);
  std::array<uint64_t, 128> words;
  while (!out.empty()) {
    const size_t count = out.size() < words.size() ? out.size() : words.size();
    random.Fill(std::span(words).first(count));
    for (size_t i = 0; i < count; i += 2) {
      // u in (0, 1], an odd multiple of 2^-63; signed, since converting unsigned integers branches on the top bit.
      const double u = static_cast<double>(static_cast<int64_t>(words[i] >> 1 | 1)) * 0x1p-63;
      const double radius = std::sqrt(-2 * Log(u) + 0x1p-60);
      const double turn = static_cast<double>(static_cast<int64_t>(words[i + 1])) * 0x1p-64;  // in [-1/2, 1/2]
      const double a = std::fabs(turn);
      out[i] = radius * SinTurns(0.25 - a);  // cos(2 pi a) = sin(2 pi (1/4 - a))
      out[i + 1] = radius * SinTurns(std::copysign(0.25 - std::fabs(a - 0.25), turn));
    }
    out = out.subspan(count);
  }
  OPENSSL_cleanse(words.data(), sizeof words);
}

}  // namespace privdnn
