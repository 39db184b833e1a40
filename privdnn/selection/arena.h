// What searches have in common: judging candidates beside each other. Internal to selection.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "privdnn/selection/search.h"

namespace privdnn {

// For each image, the margins (OutcomeSource::Margins) of a network near those that are to be judged, by View: images
// with small ones are the first that candidates differ on. All 0: nothing is known.
using Reference = std::array<std::vector<float>, 2>;

// On all images.
Accuracies MeasureAccuracies(const Evaluator& evaluator, const Outcome& outcome);

// Asks a source for margins, remembers them, and counts. Of a candidate without second neurons only the separated
// network is asked about; its margins stand for the other's, which differ only where a shortcut reads the squares.
class Arena {
 public:
  // The referenced objects must outlive the arena.
  Arena(const Evaluator& evaluator, const OutcomeSource& source, const Racing& racing, const ProgressFn& progress);

  // Runs of an image through a candidate's network that the search expects to ask for in all; only for the progress.
  void Plan(uint64_t image_evaluations) { planned_ = image_evaluations; }
  bool racing() const { return racing_.enabled; }
  // The unchanged network's; and of no network.
  Reference Original() const;
  Reference Nothing() const;
  // The unchanged network's, with what is known of a candidate in its place.
  Reference Near(const Candidate& candidate) const;
  // Margins of these candidates in place of the reference's: of one, as far as they are known; of several, what each of
  // them changes, added up.
  void Adopt(std::span<const Candidate> candidates, Reference& reference) const;

  // Indices of the `keep` best candidates, the best first. With racing, a candidate is judged by the images it was
  // dropped at, and no more images are asked for than it takes to name the best. `caution`: times Racing::z.
  absl::StatusOr<std::vector<size_t>> Best(std::span<const Candidate> candidates, size_t keep, const ScoreFn& score,
                                           const Reference& reference, double caution = 1);
  // On all images.
  absl::StatusOr<Judged> Judge(const Candidate& candidate, const ScoreFn& score);
  SearchResult Result(Judged best) const { return {std::move(best), memory_.size(), asked_}; }

 private:
  // NaN: not known.
  using Margins = std::array<std::vector<float>, 2>;
  // A subset of the images, which grows: the first `count` of `order`.
  struct Subset {
    std::vector<int64_t> order;
    size_t doubtful = 0;  // how many of the first ones are there because they are in doubt
    size_t count = 0;
    std::vector<float> rest;  // the reference's margins of the others, negated, ascending
  };
  Subset MakeSubset(const std::vector<float>& reference) const;
  void Grow(const std::vector<float>& reference, size_t count, Subset& subset) const;
  // What the images of the subset say about the others: how a candidate's margins differ from the reference's, each as
  // the number of the others that a network with this difference would find.
  std::vector<double> Others(const Candidate& candidate, View view, const std::vector<float>& reference,
                             const Subset& subset) const;
  // Has these images' margins of each candidate in memory_.
  absl::Status Ask(std::span<const Candidate> candidates, std::span<const size_t> which, View view,
                   std::span<const int64_t> images);
  const std::vector<float>& Known(const Candidate& candidate, View view) const;

  const Evaluator& evaluator_;
  const OutcomeSource& source_;
  const Racing racing_;
  const ProgressFn& progress_;
  std::map<Candidate, Margins> memory_;
  uint64_t planned_ = 0, asked_ = 0;
};

}  // namespace privdnn
