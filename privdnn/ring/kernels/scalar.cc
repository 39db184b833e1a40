// Portable kernels: the specification of all others.
#include <cassert>
#include <cstring>

#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

using U128 = unsigned __int128;

uint64_t MulHigh(uint64_t a, uint64_t b) { return static_cast<uint64_t>((static_cast<U128>(a) * b) >> 64); }

// w * y modulo q, in [0, 2q), for w < q and any 64-bit y; shoup = floor(w * 2^64 / q) (Harvey 2014, section 2).
uint64_t MulShoupLazy(uint64_t y, uint64_t w, uint64_t shoup, uint64_t q) { return w * y - MulHigh(shoup, y) * q; }

// Cooley-Tukey butterflies after David Harvey, "Faster arithmetic for number-theoretic transforms", 2014, algorithm 2.
// Harvey subtracts 2q from X where needed to stay in [0, 4q). With q < 2^50 a 64-bit word has room to leave this out:
// a stage adds at most 2q, so 14 stages stay below 29q < 2^55, and one reduction at the end does.
void NttForward(const NttTables& tables, uint64_t* values) {
  const uint64_t q = tables.modulus.value();
  for (size_t blocks = 1, t = tables.n / 2; t >= 1; blocks *= 2, t /= 2) {
    for (size_t i = 0; i < blocks; ++i) {
      const uint64_t w = tables.roots[blocks + i];
      const uint64_t shoup = tables.roots_shoup64[blocks + i];
      uint64_t* x = values + 2 * i * t;
      uint64_t* y = x + t;
      for (size_t j = 0; j < t; ++j) {
        // In stage s = 0, 1, ...: X and Y in [0, (2s+1)q); out in [0, (2s+3)q).
        const uint64_t u = x[j];
        const uint64_t v = MulShoupLazy(y[j], w, shoup, q);  // [0, 2q)
        x[j] = u + v;
        y[j] = u + 2 * q - v;
      }
    }
  }
  for (size_t k = 0; k < tables.n; ++k) values[k] = tables.modulus.ReduceWord(values[k]);
}

// Gentleman-Sande butterflies after Harvey 2014, algorithm 3, again without the subtractions: sums double with each of
// at most 14 stages and stay below 2^14 q < 2^64.
void NttInverse(const NttTables& tables, uint64_t* values) {
  const uint64_t q = tables.modulus.value();
  uint64_t bound = q;  // every value is below: q, then 2^s q after stage s
  for (size_t blocks = tables.n / 2, t = 1; blocks > 1; blocks /= 2, t *= 2, bound *= 2) {
    for (size_t i = 0; i < blocks; ++i) {
      const uint64_t w = tables.inverse_roots[blocks + i];
      const uint64_t shoup = tables.inverse_roots_shoup64[blocks + i];
      uint64_t* x = values + 2 * i * t;
      uint64_t* y = x + t;
      for (size_t j = 0; j < t; ++j) {
        // X and Y in [0, bound); out: [0, 2 bound) and [0, 2q).
        const uint64_t u = x[j];
        const uint64_t v = y[j];
        x[j] = u + v;
        y[j] = MulShoupLazy(u + bound - v, w, shoup, q);
      }
    }
  }
  // The last stage also divides by N: both halves are multiplied.
  const size_t half = tables.n / 2;
  for (size_t j = 0; j < half; ++j) {
    const uint64_t u = values[j];
    const uint64_t v = values[j + half];
    const uint64_t sum = MulShoupLazy(u + v, tables.inverse_roots[0], tables.inverse_roots_shoup64[0], q);
    const uint64_t difference =
        MulShoupLazy(u + bound - v, tables.inverse_roots[1], tables.inverse_roots_shoup64[1], q);
    values[j] = tables.modulus.ReduceOnce(sum);
    values[j + half] = tables.modulus.ReduceOnce(difference);
  }
}

void InnerProducts(const Modulus& modulus, const InnerProductArgs& args) {
  const auto& [tiles, rows, terms, units, weights, features, out, row_stride] = args;
  assert(terms >= 1 && terms <= kMaxTerms && units >= 1 && units <= kMaxUnitsPerPass);
  for (size_t tile = 0; tile < tiles; ++tile) {
    for (size_t row = 0; row < rows; ++row) {
      const uint64_t* w = weights + (tile * rows + row) * terms * kTile;
      for (size_t i = 0; i < units; ++i) {
        const uint64_t* f = features[i] + tile * terms * kTile;
        U128 sums[kTile] = {};  // below 2^12 * 2^100
        for (size_t j = 0; j < terms; ++j) {
          for (size_t lane = 0; lane < kTile; ++lane) {
            sums[lane] += static_cast<U128>(w[j * kTile + lane]) * f[j * kTile + lane];
          }
        }
        uint64_t* to = out[i] + row * row_stride + tile * kTile;
        for (size_t lane = 0; lane < kTile; ++lane) to[lane] = modulus.Reduce(sums[lane]);
      }
    }
  }
}

void Multiply(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  for (size_t k = 0; k < n; ++k) out[k] = modulus.Mul(a[k], b[k]);
}

void Add(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  for (size_t k = 0; k < n; ++k) out[k] = modulus.Add(a[k], b[k]);
}

void LiftSigned(const Modulus& modulus, size_t n, const int32_t* small, uint64_t* out) {
  for (size_t k = 0; k < n; ++k) out[k] = modulus.FromSigned(small[k]);
}

void ScatterTiles(size_t n, size_t terms, size_t term, const uint64_t* src, uint64_t* dst) {
  assert(term < terms);
  for (size_t tile = 0; tile < n / kTile; ++tile) {
    std::memcpy(dst + (tile * terms + term) * kTile, src + tile * kTile, kTile * sizeof(uint64_t));
  }
}

constexpr Kernels kScalar = {.name = "scalar",
                             .supported = [] { return true; },
                             .ntt_forward = NttForward,
                             .ntt_inverse = NttInverse,
                             .inner_products = InnerProducts,
                             .multiply = Multiply,
                             .add = Add,
                             .lift_signed = LiftSigned,
                             .scatter_tiles = ScatterTiles};

}  // namespace

const Kernels& ScalarKernels() { return kScalar; }

}  // namespace privdnn
