// The negacyclic NTT on 52-bit words. All values are in [0, 4q) between butterflies of the forward transform and in
// [0, 2q) between those of the inverse, and 4q < 2^52. Two stages are done in each pass over memory, the four stages
// within 16 neighbouring values in registers.
#if defined(__x86_64__)
#include "privdnn/ring/kernels/avx512ifma.h"
#include "privdnn/ring/kernels/avx512ifma_simd.h"

namespace privdnn::avx512ifma {
namespace {

// A transform of up to this many values stays in the first-level cache (32 KiB); longer ones are split until they do.
constexpr size_t kCacheBlock = 4096;

struct Constants {
  explicit Constants(uint64_t modulus)
      : q(Broadcast(modulus)), two_q(Broadcast(2 * modulus)), minus_q(Broadcast(0 - modulus)) {}
  V q, two_q;
  V minus_q;  // its low 52 bits are 2^52 - q: adding lo(x * minus_q) subtracts x*q mod 2^52
  V mask = Broadcast((uint64_t{1} << 52) - 1);
  V two = Broadcast(2);
};

// Roots with their Shoup quotients.
struct Twiddle {
  V w, shoup;
};
inline Twiddle One(const NttView& tables, size_t node) {
  return {Broadcast(tables.roots[node]), Broadcast(tables.shoup[node])};
}
// Those of 8 neighbouring nodes; of 4, twice; of 2, four times. `node` is a multiple of that number.
inline Twiddle Eight(const NttView& tables, size_t node) {
  return {Load(tables.roots + node), Load(tables.shoup + node)};
}
inline V LoadTwice(const uint64_t* p) {
  return _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Twiddle Four(const NttView& tables, size_t node) {
  return {LoadTwice(tables.roots + node), LoadTwice(tables.shoup + node)};
}
inline V LoadFourTimes(const uint64_t* p) {
  return _mm512_broadcast_i64x2(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Twiddle Two(const NttView& tables, size_t node) {
  return {LoadFourTimes(tables.roots + node), LoadFourTimes(tables.shoup + node)};
}

// Outputs of a butterfly are exact modulo 2^52. kExact ones are also below 2^52; kLow52 ones may carry a multiple of
// 2^52, which the next multiplication ignores and which saves the mask where that is all that follows.
enum class Output { kExact, kLow52 };
// Whether X is already below 2q.
enum class Input { kLazy, kBelow2q };

// X + wY and X - wY + 2q (Cooley-Tukey). Harvey, "Faster arithmetic for number-theoretic transforms", 2014,
// algorithm 2, in 52-bit words. In: X in [0, 4q) and exact, Y in [0, 4q). Out: [0, 4q).
template <Input input, Output output>
inline void ForwardButterfly(V& x, V& y, const Twiddle& t, const Constants& c) {
  const V u = input == Input::kBelow2q ? x : ReduceOnce(x, c.two_q);  // [0, 2q)
  const V quotient = MulHigh(y, t.shoup);
  // u + v with v = y*w - quotient*q in [0, 2q), all modulo 2^52.
  V sum = MulAddLow(MulAddLow(u, y, t.w), quotient, c.minus_q);
  if (output == Output::kExact) sum = _mm512_and_si512(sum, c.mask);
  x = sum;
  y = _mm512_sub_epi64(MulAddLow(c.two_q, u, c.two), sum);  // u - v + 2q; one multiplication instead of two additions
}

// Two stages of one block of 4t values: node k, then its children.
template <Input input>
inline void ForwardBlock4(const NttView& tables, uint64_t* values, size_t t, size_t k, const Constants& c) {
  const Twiddle w = One(tables, k), w0 = One(tables, 2 * k), w1 = One(tables, 2 * k + 1);
  for (size_t j = 0; j < t; j += 8) {
    uint64_t* p = values + j;
    V x0 = Load(p), x1 = Load(p + t), x2 = Load(p + 2 * t), x3 = Load(p + 3 * t);
    ForwardButterfly<input, Output::kExact>(x0, x2, w, c);
    ForwardButterfly<input, Output::kLow52>(x1, x3, w, c);  // both are factors in the next stage
    ForwardButterfly<Input::kLazy, Output::kExact>(x0, x1, w0, c);
    ForwardButterfly<Input::kLazy, Output::kExact>(x2, x3, w1, c);
    Store(p, x0);
    Store(p + t, x1);
    Store(p + 2 * t, x2);
    Store(p + 3 * t, x3);
  }
}

// One stage of one block of 2t values.
template <Input input>
inline void ForwardBlock2(const NttView& tables, uint64_t* values, size_t t, size_t k, const Constants& c) {
  const Twiddle w = One(tables, k);
  for (size_t j = 0; j < t; j += 8) {
    V x = Load(values + j), y = Load(values + j + t);
    ForwardButterfly<input, Output::kExact>(x, y, w, c);
    Store(values + j, x);
    Store(values + j + t, y);
  }
}

// Number the 16 values of a block by four bits e3 e2 e1 e0. A stage pairs values that differ in one of them, so that
// bit must say which of two registers holds a value. Interleaving (a, b) takes the layout "register e3, lane e2 e1 e0"
// to "register e2, lane e1 e0 e3": the next stage's, and so on round to the first after four times. In these layouts
// the nodes of a stage also lie in the order of the lanes.
inline void Interleave(V& a, V& b) {
  const V low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const V high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  const V x = _mm512_permutex2var_epi64(a, low, b);
  b = _mm512_permutex2var_epi64(a, high, b);
  a = x;
}
inline void Deinterleave(V& a, V& b) {
  const V even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
  const V odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  const V x = _mm512_permutex2var_epi64(a, even, b);
  b = _mm512_permutex2var_epi64(a, odd, b);
  a = x;
}

// Neighbouring blocks of 16 that go through the stages together: the chain of dependent instructions in one is long,
// and a processor's scheduler does not look far enough ahead to fill it with the next.
constexpr size_t kTogether = 4;

// The last four stages of kTogether * 16 values, the blocks of nodes k, k+1, ...; and the reduction to [0, q).
inline void Forward16(const NttView& tables, uint64_t* values, size_t k, const Constants& c) {
  V a[kTogether], b[kTogether];
  for (size_t i = 0; i < kTogether; ++i) a[i] = Load(values + 16 * i), b[i] = Load(values + 16 * i + 8);
  const auto stage = [&](auto twiddle, size_t nodes) {
    for (size_t i = 0; i < kTogether; ++i) {
      ForwardButterfly<Input::kLazy, Output::kExact>(a[i], b[i], twiddle(tables, nodes * (k + i)), c);
    }
    for (size_t i = 0; i < kTogether; ++i) Interleave(a[i], b[i]);
  };
  stage(One, 1);
  stage(Two, 2);
  stage(Four, 4);
  stage(Eight, 8);
  for (size_t i = 0; i < kTogether; ++i) {
    Store(values + 16 * i, ReduceOnce(ReduceOnce(a[i], c.two_q), c.q));
    Store(values + 16 * i + 8, ReduceOnce(ReduceOnce(b[i], c.two_q), c.q));
  }
}

// All stages of the `size` >= 64 values below `node`.
template <Input first>
void ForwardTree(const NttView& tables, uint64_t* values, size_t size, size_t node, const Constants& c) {
  size_t blocks = 1;
  size_t length = size;
  // An odd number of stages above the last four starts with a single one; sizes are 2^6 .. 2^12.
  if (__builtin_ctzll(size) % 2 == 1) {
    ForwardBlock2<first>(tables, values, size / 2, node, c);
    blocks = 2;
    length = size / 2;
  } else {
    ForwardBlock4<first>(tables, values, size / 4, node, c);
    blocks = 4;
    length = size / 4;
  }
  for (; length > 16; blocks *= 4, length /= 4) {
    for (size_t i = 0; i < blocks; ++i) {
      ForwardBlock4<Input::kLazy>(tables, values + i * length, length / 4, node * blocks + i, c);
    }
  }
  for (size_t i = 0; i < blocks; i += kTogether) Forward16(tables, values + 16 * i, node * blocks + i, c);
}

// X + Y and w(X - Y) (Gentleman-Sande). Harvey 2014, algorithm 3, in 52-bit words. In: [0, 2q), exact or not as
// `input_exact` says. Out: X in [0, 2q) and exact, Y in [0, 2q).
template <bool input_exact, Output output>
inline void InverseButterfly(V& x, V& y, const Twiddle& t, const Constants& c) {
  V sum = _mm512_add_epi64(x, y);  // [0, 4q)
  if (!input_exact) sum = _mm512_and_si512(sum, c.mask);
  const V difference = _mm512_sub_epi64(_mm512_add_epi64(x, c.two_q), y);  // (0, 4q) modulo 2^52
  x = ReduceOnce(sum, c.two_q);
  y = MulAddLow(MulAddLow(_mm512_setzero_si512(), difference, t.w), MulHigh(difference, t.shoup), c.minus_q);
  if (output == Output::kExact) y = _mm512_and_si512(y, c.mask);
}

// w*x in [0, q), for x in [0, 4q).
inline V MulReduced(V x, const Twiddle& t, const Constants& c) {
  const V product = MulAddLow(MulAddLow(_mm512_setzero_si512(), x, t.w), MulHigh(x, t.shoup), c.minus_q);
  return ReduceOnce(_mm512_and_si512(product, c.mask), c.q);
}

// The last butterfly: (X + Y)/N and w(X - Y)/N, in [0, q); entry 0 of the tables is 1/N, entry 1 w/N. In: [0, 2q).
template <bool input_exact>
inline void LastInverseButterfly(V& x, V& y, const Twiddle& inverse_n, const Twiddle& t, const Constants& c) {
  // The product ignores what lies above 52 bits.
  const V sum = _mm512_add_epi64(x, y);
  const V difference = _mm512_sub_epi64(_mm512_add_epi64(x, c.two_q), y);
  x = MulReduced(sum, inverse_n, c);
  y = MulReduced(difference, t, c);
}

template <bool last>
inline void InverseBlock4(const NttView& tables, uint64_t* values, size_t t, size_t k, const Constants& c) {
  const Twiddle w = One(tables, k), w0 = One(tables, 2 * k), w1 = One(tables, 2 * k + 1), inverse_n = One(tables, 0);
  for (size_t j = 0; j < t; j += 8) {
    uint64_t* p = values + j;
    V x0 = Load(p), x1 = Load(p + t), x2 = Load(p + 2 * t), x3 = Load(p + 3 * t);
    InverseButterfly<true, Output::kLow52>(x0, x1, w0, c);
    InverseButterfly<true, Output::kLow52>(x2, x3, w1, c);
    if (last) {
      LastInverseButterfly<true>(x0, x2, inverse_n, w, c);
      LastInverseButterfly<false>(x1, x3, inverse_n, w, c);
    } else {
      InverseButterfly<true, Output::kExact>(x0, x2, w, c);
      InverseButterfly<false, Output::kExact>(x1, x3, w, c);
    }
    Store(p, x0);
    Store(p + t, x1);
    Store(p + 2 * t, x2);
    Store(p + 3 * t, x3);
  }
}

template <bool last>
inline void InverseBlock2(const NttView& tables, uint64_t* values, size_t t, size_t k, const Constants& c) {
  const Twiddle w = One(tables, k), inverse_n = One(tables, 0);
  for (size_t j = 0; j < t; j += 8) {
    V x = Load(values + j), y = Load(values + j + t);
    if (last) {
      LastInverseButterfly<true>(x, y, inverse_n, w, c);
    } else {
      InverseButterfly<true, Output::kExact>(x, y, w, c);
    }
    Store(values + j, x);
    Store(values + j + t, y);
  }
}

// The first four stages of kTogether * 16 values.
inline void Inverse16(const NttView& tables, uint64_t* values, size_t k, const Constants& c) {
  V a[kTogether], b[kTogether];
  for (size_t i = 0; i < kTogether; ++i) a[i] = Load(values + 16 * i), b[i] = Load(values + 16 * i + 8);
  const auto stage = [&](auto twiddle, size_t nodes) {
    for (size_t i = 0; i < kTogether; ++i) Deinterleave(a[i], b[i]);
    for (size_t i = 0; i < kTogether; ++i) {
      InverseButterfly<true, Output::kExact>(a[i], b[i], twiddle(tables, nodes * (k + i)), c);
    }
  };
  stage(Eight, 8);
  stage(Four, 4);
  stage(Two, 2);
  stage(One, 1);
  for (size_t i = 0; i < kTogether; ++i) Store(values + 16 * i, a[i]), Store(values + 16 * i + 8, b[i]);
}

template <bool last>
void InverseTree(const NttView& tables, uint64_t* values, size_t size, size_t node, const Constants& c) {
  for (size_t i = 0; i < size / 16; i += kTogether) Inverse16(tables, values + 16 * i, node * (size / 16) + i, c);
  size_t length = 64;
  for (; length < size; length *= 4) {
    for (size_t i = 0; i < size / length; ++i) {
      InverseBlock4<false>(tables, values + i * length, length / 4, node * (size / length) + i, c);
    }
  }
  if (length == size) {
    InverseBlock4<last>(tables, values, size / 4, node, c);
  } else {
    InverseBlock2<last>(tables, values, size / 2, node, c);
  }
}

}  // namespace

void NttForward(const NttView& tables, uint64_t* values) {
  const Constants c(tables.q);
  const size_t n = tables.n;
  if (n <= kCacheBlock) return ForwardTree<Input::kBelow2q>(tables, values, n, 1, c);
  const size_t blocks = n / kCacheBlock;  // 2 or 4
  if (blocks == 2) {
    ForwardBlock2<Input::kBelow2q>(tables, values, n / 2, 1, c);
  } else {
    ForwardBlock4<Input::kBelow2q>(tables, values, n / 4, 1, c);
  }
  for (size_t i = 0; i < blocks; ++i) {
    ForwardTree<Input::kLazy>(tables, values + i * kCacheBlock, kCacheBlock, blocks + i, c);
  }
}

void NttInverse(const NttView& tables, uint64_t* values) {
  const Constants c(tables.q);
  const size_t n = tables.n;
  if (n <= kCacheBlock) return InverseTree<true>(tables, values, n, 1, c);
  const size_t blocks = n / kCacheBlock;  // 2 or 4
  for (size_t i = 0; i < blocks; ++i) {
    InverseTree<false>(tables, values + i * kCacheBlock, kCacheBlock, blocks + i, c);
  }
  if (blocks == 2) {
    InverseBlock2<true>(tables, values, n / 2, 1, c);
  } else {
    InverseBlock4<true>(tables, values, n / 4, 1, c);
  }
}

}  // namespace privdnn::avx512ifma
#endif  // __x86_64__
