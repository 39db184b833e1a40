// Vocabulary of the AVX-512 IFMA files; include it in those only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the undefined pass-through operands of its own intrinsics for reads of variables (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace privdnn::avx512ifma {
namespace {

using V = __m512i;  // eight 64-bit lanes

inline V Broadcast(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
inline V Load(const uint64_t* p) { return _mm512_load_si512(p); }
inline void Store(uint64_t* p, V x) { _mm512_store_si512(p, x); }

// accumulator + (a*b mod 2^52) and accumulator + floor(a*b / 2^52), of the low 52 bits of a and b.
inline V MulAddLow(V accumulator, V a, V b) { return _mm512_madd52lo_epu64(accumulator, a, b); }
inline V MulAddHigh(V accumulator, V a, V b) { return _mm512_madd52hi_epu64(accumulator, a, b); }
inline V MulHigh(V a, V b) { return MulAddHigh(_mm512_setzero_si512(), a, b); }

// [0, 2c) -> [0, c) without a branch: where x < c, x - c wraps round to something large.
inline V ReduceOnce(V x, V c) { return _mm512_min_epu64(x, _mm512_sub_epi64(x, c)); }

}  // namespace
}  // namespace privdnn::avx512ifma
