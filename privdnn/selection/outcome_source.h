// The questions that searches ask about candidates for the core neurons, and the interface that answers them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/base/status.h"

namespace privdnn {

// Core neurons of the layers of an Evaluator, ascending, without repetitions.
struct Candidate {
  std::vector<int64_t> first;   // of the layer before the square; empty for a linear segment
  std::vector<int64_t> second;  // of the layer whose outputs are encrypted
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const Candidate&) const = default;
};

// Which images of a range a network classifies correctly: 1, else 0.
struct Outcome {
  std::vector<uint8_t> separated;  // A_s: what an authorised user computes
  std::vector<uint8_t> removed;    // A_r: the same with zeros in place of what the owner decrypts
};

// One of a candidate's two networks: the one of Outcome::separated or of Outcome::removed.
enum class View : uint8_t { kSeparated = 0, kRemoved = 1 };

// Where a search gets outcomes from: an Evaluator, possibly with a journal, or several evaluators on several machines.
class OutcomeSource {
 public:
  virtual ~OutcomeSource() = default;
  // Returns outcomes on the images [begin, end), in the order of the candidates, always the same for the same question.
  // Progress counts (candidate, image) pairs; fails with Cancelled when it returns false.
  virtual absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                        int64_t end, const ProgressFn& progress) const = 0;
  // Returns by how much the label's score exceeds the top_k-th largest of the others, for each candidate and each of
  // the images (indices, ascending). This margin is positive where Evaluate gives 1, negative where it gives 0 (up to
  // rounding, which depends on the other images in a batch), and never 0. If the label's score is not a number, or
  // there are no others to compare with, the margin is the float of largest magnitude. Progress works as above.
  virtual absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                                  std::span<const int64_t> images,
                                                                  const ProgressFn& progress) const = 0;
};

// Fails with InvalidArgument unless the list is not empty, ascends, and has only indices below `count`.
absl::Status CheckImageList(std::span<const int64_t> images, int64_t count);

}  // namespace privdnn
