// What searches have in common: judging candidates beside each other. Internal to selection.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "selection/search.h"

namespace privdnn {

// Asks a source for outcomes, remembers them, and counts.
class Arena {
 public:
  // The referenced objects must outlive the arena.
  Arena(const Evaluator& evaluator, const OutcomeSource& source, const Racing& racing, const ProgressFn& progress);

  // Pairs that the search expects to ask for in all; only for the progress.
  void Plan(uint64_t image_evaluations) { planned_ = image_evaluations; }
  // Indices of the `keep` best candidates, the best first. With racing, a candidate is judged by the images it was
  // dropped at, and no more images are asked for than it takes to name the best. `incumbent`, an index, is never
  // dropped.
  absl::StatusOr<std::vector<size_t>> Best(std::span<const Candidate> candidates, size_t keep, const ScoreFn& score,
                                           std::optional<size_t> incumbent = std::nullopt, bool by_share = true);
  // On all images.
  absl::StatusOr<Judged> Judge(const Candidate& candidate, const ScoreFn& score);
  SearchResult Result(Judged best) const { return {std::move(best), memory_.size(), asked_}; }

 private:
  // Has the first `images` outcomes of each candidate in memory_.
  absl::Status Ask(std::span<const Candidate> candidates, std::span<const size_t> which, int64_t images);
  // On the first `images`.
  Accuracies Measure(const Candidate& candidate, int64_t images) const;
  // Whether `other` is behind `leader` by more than racing_.z standard errors.
  bool Behind(const Candidate& leader, const Candidate& other, int64_t images, const ScoreFn& score) const;

  const Evaluator& evaluator_;
  const OutcomeSource& source_;
  const Racing racing_;
  const ProgressFn& progress_;
  std::map<Candidate, Outcome> memory_;  // of the first images
  uint64_t planned_ = 0, asked_ = 0;
};

}  // namespace privdnn
