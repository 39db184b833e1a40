#include "privdnn/shares/transfers.h"

#include <algorithm>
#include <cassert>

namespace privdnn {
namespace {

// X b in GF(16)^32.
Block TimesX(const Block& b) {
  const auto word = [](uint64_t w) {
    const uint64_t out = (w >> 3) & 0x1111111111111111;
    return ((w << 1) & 0xeeeeeeeeeeeeeeee) ^ out ^ (out << 1);
  };
  return {word(b.low), word(b.high)};
}

// sum_i X^i b_i.
Block Combine(std::span<const Block, 4> b) {
  Block sum = b[3];
  for (int i = 2; i >= 0; --i) sum = TimesX(sum) ^ b[static_cast<size_t>(i)];
  return sum;
}

// v b for every v.
std::array<Block, 16> Multiples(const Block& b) {
  std::array<Block, 16> multiples = {};
  Block power = b;
  for (size_t bit = 1; bit < 16; bit *= 2) {
    for (size_t v = 0; v < bit; ++v) multiples[bit + v] = multiples[v] ^ power;
    power = TimesX(power);
  }
  return multiples;
}

uint32_t LowTwoOf(const Block& block) { return static_cast<uint32_t>(block.high & 3); }

}  // namespace

absl::StatusOr<DigitTransfers> DigitTransfers::Prepare(SharesParty& party, size_t count) {
  PRIVDNN_ASSIGN_OR_RETURN(const SharesParty::Transfers taken, party.Take(4 * count));
  DigitTransfers made;
  made.pads.resize(count);
  made.choices.resize(count);
  made.received.resize(count);
  const auto multiples = Multiples(party.delta());
  constexpr size_t kAtOnce = 16;  // transfers: 4 KiB of blocks
  Secret<Block> inputs(16 * kAtOnce), chosen(count);
  for (size_t start = 0; start < count; start += kAtOnce) {
    const size_t n = std::min(kAtOnce, count - start);
    const auto blocks = inputs.RevealMutable().first(16 * n);
    for (size_t i = 0; i < n; ++i) {
      const Block z = Combine(taken.sent.Reveal().subspan(4 * (start + i)).first<4>());
      for (size_t v = 0; v < 16; ++v) blocks[16 * i + v] = z ^ multiples[v];
    }
    // One tweak for the 16 of a transfer, whose inputs all differ.
    party.hash()(blocks, taken.first_sent + start, blocks, 16);
    for (size_t i = 0; i < n; ++i) {
      for (size_t v = 0; v < 16; ++v) made.pads[start + i] |= LowTwoOf(blocks[16 * i + v]) << (2 * v);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const auto received = taken.received.Reveal().subspan(4 * i).first<4>();
    for (size_t b = 0; b < 4; ++b) made.choices[i] |= static_cast<uint8_t>((received[b].low & 1) << b);
    chosen.RevealMutable()[i] = Combine(received);
  }
  party.hash()(chosen.Reveal(), taken.first_received, chosen.RevealMutable());
  for (size_t i = 0; i < count; ++i) made.received[i] = static_cast<uint8_t>(LowTwoOf(chosen.Reveal()[i]));
  return made;
}

absl::StatusOr<WordTransfers> WordTransfers::Prepare(SharesParty& party, size_t count) {
  assert(count % 64 == 0);
  PRIVDNN_ASSIGN_OR_RETURN(SharesParty::Transfers taken, party.Take(count));
  WordTransfers made;
  const auto split = [&](std::span<const Block> blocks, ShareValues& low, ShareValues& high) {
    low.resize(count);
    high.resize(count);
    for (size_t i = 0; i < count; ++i) {
      low[i] = static_cast<uint32_t>(blocks[i].low);
      high[i] = static_cast<uint32_t>(blocks[i].high);
    }
  };
  Secret<Block> hashed(count);
  const auto out = hashed.RevealMutable();
  party.hash()(taken.sent.Reveal(), taken.first_sent, out);
  split(out, made.first[0], made.second[0]);
  for (Block& q : taken.sent.RevealMutable()) q ^= party.delta();
  party.hash()(taken.sent.Reveal(), taken.first_sent, out);
  split(out, made.first[1], made.second[1]);
  made.choices.resize(count / 64);
  for (size_t i = 0; i < count; ++i) made.choices[i / 64] |= (taken.received.Reveal()[i].low & 1) << (i % 64);
  party.hash()(taken.received.Reveal(), taken.first_received, out);
  split(out, made.received_first, made.received_second);
  return made;
}

absl::StatusOr<BitTriples> BitTriples::Prepare(SharesParty& party, size_t count) {
  PRIVDNN_ASSIGN_OR_RETURN(const WordTransfers words, WordTransfers::Prepare(party, count));
  BitTriples t;
  t.a = words.choices;
  const auto xor_of = [](const ShareWords& x, const ShareWords& y) {
    ShareWords sum = x;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] ^= y[i];
    return sum;
  };
  // With the peer's choice a' the peer gets message a': m_0 + a' (m_0 + m_1), so that m_0 and what it got are shares of
  // a' b, b = m_0 + m_1.
  const auto product = [&](int bit, ShareWords& factor, ShareWords& result) {
    const ShareWords zero = BitsOf(words.first[0], bit), one = BitsOf(words.first[1], bit);
    factor = xor_of(zero, one);
    result = xor_of(zero, BitsOf(words.received_first, bit));
    for (size_t i = 0; i < result.size(); ++i) result[i] ^= t.a[i] & factor[i];
  };
  product(0, t.b, t.c);
  product(1, t.b2, t.c2);
  return t;
}

}  // namespace privdnn
