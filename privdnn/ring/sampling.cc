#include "privdnn/ring/sampling.h"

#include <algorithm>
#include <string_view>

#include "privdnn/base/bytes.h"
#include "privdnn/base/secret.h"

namespace privdnn {
namespace {

using U128 = unsigned __int128;

// Random words are drawn this many at a time (24 KiB), not one by one: a call of the system's generator costs more than
// the words. What a DeterministicRandom makes depends on it, and so do known answers.
constexpr size_t kWordsPerDraw = 3072;

// Calls body(words, outputs) for consecutive pieces of `out`, with as many random words as fill each piece at
// `words_per_group` words for `outputs_per_group` outputs.
template <typename T, typename Body>
void DrawInPieces(RandomSource& random, std::span<T> out, size_t words_per_group, size_t outputs_per_group,
                  const Body& body) {
  const size_t groups = (out.size() + outputs_per_group - 1) / outputs_per_group;
  const size_t groups_per_draw = kWordsPerDraw / words_per_group;
  ZeroizingVector<uint64_t> buffer(std::min(groups, groups_per_draw) * words_per_group);
  while (!out.empty()) {
    const size_t size = std::min(out.size(), groups_per_draw * outputs_per_group);
    const size_t words = (size + outputs_per_group - 1) / outputs_per_group * words_per_group;
    const auto drawn = std::span(buffer).first(words);
    random.Fill(drawn);
    body(std::span<const uint64_t>(drawn), out.first(size));
    out = out.subspan(size);
  }
}

// Ones among bits 0..20 minus ones among bits 21..41: a sample of the centred binomial distribution.
int32_t BinomialFromBits(uint64_t bits) {
  constexpr uint64_t kSide = (uint64_t{1} << kBinomialBits) - 1;
  // The sides in the halves of a word; all fields are counted at once: pairs, nibbles, bytes, then the four bytes of
  // each half summed into its bottom byte.
  uint64_t x = (bits & kSide) | ((bits >> kBinomialBits & kSide) << 32);
  x -= x >> 1 & 0x5555555555555555;
  x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
  x += x >> 8;
  x += x >> 16;
  return static_cast<int32_t>(x & 0x3f) - static_cast<int32_t>(x >> 32 & 0x3f);
}

}  // namespace

NttPoly ExpandUniform(const Ring& ring, const Seed& seed, uint32_t index) {
  constexpr size_t kBlockBytes = 8064;  // 48 blocks of SHAKE128's rate
  Bytes block(kBlockBytes);
  NttPoly poly(ring);
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const uint64_t q = ring.modulus(i).value();
    const uint64_t mask = (uint64_t{1} << ring.modulus(i).bits()) - 1;
    const std::span<uint64_t> limb = poly.limb(i);
    size_t filled = 0;
    for (uint32_t counter = 0; filled < limb.size(); ++counter) {
      ByteWriter w;
      w.U32(index);
      w.U64(q);
      w.U32(static_cast<uint32_t>(ring.n()));
      w.U32(counter);
      const std::span<const uint8_t> parts[] = {AsBytes("privdnn/v1/expand-a"), seed, w.view()};
      Shake128(parts, block);
      for (size_t at = 0; at < kBlockBytes && filled < limb.size(); at += 8) {
        uint64_t word = 0;
        for (size_t b = 0; b < 8; ++b) word |= uint64_t{block[at + b]} << (8 * b);
        word &= mask;
        if (word < q) limb[filled++] = word;
      }
    }
  }
  return poly;
}

void SampleTernary(RandomSource& random, std::span<int32_t> out) {
  // A word is a fraction in [0, 1); the integer part of three times it is a trit, the fractional part the next word.
  constexpr size_t kTritsPerWord = 8;
  DrawInPieces(random, out, 1, kTritsPerWord, [](std::span<const uint64_t> words, std::span<int32_t> piece) {
    for (size_t w = 0; w < words.size(); ++w) {
      uint64_t fraction = words[w];
      const size_t begin = w * kTritsPerWord;
      const size_t end = std::min(begin + kTritsPerWord, piece.size());
      for (size_t k = begin; k < end; ++k) {
        const U128 tripled = static_cast<U128>(fraction) * 3;
        piece[k] = static_cast<int32_t>(tripled >> 64) - 1;
        fraction = static_cast<uint64_t>(tripled);
      }
    }
  });
}

void SampleCenteredBinomial(RandomSource& random, std::span<int32_t> out) {
  // Three samples of 42 bits from two words: the low 42 bits of each, then 21 bits of the rest of each.
  static_assert(2 * kBinomialBits == 42);
  DrawInPieces(random, out, 2, 3, [](std::span<const uint64_t> words, std::span<int32_t> piece) {
    const auto third = [&](size_t g) {
      constexpr uint64_t kSide = (uint64_t{1} << kBinomialBits) - 1;
      return (words[2 * g] >> 42 & kSide) | (words[2 * g + 1] >> 42) << kBinomialBits;
    };
    const size_t whole = piece.size() / 3;
    for (size_t g = 0; g < whole; ++g) {
      piece[3 * g] = BinomialFromBits(words[2 * g]);
      piece[3 * g + 1] = BinomialFromBits(words[2 * g + 1]);
      piece[3 * g + 2] = BinomialFromBits(third(g));
    }
    for (size_t k = 3 * whole; k < piece.size(); ++k) piece[k] = BinomialFromBits(words[2 * whole + k % 3]);
  });
}

void SampleUniform(RandomSource& random, const Modulus& modulus, std::span<uint64_t> out) {
  const uint64_t q = modulus.value();
  DrawInPieces(random, out, 2, 1, [q](std::span<const uint64_t> words, std::span<uint64_t> piece) {
    for (size_t k = 0; k < piece.size(); ++k) {
      // floor(r * q / 2^128) for r = words[2k] + 2^64 words[2k+1]
      const U128 low = static_cast<U128>(words[2 * k]) * q;
      const U128 high = static_cast<U128>(words[2 * k + 1]) * q + (low >> 64);
      piece[k] = static_cast<uint64_t>(high >> 64);
    }
  });
}

}  // namespace privdnn
