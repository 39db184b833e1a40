#include "privdnn/shares/maximum.h"

#include <cassert>

namespace privdnn {
namespace {

constexpr std::string_view kStep = "arg max";

void PutBit(ShareWords& words, size_t i, uint32_t bit) { words[i / 64] |= static_cast<uint64_t>(bit) << (i % 64); }

}  // namespace

absl::StatusOr<Maximum> Maximum::Prepare(SharesParty& party, size_t count, int bits) {
  Maximum maximum;
  maximum.bits_ = bits;
  PRIVDNN_ASSIGN_OR_RETURN(maximum.relu_, Relu::Prepare(party, count, bits, bits));
  return maximum;
}

absl::StatusOr<ShareValues> Maximum::Run(SharesParty& party, std::span<const uint32_t> a, std::span<const uint32_t> b) {
  assert(a.size() == b.size());
  ShareValues difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = (a[i] - b[i]) & LowMask(bits_);
  PRIVDNN_ASSIGN_OR_RETURN(ShareValues larger, relu_.Run(party, difference));
  for (size_t i = 0; i < a.size(); ++i) larger[i] = (larger[i] + b[i]) & LowMask(bits_);
  return larger;
}

absl::StatusOr<ArgMax> ArgMax::Prepare(SharesParty& party, size_t images, size_t classes, int bits) {
  assert(classes >= 2 && images >= 1);
  ArgMax arg_max;
  arg_max.images_ = images;
  arg_max.classes_ = classes;
  arg_max.bits_ = bits;
  const size_t pairs = images * classes * (classes - 1) / 2;
  PRIVDNN_ASSIGN_OR_RETURN(arg_max.comparison_, Comparison::Prepare(party, PaddedCount(pairs), bits));
  for (size_t rivals = classes - 1; rivals > 1; rivals = (rivals + 1) / 2) {
    PRIVDNN_ASSIGN_OR_RETURN(BitTriples triples,
                             BitTriples::Prepare(party, PaddedCount(images * classes) * (rivals / 2)));
    arg_max.triples_.push_back(std::move(triples));
  }
  return arg_max;
}

absl::StatusOr<std::vector<uint32_t>> ArgMax::Run(SharesParty& party, std::span<const uint32_t> scores) {
  assert(scores.size() == images_ * classes_);
  ShareValues differences(PaddedCount(images_ * classes_ * (classes_ - 1) / 2));
  size_t at = 0;
  for (size_t image = 0; image < images_; ++image) {
    const auto row = scores.subspan(image * classes_, classes_);
    for (size_t i = 0; i < classes_; ++i) {
      for (size_t j = i + 1; j < classes_; ++j) differences[at++] = (row[i] - row[j]) & LowMask(bits_);
    }
  }
  const Bytes message = comparison_.FirstMessage(differences);
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes first, party.Exchange(kStep, message, message.size()));
  PRIVDNN_ASSIGN_OR_RETURN(const ShareWords below, comparison_.Finish(party, differences, first));
  PRIVDNN_ASSIGN_OR_RETURN(const ShareWords winners, FindWinners(party, below));

  Bytes opened;
  if (party.id() == 0) AppendWords(winners, opened);
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply,
                           party.Exchange(kStep, opened, party.id() == 0 ? 0 : winners.size() * sizeof(uint64_t)));
  std::vector<uint32_t> labels;
  if (party.id() == 0) return labels;
  ShareWords winner = ShareReader(reply).Words(winners.size());
  for (size_t w = 0; w < winner.size(); ++w) winner[w] ^= winners[w];
  for (size_t image = 0; image < images_; ++image) {
    uint32_t label = 0, count = 0;
    for (size_t c = 0; c < classes_; ++c) {
      const uint32_t is = BitOf(winner, image * classes_ + c);
      label += is * static_cast<uint32_t>(c);
      count += is;
    }
    if (count != 1) return InvalidArgument("{}: the owner's message names {} labels for an image", kStep, count);
    labels.push_back(label);
  }
  return labels;
}

absl::StatusOr<ShareWords> ArgMax::FindWinners(SharesParty& party, const ShareWords& below) {
  // For each image and class, one bit for each rival: 1 if the rival is not larger (or, behind it, not as large).
  const size_t rows = images_ * classes_;
  const auto flip = static_cast<uint32_t>(party.first_mask() & 1);
  std::vector<ShareWords> wins(classes_ - 1, ShareWords(PaddedCount(rows) / 64));
  size_t at = 0;
  for (size_t image = 0; image < images_; ++image) {
    for (size_t i = 0; i < classes_; ++i) {
      for (size_t j = i + 1; j < classes_; ++j, ++at) {
        const uint32_t j_wins = BitOf(below, at);
        PutBit(wins[j - 1], image * classes_ + i, j_wins ^ flip);
        PutBit(wins[i], image * classes_ + j, j_wins);
      }
    }
  }
  const size_t words = wins[0].size();
  for (size_t level = 0; wins.size() > 1; ++level) {
    const BitTriples& t = triples_[level];
    const size_t pairs = wins.size() / 2;
    Bytes message;
    std::vector<ShareWords> d(pairs), e(pairs);
    for (size_t p = 0; p < pairs; ++p) {
      d[p] = wins[2 * p];
      e[p] = wins[2 * p + 1];
      for (size_t w = 0; w < words; ++w) {
        d[p][w] ^= t.a[p * words + w];
        e[p][w] ^= t.b[p * words + w];
      }
      AppendWords(d[p], message);
      AppendWords(e[p], message);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, party.Exchange(kStep, message, message.size()));
    ShareReader reader(reply);
    std::vector<ShareWords> joined;
    for (size_t p = 0; p < pairs; ++p) {
      const ShareWords other_d = reader.Words(words), other_e = reader.Words(words);
      ShareWords& product = joined.emplace_back(words);
      for (size_t w = 0; w < words; ++w) {
        const uint64_t open_d = d[p][w] ^ other_d[w], open_e = e[p][w] ^ other_e[w];
        const size_t at_triple = p * words + w;
        product[w] = t.c[at_triple] ^ (open_d & t.b[at_triple]) ^ (open_e & t.a[at_triple]) ^
                     (open_d & open_e & party.first_mask());
      }
    }
    if (wins.size() % 2 == 1) joined.push_back(std::move(wins.back()));
    wins = std::move(joined);
  }
  return std::move(wins[0]);
}

}  // namespace privdnn
