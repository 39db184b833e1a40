// The sign of shared values.
#pragma once

#include <vector>

#include "privdnn/shares/bits.h"
#include "privdnn/shares/party.h"
#include "privdnn/shares/transfers.h"

namespace privdnn {

// The sign of x shared modulo 2^k: the top bit of x_0 + x_1, which is that of x_0, of x_1, and the carry from the bits
// below. The carry is 2^(k-1) - 1 - (x_0 mod 2^(k-1)) < x_1 mod 2^(k-1): the millionaires' problem, by digits of 4 bits
// (Rathee et al., CrypTFlow2, CCS 2020, section 3). For each digit, a 1-of-16 transfer gives shares of "less" and
// "equal"; a tree of ANDs joins them: 2 flows and ceil(log2(q)) more, q = ceil((k - 1) / 4). Half of the values are
// compared with each party as the sender, so that both directions carry the same.
class Comparison {
 public:
  // For `count` values, a multiple of kShareBatch, modulo 2^bits, bits in [2, 32].
  static absl::StatusOr<Comparison> Prepare(SharesParty& party, size_t count, int bits);

  // The first flow carries FirstMessage(x), to which the caller may append what its own first step sends; the peer's is
  // as long. Each comparison is run once.
  Bytes FirstMessage(std::span<const uint32_t> x);
  uint64_t FirstBytes() const;
  // Runs the other flows. Returns shares of the signs: 1 for x < 0.
  absl::StatusOr<ShareWords> Finish(SharesParty& party, std::span<const uint32_t> x, std::span<const uint8_t> first);

 private:
  // Shares of "less" and "equal" of a digit, or of several joined; the lowest's "equal" is not needed.
  struct Node {
    ShareWords less, equal;
  };
  size_t half() const { return count_ / 2; }
  // Party 0 is the sender for the first half.
  size_t sent_begin() const { return id_ == 0 ? 0 : half(); }
  size_t received_begin() const { return half() - sent_begin(); }
  absl::StatusOr<std::vector<Node>> CompareDigits(SharesParty& party, std::span<const uint32_t> x,
                                                  std::span<const uint8_t> first);
  absl::Status JoinPairs(SharesParty& party, std::vector<Node>& nodes);

  int id_ = 0;
  size_t count_ = 0;
  int bits_ = 0;
  size_t digits_ = 0;
  DigitTransfers transfers_;         // digit by digit, [digit][value]
  std::vector<BitTriples> triples_;  // for each AND of the tree
  ZeroizingVector<uint8_t> own_;     // the digits of which this party receives: [digit][value]
};

}  // namespace privdnn
