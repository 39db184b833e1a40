// What the x86 kernels share. Everything is in an anonymous namespace, since each file that includes this is compiled
// for another instruction set.
#pragma once

#include <immintrin.h>

#include "privdnn/ot/block.h"
#include "privdnn/ot/kernels/reduce.h"

namespace privdnn {
namespace {  // NOLINT(google-build-namespaces): see above

inline __m128i Load(const Block& block) { return _mm_load_si128(reinterpret_cast<const __m128i*>(&block)); }
inline void Store(__m128i value, Block& block) { _mm_store_si128(reinterpret_cast<__m128i*>(&block), value); }

// Returns low + X^64 middle + X^128 high.
inline Block ReduceProduct(__m128i low, __m128i middle, __m128i high) {
  Block lower, upper;
  Store(_mm_xor_si128(low, _mm_slli_si128(middle, 8)), lower);
  Store(_mm_xor_si128(high, _mm_srli_si128(middle, 8)), upper);
  return Gf128Reduce(lower, upper);
}

// One step of AES-128's key schedule.
template <int kRoundConstant>
__m128i NextKey(__m128i key) {
  const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kRoundConstant), 0xff);
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, word);
}

template <size_t kAt, int... kRest>
struct KeySchedule;
template <size_t kAt, int kFirst, int... kRest>
struct KeySchedule<kAt, kFirst, kRest...> {
  static void Fill(__m128i key, Block* keys) {
    key = NextKey<kFirst>(key);
    Store(key, keys[kAt]);
    if constexpr (sizeof...(kRest) > 0) KeySchedule<kAt + 1, kRest...>::Fill(key, keys);
  }
};

inline void ExpandKey(const Block& key, Block* keys) {
  keys[0] = key;
  KeySchedule<1, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36>::Fill(Load(key), keys);
}

}  // namespace
}  // namespace privdnn
