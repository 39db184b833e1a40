#include "privdnn/shares/relu.h"

#include <cassert>

namespace privdnn {
namespace {

constexpr std::string_view kPrepare = "ReLU, preparation";
constexpr std::string_view kStep = "ReLU";

uint32_t Select(uint32_t mask, uint32_t if_set, uint32_t if_not) { return (if_set & mask) | (if_not & ~mask); }

}  // namespace

absl::StatusOr<Relu> Relu::Prepare(SharesParty& party, size_t count, int bits, int out_bits) {
  assert(count % kShareBatch == 0 && bits >= 2 && out_bits >= bits && out_bits <= 32);
  Relu relu;
  relu.count_ = count;
  relu.bits_ = bits;
  relu.out_bits_ = out_bits;
  PRIVDNN_ASSIGN_OR_RETURN(relu.comparison_, Comparison::Prepare(party, count, bits));
  PRIVDNN_RETURN_IF_ERROR(relu.PrepareSelection(party));
  return relu;
}

// rho_i is this party's choice in a random transfer of two words (u, v) from the peer. With d_i = u_1 - u_0 of its own
// transfer, a_i = (1 - 2 rho_i) d_i, so that rho a_i = rho_i a_i + rho_j d_i: the peer j holds u_0 + rho_j d_i.
absl::Status Relu::PrepareSelection(SharesParty& party) {
  PRIVDNN_ASSIGN_OR_RETURN(WordTransfers words, WordTransfers::Prepare(party, count_));
  const uint32_t mask = LowMask(bits_);
  rho_ = std::move(words.choices);
  a_.resize(count_);
  rho_a_.resize(count_);
  for (size_t i = 0; i < count_; ++i) {
    const uint32_t own = BitMask(rho_, i), d = words.first[1][i] - words.first[0][i];
    a_[i] = ((d ^ own) - own) & mask;
    rho_a_[i] = ((a_[i] & own) - words.first[0][i] + words.received_first[i]) & mask;
  }
  return PrepareArithmetic(party, words.second, words.received_second);
}

// Half of the values each way: the sender of a product of both parties' bits r, s corrects its transfer by
// m_0 + s - m_1, so that the receiver gets m_0 + r s; the sender's share is -m_0.
absl::Status Relu::PrepareArithmetic(SharesParty& party, const std::array<ShareValues, 2>& second,
                                     const ShareValues& received) {
  const size_t half = count_ / 2, sent = party.id() == 0 ? 0 : half, got = half - sent;
  const int extra = out_bits_ - bits_;
  Bytes message;
  ShareValues corrections(half);
  for (size_t i = 0; i < half; ++i) {
    const size_t at = sent + i;
    corrections[i] = (second[0][at] + BitOf(rho_, at) - second[1][at]) & LowMask(bits_ - 1);
  }
  AppendValues(corrections, bits_ - 1, message);
  for (size_t j = 0; j < 2 && extends(); ++j) {
    PRIVDNN_ASSIGN_OR_RETURN(carries_[j], Carry::Begin(party, count_, extra, message));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kPrepare, message, message.size()));
  ShareReader reader(reply);
  rho_sum_.resize(count_);
  corrections = reader.Values(half, bits_ - 1);
  for (size_t i = 0; i < half; ++i) {
    const size_t s = sent + i, r = got + i;
    rho_sum_[s] = (BitOf(rho_, s) + 2 * second[0][s]) & LowMask(bits_);
    rho_sum_[r] = (BitOf(rho_, r) - 2 * (received[r] + (corrections[i] & BitMask(rho_, r)))) & LowMask(bits_);
  }
  for (size_t j = 0; j < 2 && extends(); ++j) carries_[j].Finish(reader);
  return absl::OkStatus();
}

absl::StatusOr<ShareValues> Relu::Run(SharesParty& party, std::span<const uint32_t> x) {
  assert(x.size() == count_);
  const uint32_t mask = LowMask(bits_);
  // Open x - a beside the comparison's first message.
  Bytes message = comparison_.FirstMessage(x);
  ShareValues opened(count_);
  for (size_t i = 0; i < count_; ++i) opened[i] = (x[i] - a_[i]) & mask;
  AppendValues(opened, bits_, message);
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes first, party.Exchange(kStep, message, message.size()));
  const auto digits = std::span<const uint8_t>(first).first(comparison_.FirstBytes());
  const ShareValues other = ShareReader(std::span<const uint8_t>(first).subspan(digits.size())).Values(count_, bits_);
  PRIVDNN_ASSIGN_OR_RETURN(ShareWords beta, comparison_.Finish(party, x, digits));

  std::array<ShareValues, 2> candidates = {ShareValues(count_), ShareValues(count_)};  // rho x, (1 - rho) x
  for (size_t i = 0; i < count_; ++i) {
    candidates[0][i] = (rho_a_[i] + (opened[i] + other[i]) * rho_sum_[i]) & mask;
    candidates[1][i] = (x[i] - candidates[0][i]) & mask;
  }
  const size_t words = count_ / 64;
  for (size_t w = 0; w < words; ++w) beta[w] ^= party.first_mask() ^ rho_[w];
  message.clear();
  AppendWords(beta, message);
  std::array<ShareWords, 2> tops;
  for (size_t j = 0; j < 2 && extends(); ++j) {
    tops[j] = BitsOf(candidates[j], bits_ - 1);
    for (size_t w = 0; w < words; ++w) tops[j][w] ^= carries_[j].masks()[w];
    AppendWords(tops[j], message);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kStep, message, message.size()));
  ShareReader reader(reply);
  const ShareWords other_beta = reader.Words(words);
  for (size_t w = 0; w < words; ++w) beta[w] ^= other_beta[w];
  ShareValues y(count_);
  if (!extends()) {
    for (size_t i = 0; i < count_; ++i) y[i] = Select(BitMask(beta, i), candidates[1][i], candidates[0][i]);
    return y;
  }
  const std::array<ShareWords, 2> other_tops = {reader.Words(words), reader.Words(words)};
  for (size_t i = 0; i < count_; ++i) {
    const uint32_t chosen = BitMask(beta, i);
    const auto select = [&](auto&& of) { return Select(chosen, of(1), of(0)); };
    const uint32_t u = select([&](size_t j) { return BitOf(tops[j], i); });
    const uint32_t v = select([&](size_t j) { return BitOf(other_tops[j], i); });
    const uint32_t r = select([&](size_t j) { return BitOf(carries_[j].masks(), i); });
    const uint32_t rs = select([&](size_t j) { return carries_[j].product()[i]; });
    const uint32_t share = select([&](size_t j) { return candidates[j][i]; });
    y[i] = ExtendShare(share, bits_, u, v, r, rs, static_cast<uint32_t>(party.first_mask())) & LowMask(out_bits_);
  }
  return y;
}

}  // namespace privdnn
