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

// Candidates are judged on some images, then on more; those that are behind the best by more than chance would have it
// are dropped (racing: Maron & Moore, 1997). The first images are those that a network near the candidates is least
// sure about, and some of the others, evenly spread: on most images no candidate changes anything. How the margins of
// the images that were looked at have changed says how many of the others change sides. See docs/selection.md.
struct Racing {
  bool enabled = false;
  int64_t first_images = 0;  // of the first subset; 0: a 20th of the images, at least 48
  double growth = 1.5;       // each subset is so many times as large
  double z = 1.5;            // standard errors of the paired difference that a candidate may be behind the best
};

// In which order a greedy search grows the layers. kLayers is that of Ren et al., PoPETs 2024(3), section 5:
// first-layer neurons whose removal alone leaves the highest accuracy, then second-layer neurons by score. kInTurn: a
// step of the second layer, then one of the first, and so on, all by score; a full layer is passed over.
enum class GreedyOrder { kInTurn, kLayers };

struct SearchOptions {
  int64_t count1 = 0, count2 = 1;  // neurons of the first and second layer; count1 is 0 for a linear segment
  ScoreFn score;
  Racing racing;                             // not used by exhaustive search
  GreedyOrder order = GreedyOrder::kInTurn;  // of GreedySearch
  int64_t greedy_step = 1;                   // neurons that a step of a greedy search adds
  uint64_t seed = 1;                         // of random choices
  int64_t beam = 3;                          // candidates that a swap search grows side by side
  int64_t tries = 100;                       // candidates of a random search
  // Neurons that greedy searches choose from, ascending; empty: all.
  std::vector<int64_t> pool1, pool2;
  // What a greedy search starts from: kept and grown.
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
  uint64_t candidates = 0;  // looked at
  // Runs of an image through what lies behind the segment: two for a candidate and an image, one if the candidate has
  // no second neurons.
  uint64_t image_evaluations = 0;
};

// What all searches refuse: counts that the layers don't have, a pool or start that doesn't fit them.
absl::Status CheckSearch(const Evaluator& evaluator, const SearchOptions& options);

// One candidate on all images.
absl::StatusOr<Judged> Judge(const Evaluator& evaluator, const OutcomeSource& source, const Candidate& candidate,
                             const ScoreFn& score);

// `evaluator` says what the layers are; `source` is asked for outcomes and margins. Progress counts image
// evaluations, of which there may be fewer in the end if candidates are dropped; in an exhaustive search, pairs of a
// candidate and an image. All are deterministic: ties go to the candidate that
// comes first in ascending order.

// The best of options.tries random candidates, all different.
absl::StatusOr<SearchResult> RandomSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress);
// The neurons of a layer that are best when added by themselves, one step after the other, in options.order.
absl::StatusOr<SearchResult> GreedySearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress);
// Number of candidates; InvalidArgument if it exceeds 2^62.
absl::StatusOr<uint64_t> CountCandidates(const Evaluator& evaluator, const SearchOptions& options);
// Candidate `index` of those, in ascending order.
Candidate CandidateAt(const Evaluator& evaluator, const SearchOptions& options, uint64_t index);
// All of them. `on_judged`, if given, is called for each in ascending order; its error ends the search.
absl::StatusOr<SearchResult> ExhaustiveSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                              const SearchOptions& options,
                                              const std::function<absl::Status(const Judged&)>& on_judged,
                                              const ProgressFn& progress);
// Ours; see docs/selection.md: a greedy search of several candidates side by side (a beam), then swaps of a core neuron
// for another of its layer as long as one raises the score, in both layers at once. Of neighbourhoods larger than
// `kMaxNeighbours` a random part is tried.
inline constexpr size_t kMaxNeighbours = 256;
absl::StatusOr<SearchResult> SwapSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                        const SearchOptions& options, const ProgressFn& progress);

struct Target {
  double without_owner;  // A_r at most, percent
  double max_loss;       // A_o - A_s at most, points
};
// The fewest second-layer neurons (encrypted outputs, what a plan's cost grows with; first-layer neurons cost nothing)
// that reach the target, first-layer neurons and their number free; the second layer's count is searched up to
// options.count2 (0: all). NotFound, with the nearest that was seen, if none was found.
absl::StatusOr<SearchResult> TargetSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const Target& target,
                                          const ProgressFn& progress);

}  // namespace privdnn
