#include "privdnn/shares/square.h"

#include <cassert>

namespace privdnn {
namespace {

constexpr std::string_view kStep = "square";

}  // namespace

absl::StatusOr<Square> Square::Prepare(SharesParty& party, size_t count, int bits) {
  assert(count % kShareBatch == 0 && bits >= 2 && bits <= 32);
  Square square;
  square.count_ = count;
  square.bits_ = bits;
  for (int bit = 0; bit + 1 < bits; ++bit) {
    PRIVDNN_ASSIGN_OR_RETURN(WordTransfers transfers, WordTransfers::Prepare(party, count / 2));
    square.transfers_.push_back(std::move(transfers));
  }
  return square;
}

absl::StatusOr<ShareValues> Square::Run(SharesParty& party, std::span<const uint32_t> x) {
  assert(x.size() == count_);
  const size_t half = count_ / 2, sent = party.id() == 0 ? 0 : half, got = half - sent, words = half / 64;
  const auto own = x.subspan(sent, half), choosing = x.subspan(got, half);
  // The choices, masked by those of the prepared transfers.
  std::vector<ShareWords> choices;
  Bytes message;
  for (size_t bit = 0; bit < transfers_.size(); ++bit) {
    ShareWords masked = choices.emplace_back(BitsOf(choosing, static_cast<int>(bit)));
    for (size_t w = 0; w < words; ++w) masked[w] ^= transfers_[bit].choices[w];
    AppendWords(masked, message);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes masks, party.Exchange(kStep, message, message.size()));
  // m_e + own - m_(1 - e) lets whoever chose bit b, with e = b xor its prepared choice, get m_e + b own.
  ShareReader reader(masks);
  ShareValues products(count_);
  message.clear();
  for (size_t bit = 0; bit < transfers_.size(); ++bit) {
    const WordTransfers& t = transfers_[bit];
    const int width = bits_ - 1 - static_cast<int>(bit);
    const ShareWords exchanged = reader.Words(words);
    ShareValues corrections(half);
    for (size_t i = 0; i < half; ++i) {
      const uint32_t swap = (t.first[0][i] ^ t.first[1][i]) & BitMask(exchanged, i);
      const uint32_t zero = t.first[0][i] ^ swap, one = t.first[1][i] ^ swap;
      corrections[i] = (zero + own[i] - one) & LowMask(width);
      products[sent + i] -= zero << bit;
    }
    AppendValues(corrections, width, message);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kStep, message, message.size()));
  ShareReader corrected(reply);
  for (size_t bit = 0; bit < transfers_.size(); ++bit) {
    const ShareValues corrections = corrected.Values(half, bits_ - 1 - static_cast<int>(bit));
    for (size_t i = 0; i < half; ++i) {
      products[got + i] += (transfers_[bit].received_first[i] + (corrections[i] & BitMask(choices[bit], i))) << bit;
    }
  }
  for (size_t i = 0; i < count_; ++i) products[i] = (x[i] * x[i] + 2 * products[i]) & LowMask(bits_);
  return products;
}

}  // namespace privdnn
