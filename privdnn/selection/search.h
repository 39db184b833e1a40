// Searches for the core neurons.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/selection/evaluator.h"
#include "privdnn/selection/pruning.h"
#include "privdnn/selection/score.h"

namespace privdnn {

// Racing (Maron & Moore, 1997): candidates are judged on some images, then on more; those that are further behind the
// best than chance explains are dropped. On most images, all candidates give the same result. The first images are
// therefore those that a network near the candidates is least sure about, and some others, evenly spread. The changes
// in the margins of the images seen so far predict how many other images change sides. See docs/selection.md.
struct Racing {
  bool enabled = false;
  int64_t first_images = 0;  // size of the first subset; 0: a 20th of the images, at least 48
  double growth = 1.5;       // each subset is this many times as large as the one before
  double z = 1.5;            // standard errors of the paired difference by which a candidate may be behind the best
};

// The order in which a greedy search grows the layers. kLayers is that of Ren et al., PoPETs 2024(3), section 5: the
// first-layer neurons whose removal alone leaves the highest accuracy, then second-layer neurons by score. kInTurn: a
// step of the second layer, then one of the first, and so on, all by score; a full layer is skipped.
enum class GreedyOrder { kInTurn, kLayers };

struct SearchOptions {
  int64_t count1 = 0, count2 = 1;  // neurons of the first and second layer; count1 is 0 for a linear segment
  ScoreFn score;
  Racing racing;                             // not used by exhaustive search
  GreedyOrder order = GreedyOrder::kInTurn;  // for GreedySearch
  int64_t greedy_step = 1;                   // neurons that a step of a greedy search adds
  uint64_t seed = 1;                         // for random choices
  int64_t beam = 3;                          // candidates that a swap search grows side by side
  int64_t tries = 100;                       // candidates of a random search
  // The neurons that greedy searches choose from, ascending; empty: all.
  std::vector<int64_t> pool1, pool2;
  // The candidate that a greedy search starts from: its neurons are kept and others added.
  Candidate start;
};

struct Judged {
  Candidate candidate;
  Accuracies accuracies;  // on all images
  double score = 0;
  Outcome outcome;
};

struct SearchResult {
  Judged best;
  uint64_t candidates = 0;  // that were looked at
  // Runs of an image through the layers after the segment: two per candidate and image, one if the candidate has no
  // second neurons.
  uint64_t image_evaluations = 0;
};

// Checks what all searches require. Fails with InvalidArgument if the layers don't have the neurons asked for, or a
// pool or start doesn't fit them.
absl::Status CheckSearch(const Evaluator& evaluator, const SearchOptions& options);

// Judges one candidate on all images.
absl::StatusOr<Judged> Judge(const Evaluator& evaluator, const OutcomeSource& source, const Candidate& candidate,
                             const ScoreFn& score);

// In all searches, `evaluator` describes the layers, and `source` provides outcomes and margins. Progress counts image
// evaluations; there may be fewer in the end if candidates are dropped. In an exhaustive search it counts pairs of a
// candidate and an image. All searches are deterministic: in a tie, the candidate that comes first in ascending order
// wins.

// Finds the best of options.tries random candidates, all different.
absl::StatusOr<SearchResult> RandomSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress);
// Adds the neurons of a layer that are best when added individually, step by step, in options.order.
absl::StatusOr<SearchResult> GreedySearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress);
// Returns the number of candidates of an exhaustive search. Fails with InvalidArgument if it exceeds 2^62.
absl::StatusOr<uint64_t> CountCandidates(const Evaluator& evaluator, const SearchOptions& options);
// Returns candidate `index` of these, in ascending order.
Candidate CandidateAt(const Evaluator& evaluator, const SearchOptions& options, uint64_t index);
// Judges all of them. Calls `on_judged`, if given, for each in ascending order; its error ends the search.
absl::StatusOr<SearchResult> ExhaustiveSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                              const SearchOptions& options,
                                              const std::function<absl::Status(const Judged&)>& on_judged,
                                              const ProgressFn& progress);
// Our own method; see docs/selection.md: a greedy search of several candidates side by side (a beam), then swaps of a
// core neuron for another of its layer, in both layers at once, as long as one raises the score. If a candidate has
// more than `kMaxNeighbours` neighbours, only a random part of them is tried.
inline constexpr size_t kMaxNeighbours = 256;
absl::StatusOr<SearchResult> SwapSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                        const SearchOptions& options, const ProgressFn& progress);

struct Target {
  double without_owner;  // largest A_r, percent
  double max_loss;       // largest A_o - A_s, points
};
// Finds the fewest second-layer neurons that reach the target. These are the encrypted outputs, with which a plan's
// cost grows; first-layer neurons cost nothing, so their choice and number are free. Tries second-layer counts up to
// options.count2 (0: all). Fails with NotFound, giving the nearest result seen, if none was found.
absl::StatusOr<SearchResult> TargetSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const Target& target,
                                          const ProgressFn& progress);

}  // namespace privdnn
