// What is asked about candidates for the core neurons, and who answers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/base/status.h"

namespace privdnn {

// Core neurons of the layers that an Evaluator is about, ascending, without repetitions.
struct Candidate {
  std::vector<int64_t> first;   // of the layer before the square; empty for a linear segment
  std::vector<int64_t> second;  // of the layer whose outputs are encrypted
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const Candidate&) const = default;
};

// Which of a range of images a network classifies correctly: 1, else 0.
struct Outcome {
  std::vector<uint8_t> separated;  // A_s: what an authorised user computes
  std::vector<uint8_t> removed;    // A_r: the same with zeros in place of what the owner decrypts
};

// Which of a candidate's two networks: the one of an Outcome's `separated`, or of its `removed`.
enum class View : uint8_t { kSeparated = 0, kRemoved = 1 };

// Where a search gets outcomes from: an Evaluator, one with a journal, or many on several machines.
class OutcomeSource {
 public:
  virtual ~OutcomeSource() = default;
  // Outcomes on the images [begin, end), in the order of the candidates, always the same ones. Progress counts
  // (candidate, image) pairs; Cancelled when it returns false.
  virtual absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                        int64_t end, const ProgressFn& progress) const = 0;
  // By how much the label's score exceeds the top_k-th largest of the others, for each candidate and each of the images
  // (indices, ascending): positive where Evaluate says 1, negative where it says 0 (up to the rounding
  // that other images in a batch can bring), never 0. Of a label whose score is
  // not a number, and of one that has no others to compare with, the float of largest magnitude. Progress as above.
  virtual absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                                  std::span<const int64_t> images,
                                                                  const ProgressFn& progress) const = 0;
};

// InvalidArgument unless there are some and all ascend and are below `count`.
absl::Status CheckImageList(std::span<const int64_t> images, int64_t count);

}  // namespace privdnn
