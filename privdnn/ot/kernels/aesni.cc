#include "privdnn/ot/kernels/kernels.h"

#if defined(__x86_64__)
#include "privdnn/ot/kernels/x86.h"
#endif

namespace privdnn {
namespace {

#if defined(__x86_64__)

bool Supported() { return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"); }

void Expand(const Block& key, AesRoundKeys& keys) { ExpandKey(key, keys.round); }

// AESENC has a latency of several cycles and a throughput of one or two: eight blocks at a time.
template <size_t kCount>
void EncryptSome(const AesRoundKeys& keys, Block* blocks) {
  __m128i x[kCount];
  for (size_t i = 0; i < kCount; ++i) x[i] = _mm_xor_si128(Load(blocks[i]), Load(keys.round[0]));
  for (size_t round = 1; round < 10; ++round) {
    const __m128i key = Load(keys.round[round]);
    for (size_t i = 0; i < kCount; ++i) x[i] = _mm_aesenc_si128(x[i], key);
  }
  for (size_t i = 0; i < kCount; ++i) Store(_mm_aesenclast_si128(x[i], Load(keys.round[10])), blocks[i]);
}

void Encrypt(const AesRoundKeys& keys, Block* blocks, size_t count) {
  for (; count >= 8; count -= 8, blocks += 8) EncryptSome<8>(keys, blocks);
  for (; count > 0; --count, ++blocks) EncryptSome<1>(keys, blocks);
}

Block InnerProduct(const Block* a, const Block* b, size_t count) {
  __m128i low = _mm_setzero_si128(), middle = low, high = low;
  for (size_t i = 0; i < count; ++i) {
    const __m128i x = Load(a[i]), y = Load(b[i]);
    low = _mm_xor_si128(low, _mm_clmulepi64_si128(x, y, 0x00));
    middle = _mm_xor_si128(middle, _mm_xor_si128(_mm_clmulepi64_si128(x, y, 0x01), _mm_clmulepi64_si128(x, y, 0x10)));
    high = _mm_xor_si128(high, _mm_clmulepi64_si128(x, y, 0x11));
  }
  return ReduceProduct(low, middle, high);
}

#else

bool Supported() { return false; }
constexpr decltype(OtKernels::aes_expand) Expand = nullptr;
constexpr decltype(OtKernels::aes_encrypt) Encrypt = nullptr;
constexpr decltype(OtKernels::gf128_inner_product) InnerProduct = nullptr;

#endif

}  // namespace

const OtKernels& AesNiOtKernels() {
  static constexpr OtKernels kernels = {"aesni", Supported, Expand, Encrypt, InnerProduct};
  return kernels;
}

}  // namespace privdnn
