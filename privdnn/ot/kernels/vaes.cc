#include "privdnn/ot/kernels/kernels.h"

#if defined(__x86_64__)
#include "privdnn/base/cpu.h"
#include "privdnn/ot/kernels/x86.h"
#endif

namespace privdnn {
namespace {

#if defined(__x86_64__)

bool Supported() { return CpuHasAvx512Vaes(); }

void Expand(const Block& key, AesRoundKeys& keys) { ExpandKey(key, keys.round); }

__m512i Broadcast(const Block& block) { return _mm512_broadcast_i32x4(Load(block)); }

// Four blocks a register, eight registers at a time.
template <size_t kRegisters>
void EncryptSome(const AesRoundKeys& keys, Block* blocks) {
  __m512i x[kRegisters];
  const __m512i first = Broadcast(keys.round[0]), last = Broadcast(keys.round[10]);
  for (size_t i = 0; i < kRegisters; ++i) x[i] = _mm512_xor_si512(_mm512_loadu_si512(blocks + 4 * i), first);
  for (size_t round = 1; round < 10; ++round) {
    const __m512i key = Broadcast(keys.round[round]);
    for (size_t i = 0; i < kRegisters; ++i) x[i] = _mm512_aesenc_epi128(x[i], key);
  }
  for (size_t i = 0; i < kRegisters; ++i) _mm512_storeu_si512(blocks + 4 * i, _mm512_aesenclast_epi128(x[i], last));
}

void EncryptOne(const AesRoundKeys& keys, Block& block) {
  __m128i x = _mm_xor_si128(Load(block), Load(keys.round[0]));
  for (size_t round = 1; round < 10; ++round) x = _mm_aesenc_si128(x, Load(keys.round[round]));
  Store(_mm_aesenclast_si128(x, Load(keys.round[10])), block);
}

void Encrypt(const AesRoundKeys& keys, Block* blocks, size_t count) {
  for (; count >= 32; count -= 32, blocks += 32) EncryptSome<8>(keys, blocks);
  for (; count >= 4; count -= 4, blocks += 4) EncryptSome<1>(keys, blocks);
  for (; count > 0; --count, ++blocks) EncryptOne(keys, *blocks);
}

__m128i XorOfLanes(__m512i x) {
  const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

Block InnerProduct(const Block* a, const Block* b, size_t count) {
  __m512i low = _mm512_setzero_si512(), middle = low, high = low;
  for (size_t i = 0; i < count; i += 4) {
    // Words of the blocks that are left.
    const auto words = static_cast<__mmask8>(count - i >= 4 ? 0xff : (1u << (2 * (count - i))) - 1);
    const __m512i x = _mm512_maskz_loadu_epi64(words, a + i), y = _mm512_maskz_loadu_epi64(words, b + i);
    low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(x, y, 0x00));
    middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(x, y, 0x01),
                                       _mm512_clmulepi64_epi128(x, y, 0x10), 0x96);
    high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(x, y, 0x11));
  }
  return ReduceProduct(XorOfLanes(low), XorOfLanes(middle), XorOfLanes(high));
}

#else

bool Supported() { return false; }
constexpr decltype(OtKernels::aes_expand) Expand = nullptr;
constexpr decltype(OtKernels::aes_encrypt) Encrypt = nullptr;
constexpr decltype(OtKernels::gf128_inner_product) InnerProduct = nullptr;

#endif

}  // namespace

const OtKernels& VaesOtKernels() {
  static constexpr OtKernels kernels = {"vaes", Supported, Expand, Encrypt, InnerProduct};
  return kernels;
}

}  // namespace privdnn
