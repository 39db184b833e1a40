// Pointwise kernels on 52-bit words; the transforms are in avx512ifma_ntt.cc.
#if defined(__x86_64__)
#include "privdnn/ring/kernels/avx512ifma.h"

#include "privdnn/ring/kernels/avx512ifma_simd.h"

namespace privdnn::avx512ifma {
namespace {

constexpr size_t kTileWords = 8;  // kTile of kernels.h: one vector

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

// Weights come from memory in one long stream, which the hardware alone does not fetch far enough ahead.
constexpr size_t kPrefetchBytes = 1024;
inline void PrefetchAhead(const uint64_t* p) {
  // As an integer, since pointer arithmetic may not leave the array. NOLINTNEXTLINE(performance-no-int-to-ptr)
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(p) + kPrefetchBytes), _MM_HINT_T0);
}

// A load that is done once: the compiler would make it a memory operand of every multiplication.
inline V LoadOnce(const uint64_t* p) {
  V x = Load(p);
  asm("" : "+v"(x));
  return x;
}

// One tile of kRows neighbouring rows for kUnits units. Every weight in a register serves all units and every
// feature all rows. Low and high halves are summed apart, so that nothing is reduced inside the loop; 2 kRows kUnits
// accumulators, kRows weights and a feature must fit 32 registers.
template <size_t kRows, size_t kUnits>
class Block {
 public:
  // `features` and `out` at the tile, `out` and `weights` at the first row.
  static void Run(const Constants& c, size_t terms, const uint64_t* weights, const uint64_t* const* features,
                  uint64_t* const* out, size_t row_stride) {
    const size_t row_words = terms * kTileWords;
    Block sums;
    size_t j = 0;
    for (; j + kUnroll <= terms; j += kUnroll) {
      for (size_t u = 0; u < kUnroll; ++u) sums.Add(weights + (j + u) * kTileWords, row_words, features, j + u, u);
    }
    for (; j < terms; ++j) sums.Add(weights + j * kTileWords, row_words, features, j, 0);
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < kUnits; ++i) {
        V lo = sums.lo_[0][r][i], hi = sums.hi_[0][r][i];
        for (size_t u = 1; u < kUnroll; ++u) {
          lo = _mm512_add_epi64(lo, sums.lo_[u][r][i]);
          hi = _mm512_add_epi64(hi, sums.hi_[u][r][i]);
        }
        Store(out[i] + r * row_stride, ReduceSum(lo, hi, c));
      }
    }
  }

 private:
  // Where rows and units are few, neighbouring terms go to accumulators of their own: two multiplications start in a
  // cycle and take four, so fewer than 8 accumulators would leave the multipliers waiting.
  static constexpr size_t kUnroll = (4 + kRows * kUnits - 1) / (kRows * kUnits);
  static_assert(2 * kUnroll * kRows * kUnits + kRows + 1 <= 32);

  Block() {
    for (size_t u = 0; u < kUnroll; ++u) {
      for (size_t r = 0; r < kRows; ++r) {
        for (size_t i = 0; i < kUnits; ++i) lo_[u][r][i] = hi_[u][r][i] = _mm512_setzero_si512();
      }
    }
  }
  void Add(const uint64_t* weights, size_t row_words, const uint64_t* const* features, size_t term, size_t u) {
    V w[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      w[r] = LoadOnce(weights + r * row_words);
      PrefetchAhead(weights + r * row_words);
    }
    for (size_t i = 0; i < kUnits; ++i) {
      const V f = LoadOnce(features[i] + term * kTileWords);
      for (size_t r = 0; r < kRows; ++r) {
        lo_[u][r][i] = MulAddLow(lo_[u][r][i], w[r], f);
        hi_[u][r][i] = MulAddHigh(hi_[u][r][i], w[r], f);
      }
    }
  }
  V lo_[kUnroll][kRows][kUnits], hi_[kUnroll][kRows][kUnits];
};

using BlockFn = void (*)(const Constants& c, size_t terms, const uint64_t* weights, const uint64_t* const* features,
                         uint64_t* const* out, size_t row_stride);
constexpr size_t kMaxBlockRows = 4, kMaxBlockUnits = 4;
// [rows - 1][units - 1]; four rows of four units would not fit the registers.
constexpr BlockFn kBlocks[kMaxBlockRows][kMaxBlockUnits] = {
    {Block<1, 1>::Run, Block<1, 2>::Run, Block<1, 3>::Run, Block<1, 4>::Run},
    {Block<2, 1>::Run, Block<2, 2>::Run, Block<2, 3>::Run, Block<2, 4>::Run},
    {Block<3, 1>::Run, Block<3, 2>::Run, Block<3, 3>::Run, Block<3, 4>::Run},
    {Block<4, 1>::Run, Block<4, 2>::Run, Block<4, 3>::Run, nullptr},
};

inline uint64_t SumLanes(V x) {
  alignas(64) uint64_t lanes[8];
  Store(lanes, x);
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace

// More than kMaxBlockUnits units are two parts that follow one another for the same few rows: the second part finds
// their weights in the first- or second-level cache, so memory is still read once.
void InnerProducts(const ModulusView& modulus, const InnerProductArgs& args) {
  const Constants c(modulus);
  const size_t parts = args.units > kMaxBlockUnits ? 2 : 1;
  const size_t first = (args.units + parts - 1) / parts;  // units of the first part, the larger
  const size_t block_rows = first == kMaxBlockUnits ? kMaxBlockRows - 1 : kMaxBlockRows;
  const size_t row_words = args.terms * kTileWords;
  const uint64_t* features[2 * kMaxBlockUnits];
  uint64_t* out[2 * kMaxBlockUnits];
  for (size_t tile = 0; tile < args.tiles; ++tile) {
    for (size_t i = 0; i < args.units; ++i) {
      features[i] = args.features[i] + tile * row_words;
      out[i] = args.out[i] + tile * kTileWords;
    }
    const uint64_t* weights = args.weights + tile * args.rows * row_words;
    for (size_t row = 0; row < args.rows; row += block_rows, weights += block_rows * row_words) {
      const size_t rows = args.rows - row < block_rows ? args.rows - row : block_rows;
      kBlocks[rows - 1][first - 1](c, args.terms, weights, features, out, args.row_stride);
      if (parts == 2) {
        kBlocks[rows - 1][args.units - first - 1](c, args.terms, weights, features + first, out + first,
                                                  args.row_stride);
      }
      for (size_t i = 0; i < args.units; ++i) out[i] += rows * args.row_stride;
    }
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
  // Each store fills a line of its own. What is larger than a second-level cache is gone from it before it is read, so
  // its lines need not be fetched before they are overwritten.
  constexpr size_t kCacheBytes = 2 << 20;
  if (n * terms * sizeof(uint64_t) >= kCacheBytes) {
    for (size_t k = 0; k < n; k += kTileWords, dst += terms * kTileWords) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(dst), Load(src + k));
    }
    _mm_sfence();  // other threads read this
    return;
  }
  for (size_t k = 0; k < n; k += kTileWords, dst += terms * kTileWords) Store(dst, Load(src + k));
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
