// Pointwise kernels on 52-bit words; the transforms are in avx512ifma_ntt.cc.
#if defined(__x86_64__)
#include "ring/kernels/avx512ifma.h"

#include "ring/kernels/avx512ifma_simd.h"

namespace privdnn::avx512ifma {
namespace {

constexpr size_t kTileWords = 16;  // kTile of kernels.h
constexpr size_t kVectors = kTileWords / 8;

struct Constants {
  explicit Constants(const ModulusView& m)
      : q(Broadcast(m.q)),
        two_q(Broadcast(2 * m.q)),
        minus_q(Broadcast(0 - m.q)),
        one_shoup(Broadcast(m.one_shoup)),
        pow52(Broadcast(m.pow52)),
        pow52_shoup(Broadcast(m.pow52_shoup)),
        pow104(Broadcast(m.pow104)),
        pow104_shoup(Broadcast(m.pow104_shoup)) {}
  V q, two_q;
  V minus_q;  // its low 52 bits are 2^52 - q: adding lo(x * minus_q) subtracts x*q mod 2^52
  V one_shoup, pow52, pow52_shoup, pow104, pow104_shoup;
  V mask = Broadcast((uint64_t{1} << 52) - 1);
};

// Below, a Shoup product w*x - floor(w_shoup*x / 2^52)*q is in [0, q(1 + x/2^52)), for any x < 2^52; sums of such
// products share one multiplication by q and are right modulo 2^52, hence right while they are below 4q < 2^52.

// lo + 2^52 hi mod q, in [0, q), for any lo and for hi < 2^60.
inline V ReduceSum(V lo, V hi, const Constants& c) {
  const V middle = _mm512_add_epi64(hi, _mm512_srli_epi64(lo, 52));  // < 2^60 + 2^12; multiplication takes 52 bits
  const V top = _mm512_srli_epi64(middle, 52);                       // <= 2^8
  // 2^52 middle + 2^104 top: [0, 2q) + [0, q(1 + 2^-44)], below 4q.
  V quotient = MulAddHigh(MulHigh(middle, c.pow52_shoup), top, c.pow104_shoup);
  V upper = MulAddLow(MulAddLow(_mm512_setzero_si512(), middle, c.pow52), top, c.pow104);
  upper = _mm512_and_si512(MulAddLow(upper, quotient, c.minus_q), c.mask);
  // lo mod 2^52: [0, 2q).
  quotient = MulHigh(lo, c.one_shoup);
  const V lower = _mm512_and_si512(MulAddLow(lo, quotient, c.minus_q), c.mask);
  const V sum = _mm512_add_epi64(ReduceOnce(upper, c.two_q), lower);  // [0, 4q)
  return ReduceOnce(ReduceOnce(sum, c.two_q), c.q);
}

// a*b mod q for a, b in [0, q).
inline V MulMod(V a, V b, const Constants& c) {
  const V lo = MulAddLow(_mm512_setzero_si512(), a, b);  // < 2^52
  const V hi = MulHigh(a, b);                            // < 2^48
  // [0, q(1 + 2^-4)) + [0, 2q), below 4q.
  const V quotient = MulAddHigh(MulHigh(hi, c.pow52_shoup), lo, c.one_shoup);
  const V sum = _mm512_and_si512(MulAddLow(MulAddLow(lo, hi, c.pow52), quotient, c.minus_q), c.mask);
  return ReduceOnce(ReduceOnce(sum, c.two_q), c.q);
}

// Weights come from memory in one long stream, which the hardware alone does not fetch far enough ahead: this many
// bytes gain 15 % with one image and 5 to 35 % with four.
constexpr size_t kPrefetchBytes = 1024;
inline void PrefetchAhead(const uint64_t* p) {
  // As an integer, since pointer arithmetic may not leave the array. NOLINTNEXTLINE(performance-no-int-to-ptr)
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(p) + kPrefetchBytes), _MM_HINT_T0);
}

// A load that is done once: the compiler would make it a memory operand of both multiplications.
inline V LoadOnce(const uint64_t* p) {
  V x = Load(p);
  asm("" : "+v"(x));
  return x;
}

// Sums of one tile for several images: low and high halves apart, so that nothing is reduced inside the loop. kUnroll
// terms go to accumulators of their own, to hide the latency of the multiplications when there are few images.
template <size_t kImages, size_t kUnroll>
struct Sums {
  V lo[kUnroll][kImages][kVectors];
  V hi[kUnroll][kImages][kVectors];

  Sums() {
    for (size_t u = 0; u < kUnroll; ++u) {
      for (size_t i = 0; i < kImages; ++i) {
        for (size_t v = 0; v < kVectors; ++v) lo[u][i][v] = hi[u][i][v] = _mm512_setzero_si512();
      }
    }
  }
  // Adds the term at word `offset` of a tile.
  void Add(const uint64_t* weights, const uint64_t* const* features, size_t offset, size_t u) {
    for (size_t v = 0; v < kVectors; ++v) {
      const V w = LoadOnce(weights + offset + 8 * v);
      PrefetchAhead(weights + offset + 8 * v);
      for (size_t i = 0; i < kImages; ++i) {
        const V f = LoadOnce(features[i] + offset + 8 * v);
        lo[u][i][v] = MulAddLow(lo[u][i][v], w, f);
        hi[u][i][v] = MulAddHigh(hi[u][i][v], w, f);
      }
    }
  }
};

template <size_t kImages, size_t kUnroll>
void InnerProductOf(const Constants& c, size_t n, size_t terms, const uint64_t* weights,
                    const uint64_t* const* features, uint64_t* const* out) {
  const size_t tile_words = terms * kTileWords;
  for (size_t tile = 0; tile < n / kTileWords; ++tile) {
    const uint64_t* w = weights + tile * tile_words;
    const uint64_t* f[kImages];
    for (size_t i = 0; i < kImages; ++i) f[i] = features[i] + tile * tile_words;
    Sums<kImages, kUnroll> sums;
    size_t j = 0;
    for (; j + kUnroll <= terms; j += kUnroll) {
      for (size_t u = 0; u < kUnroll; ++u) sums.Add(w, f, (j + u) * kTileWords, u);
    }
    for (; j < terms; ++j) sums.Add(w, f, j * kTileWords, 0);
    for (size_t i = 0; i < kImages; ++i) {
      for (size_t v = 0; v < kVectors; ++v) {
        V lo = sums.lo[0][i][v], hi = sums.hi[0][i][v];
        for (size_t u = 1; u < kUnroll; ++u) {
          lo = _mm512_add_epi64(lo, sums.lo[u][i][v]);
          hi = _mm512_add_epi64(hi, sums.hi[u][i][v]);
        }
        Store(out[i] + tile * kTileWords + 8 * v, ReduceSum(lo, hi, c));
      }
    }
  }
}

inline uint64_t SumLanes(V x) {
  alignas(64) uint64_t lanes[8];
  Store(lanes, x);
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void InnerProduct(const ModulusView& modulus, size_t n, size_t terms, const uint64_t* weights,
                  const uint64_t* const* features, size_t images, uint64_t* const* out) {
  const Constants c(modulus);
  switch (images) {
    case 1:
      return InnerProductOf<1, 4>(c, n, terms, weights, features, out);
    case 2:
      return InnerProductOf<2, 2>(c, n, terms, weights, features, out);
    case 3:
      return InnerProductOf<3, 1>(c, n, terms, weights, features, out);
    default:
      return InnerProductOf<4, 1>(c, n, terms, weights, features, out);
  }
}

void Multiply(const ModulusView& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  const Constants c(modulus);
  for (size_t k = 0; k < n; k += 8) Store(out + k, MulMod(Load(a + k), Load(b + k), c));
}

void Add(const ModulusView& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  const V q = Broadcast(modulus.q);
  for (size_t k = 0; k < n; k += 8) Store(out + k, ReduceOnce(_mm512_add_epi64(Load(a + k), Load(b + k)), q));
}

void LiftSigned(const ModulusView& modulus, size_t n, const int32_t* small, uint64_t* out) {
  const Constants c(modulus);
  // The least multiple of q that is at least 2^31 makes every value positive: below 2^32 + q < 2^52.
  const V offset = Broadcast(((uint64_t{1} << 31) + modulus.q - 1) / modulus.q * modulus.q);
  for (size_t k = 0; k < n; k += 8) {
    const __m256i s = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(small + k));
    const V x = _mm512_add_epi64(_mm512_cvtepi32_epi64(s), offset);
    const V r = _mm512_and_si512(MulAddLow(x, MulHigh(x, c.one_shoup), c.minus_q), c.mask);  // [0, 2q)
    Store(out + k, ReduceOnce(r, c.q));
  }
}

void ScatterTiles(size_t n, size_t terms, size_t term, const uint64_t* src, uint64_t* dst) {
  dst += term * kTileWords;
  for (size_t k = 0; k < n; k += kTileWords, dst += terms * kTileWords) {
    for (size_t v = 0; v < kVectors; ++v) Store(dst + 8 * v, Load(src + k + 8 * v));
  }
}

uint64_t MultiplyAddProbe(uint64_t iterations) {
  constexpr size_t kChains = 2 * kProbeMacs / 8;  // independent, and more than latency times throughput
  V sums[kChains];
  for (size_t i = 0; i < kChains; ++i) sums[i] = Broadcast(i + 1);
  V a = Broadcast(iterations | 1), b = Broadcast(iterations * 0x9e3779b97f4a7c15 | 1);
  for (uint64_t k = 0; k < iterations; ++k) {
    asm volatile("" : "+v"(a), "+v"(b));  // the compiler must not know that the factors never change
    for (size_t i = 0; i < kChains; i += 2) {
      sums[i] = MulAddLow(sums[i], a, b);
      sums[i + 1] = MulAddHigh(sums[i + 1], a, b);
    }
  }
  V total = sums[0];
  for (size_t i = 1; i < kChains; ++i) total = _mm512_add_epi64(total, sums[i]);
  return SumLanes(total);
}

uint64_t StreamProbe(const uint64_t* data, size_t count) {
  V sums[8];
  for (V& s : sums) s = _mm512_setzero_si512();
  for (size_t k = 0; k < count; k += 64) {
    for (size_t i = 0; i < 8; ++i) sums[i] = _mm512_add_epi64(sums[i], Load(data + k + 8 * i));
  }
  V total = sums[0];
  for (size_t i = 1; i < 8; ++i) total = _mm512_add_epi64(total, sums[i]);
  return SumLanes(total);
}

}  // namespace privdnn::avx512ifma
#endif  // __x86_64__
