#include "privdnn/shares/comparison.h"

#include <algorithm>
#include <cassert>

namespace privdnn {
namespace {

constexpr std::string_view kStep = "comparison";

// Two bits for each v of [0, 16): whether a < v, and above it whether a = v.
uint32_t Answers(uint32_t a) {
  uint32_t word = 0;
  for (uint32_t v = 0; v < 16; ++v) {
    const uint32_t less = ((a - v) >> 31) & 1, equal = (((a ^ v) - 1) >> 31) & 1;
    word |= (less | (equal << 1)) << (2 * v);
  }
  return word;
}

// Two-bit group v of the result is group v xor d of the word; d in [0, 16).
uint32_t PermuteGroups(uint32_t word, uint32_t d) {
  const auto swap = [&](uint32_t bit, uint32_t low_groups, int distance) {
    const uint32_t swapped = ((word & low_groups) << distance) | ((word >> distance) & low_groups);
    const uint32_t mask = 0 - ((d >> bit) & 1);
    word = (swapped & mask) | (word & ~mask);
  };
  swap(0, 0x33333333, 2);
  swap(1, 0x0f0f0f0f, 4);
  swap(2, 0x00ff00ff, 8);
  swap(3, 0x0000ffff, 16);
  return word;
}

uint32_t Digit(uint32_t value, size_t digit) { return (value >> (4 * digit)) & 15; }

// The even bits of a word.
uint32_t EvenBits(uint32_t x) {
  x &= 0x55555555;
  x = (x | (x >> 1)) & 0x33333333;
  x = (x | (x >> 2)) & 0x0f0f0f0f;
  x = (x | (x >> 4)) & 0x00ff00ff;
  return (x | (x >> 8)) & 0x0000ffff;
}

}  // namespace

absl::StatusOr<Comparison> Comparison::Prepare(SharesParty& party, size_t count, int bits) {
  assert(count % kShareBatch == 0 && bits >= 2 && bits <= 32);
  Comparison c;
  c.id_ = party.id();
  c.count_ = count;
  c.bits_ = bits;
  c.digits_ = (static_cast<size_t>(bits) - 1 + 3) / 4;
  PRIVDNN_ASSIGN_OR_RETURN(c.transfers_, DigitTransfers::Prepare(party, c.half() * c.digits_));
  for (size_t i = 1; i < c.digits_; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(BitTriples triples, BitTriples::Prepare(party, count));
    c.triples_.push_back(std::move(triples));
  }
  return c;
}

uint64_t Comparison::FirstBytes() const { return half() * digits_ / 2; }

// For the half of which this party receives: its digits, masked by the choices of the prepared transfers.
Bytes Comparison::FirstMessage(std::span<const uint32_t> x) {
  assert(x.size() == count_);
  own_.resize(half() * digits_);
  Bytes message(FirstBytes());
  for (size_t d = 0; d < digits_; ++d) {
    for (size_t i = 0; i < half(); ++i) {
      const size_t at = d * half() + i;
      own_[at] = static_cast<uint8_t>(Digit(x[received_begin() + i] & LowMask(bits_ - 1), d));
      const auto masked = static_cast<uint8_t>(own_[at] ^ transfers_.choices[at]);
      message[at / 2] = static_cast<uint8_t>(message[at / 2] | (masked << (4 * (at % 2))));
    }
  }
  return message;
}

absl::StatusOr<std::vector<Comparison::Node>> Comparison::CompareDigits(SharesParty& party, std::span<const uint32_t> x,
                                                                        std::span<const uint8_t> first) {
  const size_t words = count_ / 64, half_words = half() / 64;
  std::vector<Node> nodes(digits_, Node{ShareWords(words), ShareWords(words)});
  // As the sender: for each value of the other's digit the answer, hidden by a random bit, its share, and by the pad.
  ShareWords shares(2 * digits_ * half_words);
  party.random().Fill(std::span<uint64_t>(shares));
  Bytes message;
  for (size_t d = 0; d < digits_; ++d) {
    ShareValues tables(half());
    for (size_t w = 0; w < half_words; ++w) {
      nodes[d].less[sent_begin() / 64 + w] = shares[2 * (d * half_words + w)];
      nodes[d].equal[sent_begin() / 64 + w] = shares[2 * (d * half_words + w) + 1];
    }
    for (size_t i = 0; i < half(); ++i) {
      const size_t at = d * half() + i, value = sent_begin() + i;
      const uint32_t masked = (first[at / 2] >> (4 * (at % 2))) & 15;
      const uint32_t own = Digit(~x[value] & LowMask(bits_ - 1), d);
      tables[i] = Answers(own) ^ PermuteGroups(transfers_.pads[at], masked) ^
                  (BitMask(nodes[d].less, value) & 0x55555555) ^ (BitMask(nodes[d].equal, value) & 0xaaaaaaaa);
      if (d == 0) tables[i] = EvenBits(tables[i]);
    }
    AppendValues(tables, d == 0 ? 16 : 32, message);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kStep, message, message.size()));
  ShareReader reader(reply);
  for (size_t d = 0; d < digits_; ++d) {
    const ShareValues tables = reader.Values(half(), d == 0 ? 16 : 32);
    for (size_t i = 0; i < half(); ++i) {
      const size_t at = d * half() + i, value = received_begin() + i;
      const uint32_t got = (tables[i] >> (d == 0 ? own_[at] : 2 * own_[at])) ^ transfers_.received[at];
      nodes[d].less[value / 64] |= static_cast<uint64_t>(got & 1) << (value % 64);
      nodes[d].equal[value / 64] |= static_cast<uint64_t>((got >> 1) & 1) << (value % 64);
    }
  }
  return nodes;
}

// less = less_high + equal_high less_low, equal = equal_high equal_low, for each pair at once.
absl::Status Comparison::JoinPairs(SharesParty& party, std::vector<Node>& nodes) {
  const size_t words = count_ / 64, pairs = nodes.size() / 2;
  Bytes message;
  const auto masked = [&](const ShareWords& x, const ShareWords& mask) {
    ShareWords sum = x;
    for (size_t w = 0; w < words; ++w) sum[w] ^= mask[w];
    AppendWords(sum, message);
    return sum;
  };
  struct Opened {
    ShareWords equal_high, less_low, equal_low;
  };
  std::vector<Opened> own;
  for (size_t p = 0; p < pairs; ++p) {
    const Node &low = nodes[2 * p], &high = nodes[2 * p + 1];
    const BitTriples& t = triples_[triples_.size() - 1 - p];
    Opened& mine = own.emplace_back();
    mine.equal_high = masked(high.equal, t.a);
    mine.less_low = masked(low.less, t.b);
    if (p > 0) mine.equal_low = masked(low.equal, t.b2);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kStep, message, message.size()));
  ShareReader reader(reply);
  const uint64_t first = party.first_mask();
  std::vector<Node> joined;
  for (size_t p = 0; p < pairs; ++p) {
    Node& high = nodes[2 * p + 1];
    const BitTriples& t = triples_[triples_.size() - 1 - p];
    const auto opened = [&](const ShareWords& mine) {
      ShareWords sum = reader.Words(words);
      for (size_t w = 0; w < words; ++w) sum[w] ^= mine[w];
      return sum;
    };
    // (d + a)(e + b) = c + d b + e a + d e
    const auto product = [&](const ShareWords& d, const ShareWords& e, const ShareWords& b, const ShareWords& c,
                             size_t w) { return c[w] ^ (d[w] & b[w]) ^ (e[w] & t.a[w]) ^ (d[w] & e[w] & first); };
    const ShareWords d = opened(own[p].equal_high), e = opened(own[p].less_low);
    for (size_t w = 0; w < words; ++w) high.less[w] ^= product(d, e, t.b, t.c, w);
    if (p > 0) {
      const ShareWords e2 = opened(own[p].equal_low);
      for (size_t w = 0; w < words; ++w) high.equal[w] = product(d, e2, t.b2, t.c2, w);
    }
    joined.push_back(std::move(high));
  }
  if (nodes.size() % 2 == 1) joined.push_back(std::move(nodes.back()));
  triples_.resize(triples_.size() - pairs);
  nodes = std::move(joined);
  return absl::OkStatus();
}

absl::StatusOr<ShareWords> Comparison::Finish(SharesParty& party, std::span<const uint32_t> x,
                                              std::span<const uint8_t> first) {
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<Node> nodes, CompareDigits(party, x, first));
  while (nodes.size() > 1) PRIVDNN_RETURN_IF_ERROR(JoinPairs(party, nodes));
  ShareWords sign = BitsOf(x, bits_ - 1);
  for (size_t w = 0; w < sign.size(); ++w) sign[w] ^= nodes[0].less[w];
  return sign;
}

}  // namespace privdnn
