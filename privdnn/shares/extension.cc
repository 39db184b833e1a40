#include "privdnn/shares/extension.h"

#include <cassert>

namespace privdnn {

// The sender of a product of both parties' bits r, s corrects its transfer by m_0 + r - m_1, so that the receiver,
// whose choice is s, gets m_0 + r s; the sender's share is -m_0.
absl::StatusOr<Carry> Carry::Begin(SharesParty& party, size_t count, int extra, Bytes& message) {
  assert(count % kShareBatch == 0 && extra >= 1 && extra <= 31);
  Carry carry;
  carry.extra_ = extra;
  carry.masks_.resize(count / 64);
  carry.product_.resize(count);
  const size_t half = count / 2;
  carry.sent_ = party.id() == 0 ? 0 : half;
  carry.got_ = half - carry.sent_;
  PRIVDNN_ASSIGN_OR_RETURN(WordTransfers words, WordTransfers::Prepare(party, half));
  party.random().Fill(std::span<uint64_t>(carry.masks_).subspan(carry.sent_ / 64, half / 64));
  std::copy(words.choices.begin(), words.choices.end(),
            carry.masks_.begin() + static_cast<std::ptrdiff_t>(carry.got_ / 64));
  ShareValues corrections(half);
  for (size_t i = 0; i < half; ++i) {
    const uint32_t zero = words.first[0][i];
    corrections[i] = (zero + BitOf(carry.masks_, carry.sent_ + i) - words.first[1][i]) & LowMask(extra);
    carry.product_[carry.sent_ + i] = 0 - zero;
  }
  AppendValues(corrections, extra, message);
  carry.received_ = std::move(words.received_first);
  return carry;
}

void Carry::Finish(ShareReader& reader) {
  const ShareValues corrections = reader.Values(half(), extra_);
  for (size_t i = 0; i < half(); ++i) {
    product_[got_ + i] = received_[i] + (corrections[i] & BitMask(masks_, got_ + i));
  }
  received_ = ShareValues();
}

absl::StatusOr<Extension> Extension::Prepare(SharesParty& party, size_t count, int bits, int out_bits) {
  assert(bits >= 3 && bits < out_bits && out_bits <= 32);
  Extension extension;
  extension.bits_ = bits;
  extension.out_bits_ = out_bits;
  Bytes message;
  PRIVDNN_ASSIGN_OR_RETURN(extension.carry_, Carry::Begin(party, count, out_bits - bits, message));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange("extension, preparation", message, message.size()));
  ShareReader reader(reply);
  extension.carry_.Finish(reader);
  return extension;
}

absl::StatusOr<ShareValues> Extension::Run(SharesParty& party, std::span<const uint32_t> x) {
  assert(x.size() == carry_.product().size());
  const auto first = static_cast<uint32_t>(party.first_mask());
  const uint32_t middle = uint32_t{1} << (bits_ - 2);
  ShareValues y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = (x[i] + (middle & first)) & LowMask(bits_);
  ShareWords tops = BitsOf(y, bits_ - 1);
  for (size_t w = 0; w < tops.size(); ++w) tops[w] ^= carry_.masks()[w];
  Bytes message;
  AppendWords(tops, message);
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange("extension", message, message.size()));
  const ShareWords others = ShareReader(reply).Words(tops.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const uint32_t extended = ExtendShare(y[i], bits_, BitOf(tops, i), BitOf(others, i), BitOf(carry_.masks(), i),
                                          carry_.product()[i], first);
    y[i] = (extended - (middle & first)) & LowMask(out_bits_);
  }
  return y;
}

}  // namespace privdnn
