// Compares candidates with each other, for all searches. Internal to selection.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "privdnn/selection/search.h"

namespace privdnn {

// For each image and View, the margin (OutcomeSource::Margins) of a network close to the candidates. Candidates are
// most likely to differ on images with small margins. All 0: nothing is known.
using Reference = std::array<std::vector<float>, 2>;

// Returns the accuracies of an outcome on all images.
Accuracies MeasureAccuracies(const Evaluator& evaluator, const Outcome& outcome);

// Asks a source for margins, remembers them, and counts. For a candidate without second neurons it asks only about the
// separated network. Its margins stand for the other network's, which differ only where a shortcut reads the squares.
class Arena {
 public:
  // The referenced objects must outlive the arena.
  Arena(const Evaluator& evaluator, const OutcomeSource& source, const Racing& racing, const ProgressFn& progress);

  // Announces how many runs of an image through a candidate's network the search expects to ask for in total; only for
  // progress.
  void Plan(uint64_t image_evaluations) { planned_ = image_evaluations; }
  bool racing() const { return racing_.enabled; }
  // Return the reference of the unchanged network, and the one that says nothing.
  Reference Original() const;
  Reference Nothing() const;
  // Returns the reference of the unchanged network, replaced by what is known of a candidate.
  Reference Near(const Candidate& candidate) const;
  // Puts these candidates' margins into the reference: for one candidate, those that are known; for several, the sum of
  // the changes that each makes.
  void Adopt(std::span<const Candidate> candidates, Reference& reference) const;

  // Returns the indices of the `keep` best candidates, the best first. With racing, judges a candidate by the images on
  // which it was dropped, and asks for no more images than it takes to find the best. `caution` is a factor on
  // Racing::z.
  absl::StatusOr<std::vector<size_t>> Best(std::span<const Candidate> candidates, size_t keep, const ScoreFn& score,
                                           const Reference& reference, double caution = 1);
  // Judges a candidate on all images.
  absl::StatusOr<Judged> Judge(const Candidate& candidate, const ScoreFn& score);
  SearchResult Result(Judged best) const { return {std::move(best), memory_.size(), asked_}; }

 private:
  // NaN: unknown.
  using Margins = std::array<std::vector<float>, 2>;
  // A growing subset of the images: the first `count` of `order`.
  struct Subset {
    std::vector<int64_t> order;
    size_t doubtful = 0;  // how many, from the start, are there because they are in doubt
    size_t count = 0;
    std::vector<float> rest;  // the reference's margins of the other images, negated, ascending
  };
  Subset MakeSubset(const std::vector<float>& reference) const;
  void Grow(const std::vector<float>& reference, size_t count, Subset& subset) const;
  // Estimates the other images from those of the subset. For each image of the subset, takes how a candidate's margin
  // differs from the reference's, and returns the number of other images that a network with this difference would
  // find.
  std::vector<double> Others(const Candidate& candidate, View view, const std::vector<float>& reference,
                             const Subset& subset) const;
  // Gets these images' margins of each candidate into memory_.
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
