#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "privdnn/ot/kernels/kernels.h"
#include "privdnn/ot/kernels/reduce.h"

namespace privdnn {
namespace {

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

[[noreturn]] void Die() {
  std::fprintf(stderr, "privdnn: AES of OpenSSL failed; stopping, since nothing can be kept secret without it\n");
  std::abort();
}

// OpenSSL expands the key by itself.
void Expand(const Block& key, AesRoundKeys& keys) {
  keys = {};
  keys.round[0] = key;
}

void Encrypt(const AesRoundKeys& keys, Block* blocks, size_t count) {
  const std::unique_ptr<EVP_CIPHER_CTX, ContextFree> context(EVP_CIPHER_CTX_new());
  const auto* key = reinterpret_cast<const uint8_t*>(keys.round);
  if (!context || EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key, nullptr) != 1) Die();
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  constexpr size_t kMost = size_t{1} << 20;
  while (count > 0) {
    const size_t n = std::min(count, kMost);
    auto* bytes = reinterpret_cast<uint8_t*>(blocks);
    int written = 0;
    if (EVP_EncryptUpdate(context.get(), bytes, &written, bytes, static_cast<int>(16 * n)) != 1) Die();
    blocks += n;
    count -= n;
  }
}

uint64_t Reverse(uint64_t x) {
  x = ((x & 0x5555555555555555) << 1) | ((x >> 1) & 0x5555555555555555);
  x = ((x & 0x3333333333333333) << 2) | ((x >> 2) & 0x3333333333333333);
  x = ((x & 0x0f0f0f0f0f0f0f0f) << 4) | ((x >> 4) & 0x0f0f0f0f0f0f0f0f);
  return __builtin_bswap64(x);
}

// The low half of a product of polynomials over GF(2). Every fourth bit is taken at a time, so that the carries of the
// integer products, sums of at most 16 ones, stay in the three bits between.
uint64_t ProductLow(uint64_t x, uint64_t y) {
  constexpr uint64_t kEveryFourth = 0x1111111111111111;
  uint64_t product = 0;
  for (int k = 0; k < 4; ++k) {
    uint64_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum ^= (x & (kEveryFourth << i)) * (y & (kEveryFourth << ((k - i) & 3)));
    }
    product |= sum & (kEveryFourth << k);
  }
  return product;
}

Block Product(uint64_t x, uint64_t y) { return {ProductLow(x, y), Reverse(ProductLow(Reverse(x), Reverse(y))) >> 1}; }

Block InnerProduct(const Block* a, const Block* b, size_t count) {
  Block low, middle, high;
  for (size_t i = 0; i < count; ++i) {
    low ^= Product(a[i].low, b[i].low);
    middle ^= Product(a[i].low, b[i].high) ^ Product(a[i].high, b[i].low);
    high ^= Product(a[i].high, b[i].high);
  }
  return Gf128Reduce(low ^ Block{0, middle.low}, high ^ Block{middle.high, 0});
}

}  // namespace

const OtKernels& PortableOtKernels() {
  static constexpr OtKernels kernels = {"portable", [] { return true; }, Expand, Encrypt, InnerProduct};
  return kernels;
}

}  // namespace privdnn
