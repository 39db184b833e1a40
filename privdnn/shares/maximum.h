// The largest of shared values.
#pragma once

#include <optional>
#include <vector>

#include "privdnn/shares/comparison.h"
#include "privdnn/shares/relu.h"

namespace privdnn {

// max(a, b) = b + ReLU(a - b), in the flows of a ReLU. The difference must fit, too: a - b in [-2^(k-1), 2^(k-1)).
class Maximum {
 public:
  static absl::StatusOr<Maximum> Prepare(SharesParty& party, size_t count, int bits);
  absl::StatusOr<ShareValues> Run(SharesParty& party, std::span<const uint32_t> a, std::span<const uint32_t> b);

 private:
  int bits_ = 0;
  Relu relu_;
};

// Which of `classes` scores is the largest (the first, of equal ones), for `images` rows of scores shared modulo 2^k.
// All pairs of a row are compared at once; a tree of ANDs finds the one that loses to none. Only party 1 learns it.
// Differences must fit, as above. `classes` is at least 2.
class ArgMax {
 public:
  static absl::StatusOr<ArgMax> Prepare(SharesParty& party, size_t images, size_t classes, int bits);
  // `scores` is [image][class]. Returns the labels to party 1, and nothing to party 0.
  absl::StatusOr<std::vector<uint32_t>> Run(SharesParty& party, std::span<const uint32_t> scores);

 private:
  // Ends with one bit for each image and class: whether it is the largest.
  absl::StatusOr<ShareWords> FindWinners(SharesParty& party, const ShareWords& below);

  size_t images_ = 0, classes_ = 0;
  int bits_ = 0;
  Comparison comparison_;
  std::vector<BitTriples> triples_;  // for each level of the tree
};

}  // namespace privdnn
