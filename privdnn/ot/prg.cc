#include "privdnn/ot/prg.h"

#include <algorithm>
#include <cassert>

namespace privdnn {
namespace {

constexpr size_t kChunk = 256;  // blocks: 4 KiB stay in the first-level cache

}  // namespace

Prg::Prg(const OtKernels& kernels, const Block& seed) : kernels_(&kernels), keys_(1) {
  kernels.aes_expand(seed, keys_.RevealMutable()[0]);
}

void Prg::Fill(std::span<Block> out) {
  while (!out.empty()) {
    const auto chunk = out.first(std::min(out.size(), kChunk));
    for (Block& block : chunk) block = {counter_++, 0};
    kernels_->aes_encrypt(keys_.Reveal()[0], chunk.data(), chunk.size());
    out = out.subspan(chunk.size());
  }
}

CorrelationRobustHash::CorrelationRobustHash(const OtKernels& kernels, const Block& session_key) : kernels_(&kernels) {
  kernels.aes_expand(session_key, keys_);
}

void CorrelationRobustHash::operator()(std::span<const Block> in, uint64_t first_tweak, std::span<Block> out,
                                       size_t per_tweak) const {
  assert(in.size() == out.size());
  Secret<Block> inner(std::min(in.size(), kChunk));
  const std::span<Block> scratch = inner.RevealMutable();
  for (size_t start = 0; start < in.size(); start += kChunk) {
    const size_t n = std::min(kChunk, in.size() - start);
    std::copy_n(in.begin() + static_cast<std::ptrdiff_t>(start), n, scratch.begin());
    kernels_->aes_encrypt(keys_, scratch.data(), n);
    for (size_t i = 0; i < n; ++i) {
      out[start + i] = scratch[i];
      out[start + i].low ^= first_tweak + (start + i) / per_tweak;
    }
    kernels_->aes_encrypt(keys_, out.data() + start, n);
    for (size_t i = 0; i < n; ++i) out[start + i] ^= scratch[i];
  }
}

}  // namespace privdnn
