#include "privdnn/selection/arena.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace privdnn {
namespace {

constexpr std::array kViews = {View::kSeparated, View::kRemoved};
constexpr size_t kLeastImages = 48;
// Of the first subset, the part that is in doubt; the others are spread evenly over what is left.
constexpr double kDoubtful = 0.6;
// Variance of a count of images that is never taken to be smaller: what a small subset can't show.
constexpr double kLeastVariance = 0.25;
// Points of accuracy over which a score's slope is taken, at least.
constexpr double kLeastPoints = 0.5;

size_t Index(View view) { return static_cast<size_t>(view); }

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// What a point of accuracy is worth at most around these accuracies, by view, if each may be off by so many points: of
// a score that is flat where it is judged, what lies at the edge counts.
std::array<double, 2> Weights(const Accuracies& at, const std::array<double, 2>& off, const ScoreFn& score) {
  const auto slope = [&](double separated, double removed, double points) {
    const double above = score({at.original, at.separated + separated, at.removed + removed});
    const double below = score({at.original, at.separated - separated, at.removed - removed});
    return std::abs(above - below) / (2 * points);
  };
  return {slope(off[0], 0, off[0]), slope(0, off[1], off[1])};
}

// Variance of a difference of two counts of images, of which the samples are estimates: which of the images the two
// networks tell apart is chance, and so is how many are expected to be.
double VarianceOfDifference(std::span<const double> a, std::span<const double> b) {
  double apart = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    apart += std::abs(a[i] - b[i]);
    sum += a[i] - b[i];
    squares += (a[i] - b[i]) * (a[i] - b[i]);
  }
  const auto n = static_cast<double>(a.size());
  return apart / n + (squares / n - sum / n * (sum / n)) / n + kLeastVariance;
}

}  // namespace

Accuracies MeasureAccuracies(const Evaluator& evaluator, const Outcome& outcome) {
  const auto percent = [](const std::vector<uint8_t>& right) {
    return 100.0 * static_cast<double>(std::accumulate(right.begin(), right.end(), int64_t{0})) /
           static_cast<double>(right.size());
  };
  return {percent(evaluator.original()), percent(outcome.separated), percent(outcome.removed)};
}

Arena::Arena(const Evaluator& evaluator, const OutcomeSource& source, const Racing& racing, const ProgressFn& progress)
    : evaluator_(evaluator), source_(source), racing_(racing), progress_(progress) {}

Reference Arena::Original() const { return {evaluator_.original_margins(), evaluator_.original_margins()}; }

Reference Arena::Nothing() const {
  const std::vector<float> none(static_cast<size_t>(evaluator_.images()));
  return {none, none};
}

const std::vector<float>& Arena::Known(const Candidate& candidate, View view) const {
  return memory_.at(candidate)[candidate.second.empty() ? Index(View::kSeparated) : Index(view)];
}

Reference Arena::Near(const Candidate& candidate) const {
  Reference reference = Original();
  if (memory_.contains(candidate)) Adopt({&candidate, 1}, reference);
  return reference;
}

void Arena::Adopt(std::span<const Candidate> candidates, Reference& reference) const {
  for (const View view : kViews) {
    std::vector<float>& margins = reference[Index(view)];
    std::vector<double> changed(margins.begin(), margins.end());
    for (const Candidate& candidate : candidates) {
      const std::vector<float>& known = Known(candidate, view);
      for (size_t i = 0; i < known.size(); ++i) {
        if (!std::isnan(known[i])) changed[i] += static_cast<double>(known[i]) - margins[i];
      }
    }
    // Margins may be as large as a float can be.
    constexpr double kMost = std::numeric_limits<float>::max();
    for (size_t i = 0; i < margins.size(); ++i) margins[i] = static_cast<float>(std::clamp(changed[i], -kMost, kMost));
  }
}

absl::Status Arena::Ask(std::span<const Candidate> candidates, std::span<const size_t> which, View view,
                        std::span<const int64_t> images) {
  // Candidates that lack the same images of the same network are asked about together.
  std::map<std::pair<View, std::vector<int64_t>>, std::vector<Candidate>> missing;
  for (const size_t w : which) {
    const Candidate& candidate = candidates[w];
    const View network = candidate.second.empty() ? View::kSeparated : view;
    std::vector<float>& known = memory_[candidate][Index(network)];
    // Without a layer in front, nothing is separated.
    if (network == View::kSeparated && evaluator_.first_neurons() == 0) known = evaluator_.original_margins();
    known.resize(static_cast<size_t>(evaluator_.images()), std::numeric_limits<float>::quiet_NaN());
    std::vector<int64_t> lacking;
    for (const int64_t i : images) {
      if (std::isnan(known[static_cast<size_t>(i)])) lacking.push_back(i);
    }
    std::sort(lacking.begin(), lacking.end());
    if (!lacking.empty()) missing[{network, std::move(lacking)}].push_back(candidate);
  }
  for (const auto& entry : missing) {
    const auto& [network, lacking] = entry.first;
    const uint64_t before = asked_;
    const auto progress = [&](uint64_t done, uint64_t total, const std::string& note) {
      return Proceeds(progress_, before + done, std::max(planned_, before + total), note);
    };
    PRIVDNN_ASSIGN_OR_RETURN(const auto margins, source_.Margins(entry.second, network, lacking, progress));
    asked_ += entry.second.size() * lacking.size();
    for (size_t c = 0; c < margins.size(); ++c) {
      std::vector<float>& known = memory_[entry.second[c]][Index(network)];
      for (size_t k = 0; k < lacking.size(); ++k) known[static_cast<size_t>(lacking[k])] = margins[c][k];
    }
  }
  return absl::OkStatus();
}

Arena::Subset Arena::MakeSubset(const std::vector<float>& reference) const {
  Subset subset;
  subset.order.resize(reference.size());
  std::iota(subset.order.begin(), subset.order.end(), int64_t{0});
  size_t first = reference.size();
  if (racing_.enabled) {
    first = racing_.first_images > 0 ? static_cast<size_t>(racing_.first_images)
                                     : std::max(reference.size() / 20, kLeastImages);
  }
  if (first < reference.size()) {
    const auto doubt = [&](int64_t i) { return std::abs(reference[static_cast<size_t>(i)]); };
    std::stable_sort(subset.order.begin(), subset.order.end(),
                     [&](int64_t a, int64_t b) { return doubt(a) < doubt(b); });
    if (doubt(subset.order.back()) > 0) {  // else nothing is known, and the images come as they are
      subset.doubtful = static_cast<size_t>(std::llround(kDoubtful * static_cast<double>(first)));
    }
    const size_t spread = first - subset.doubtful, others = reference.size() - subset.doubtful;
    std::vector<int64_t> front, back;
    for (size_t k = 0, next = 0; k < others; ++k) {
      // The middle of each of `spread` equal parts.
      const bool chosen = next < spread && k == (2 * next + 1) * others / (2 * spread);
      next += chosen;
      (chosen ? front : back).push_back(subset.order[subset.doubtful + k]);
    }
    std::copy(
        back.begin(), back.end(),
        std::copy(front.begin(), front.end(), subset.order.begin() + static_cast<std::ptrdiff_t>(subset.doubtful)));
  }
  Grow(reference, first, subset);
  return subset;
}

void Arena::Grow(const std::vector<float>& reference, size_t count, Subset& subset) const {
  subset.count = std::min(count, subset.order.size());
  subset.rest.clear();
  for (size_t k = subset.count; k < subset.order.size(); ++k) {
    subset.rest.push_back(-reference[static_cast<size_t>(subset.order[k])]);
  }
  std::sort(subset.rest.begin(), subset.rest.end());
}

std::vector<double> Arena::Others(const Candidate& candidate, View view, const std::vector<float>& reference,
                                  const Subset& subset) const {
  const std::vector<float>& known = Known(candidate, view);
  std::vector<double> found;
  // Not of those most in doubt: margins near 0 say least about how large ones change.
  for (size_t k = subset.doubtful / 2; k < subset.count; ++k) {
    const auto image = static_cast<size_t>(subset.order[k]);
    const float change = known[image] - reference[image];
    // A margin m becomes m + change, and is found if -m < change.
    found.push_back(
        static_cast<double>(std::lower_bound(subset.rest.begin(), subset.rest.end(), change) - subset.rest.begin()));
  }
  return found;
}

absl::StatusOr<std::vector<size_t>> Arena::Best(std::span<const Candidate> candidates, size_t keep,
                                                const ScoreFn& score, const Reference& reference, double caution) {
  keep = std::min(keep, candidates.size());
  std::vector<size_t> alive(candidates.size());
  std::iota(alive.begin(), alive.end(), size_t{0});
  const auto all = static_cast<size_t>(evaluator_.images());
  const auto percent = [&](double images) { return 100.0 * images / static_cast<double>(all); };
  const std::vector<uint8_t>& right = evaluator_.original();
  const double original = percent(std::accumulate(right.begin(), right.end(), 0.0));
  std::array<Subset, 2> subsets = {MakeSubset(reference[0]), MakeSubset(reference[1])};
  for (;;) {
    // Of each candidate: the accuracies that are expected, and for each view what its subset says about the others.
    std::map<size_t, Accuracies> expected;
    std::map<size_t, std::array<std::vector<double>, 2>> others;
    for (const View view : kViews) {
      const Subset& subset = subsets[Index(view)];
      PRIVDNN_RETURN_IF_ERROR(Ask(candidates, alive, view, std::span(subset.order).first(subset.count)));
      for (const size_t k : alive) {
        const std::vector<float>& known = Known(candidates[k], view);
        double found = 0;
        for (const int64_t i : std::span(subset.order).first(subset.count)) found += known[static_cast<size_t>(i)] > 0;
        if (subset.count < all) {
          others[k][Index(view)] = Others(candidates[k], view, reference[Index(view)], subset);
          found += Mean(others[k][Index(view)]);
        }
        expected[k].original = original;
        (view == View::kSeparated ? expected[k].separated : expected[k].removed) = percent(found);
      }
    }
    std::map<size_t, double> scores;
    for (const size_t k : alive) scores[k] = score(expected[k]);
    std::sort(alive.begin(), alive.end(), [&](size_t a, size_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : candidates[a] < candidates[b];
    });
    if (alive.size() <= keep) break;
    const size_t leader = alive[keep - 1];
    const double errors = caution * racing_.z;
    std::vector<size_t> left(alive.begin(), alive.begin() + static_cast<std::ptrdiff_t>(keep));
    std::array<double, 2> doubt = {0, 0};  // by view, of the pair that is most in doubt
    for (size_t place = keep; place < alive.size(); ++place) {
      const size_t k = alive[place];
      std::array<double, 2> variance = {0, 0}, off = {kLeastPoints, kLeastPoints};
      for (const View view : kViews) {
        const size_t v = Index(view);
        if (subsets[v].count == all) continue;
        variance[v] = VarianceOfDifference(others[leader][v], others[k][v]);
        off[v] = std::max(off[v], percent(std::sqrt(variance[v])));
      }
      const auto of_leader = Weights(expected[leader], off, score), of_other = Weights(expected[k], off, score);
      for (const size_t v : {0, 1}) {
        const double weight = percent(std::max(of_leader[v], of_other[v]));
        variance[v] *= weight * weight;
      }
      if (scores[leader] - scores[k] > errors * std::sqrt(variance[0] + variance[1])) continue;
      left.push_back(k);
      for (const size_t v : {0, 1}) doubt[v] = std::max(doubt[v], variance[v]);
    }
    alive = std::move(left);
    const double most = std::max(doubt[0], doubt[1]);
    if (alive.size() <= keep || most == 0) break;
    for (const size_t v : {0, 1}) {
      // More images where they tell more.
      constexpr double kMuchLess = 0.25;
      if (doubt[v] < kMuchLess * most) continue;
      const double larger = std::ceil(racing_.growth * static_cast<double>(subsets[v].count));
      Grow(reference[v], static_cast<size_t>(larger), subsets[v]);
    }
  }
  alive.resize(keep);
  return alive;
}

absl::StatusOr<Judged> Arena::Judge(const Candidate& candidate, const ScoreFn& score) {
  std::vector<int64_t> all(static_cast<size_t>(evaluator_.images()));
  std::iota(all.begin(), all.end(), int64_t{0});
  const size_t first = 0;
  Judged judged{candidate, {}, 0, {}};
  for (const View view : kViews) {
    PRIVDNN_RETURN_IF_ERROR(Ask({&candidate, 1}, {&first, 1}, view, all));
    std::vector<uint8_t>& found = view == View::kSeparated ? judged.outcome.separated : judged.outcome.removed;
    for (const float margin : Known(candidate, view)) found.push_back(margin > 0);
  }
  judged.accuracies = MeasureAccuracies(evaluator_, judged.outcome);
  judged.score = score(judged.accuracies);
  return judged;
}

}  // namespace privdnn
