// Evaluates candidates on several processes or machines (ranks/ranks.h), each with its own evaluator.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "privdnn/ranks/ranks.h"
#include "privdnn/selection/evaluator.h"

namespace privdnn {

// Rank 0's side: hands candidates and parts of the images to whichever rank is free. Outcomes are those of one process
// on a machine of the same kind: images that go through the network together stay together.
class RankedSource : public OutcomeSource {
 public:
  // Waits until every rank serves the same `identity` (Ranks::Meet). `ranks` and `evaluator` must outlive the source.
  static absl::StatusOr<RankedSource> Create(Ranks& ranks, const Evaluator& evaluator, const std::string& identity,
                                             const GoOnFn& go_on);

  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override;

  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override;

  // Candidates [first, last) on the images [begin, end) of the whole set or of a list.
  struct Part {
    size_t first = 0, last = 0;
    int64_t begin = 0, end = 0;
  };

  // Returns how many (candidate, image) pairs each rank has evaluated.
  const std::vector<uint64_t>& pairs() const { return pairs_; }

 private:
  RankedSource(Ranks& ranks, const Evaluator& evaluator)
      : ranks_(&ranks), evaluator_(&evaluator), pairs_(static_cast<size_t>(ranks.size())) {}
  // Evaluates every candidate on the images [begin, end), in parts. `request` returns the bytes to send to a rank;
  // `take` handles the reply.
  absl::Status Spread(size_t candidates, int64_t begin, int64_t end, const std::function<Bytes(const Part&)>& request,
                      const std::function<absl::Status(std::span<const uint8_t>, const Part&)>& take,
                      const ProgressFn& progress) const;

  Ranks* ranks_;
  const Evaluator* evaluator_;
  mutable std::vector<uint64_t> pairs_;
};

// The other ranks' side: serves until rank 0 leaves (Ranks::Serve).
absl::Status ServeOutcomes(Ranks& ranks, const Evaluator& evaluator, const std::string& identity, const GoOnFn& go_on);

}  // namespace privdnn
