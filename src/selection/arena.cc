#include "selection/arena.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace privdnn {
namespace {

constexpr int64_t kLeastImages = 64;

double Percent(std::span<const uint8_t> right) {
  return 100.0 * static_cast<double>(std::accumulate(right.begin(), right.end(), int64_t{0})) /
         static_cast<double>(right.size());
}

}  // namespace

Arena::Arena(const Evaluator& evaluator, const OutcomeSource& source, const Racing& racing, const ProgressFn& progress)
    : evaluator_(evaluator), source_(source), racing_(racing), progress_(progress) {}

absl::Status Arena::Ask(std::span<const Candidate> candidates, std::span<const size_t> which, int64_t images) {
  // Candidates are asked about from where memory ends, those with the same end together.
  std::map<int64_t, std::vector<Candidate>> missing;
  for (const size_t w : which) {
    const auto known = static_cast<int64_t>(memory_[candidates[w]].separated.size());
    if (known < images) missing[known].push_back(candidates[w]);
  }
  for (const auto& [known, group] : missing) {
    const uint64_t before = asked_;
    const auto progress = [&](uint64_t done, uint64_t total, const std::string& note) {
      return progress_(before + done, std::max(planned_, before + total), note);
    };
    PRIVDNN_ASSIGN_OR_RETURN(const auto outcomes, source_.Evaluate(group, known, images, progress));
    asked_ += group.size() * static_cast<uint64_t>(images - known);
    for (size_t i = 0; i < group.size(); ++i) {
      Outcome& memory = memory_[group[i]];
      if (static_cast<int64_t>(memory.separated.size()) != known) continue;  // the same candidate twice
      memory.separated.insert(memory.separated.end(), outcomes[i].separated.begin(), outcomes[i].separated.end());
      memory.removed.insert(memory.removed.end(), outcomes[i].removed.begin(), outcomes[i].removed.end());
    }
  }
  return absl::OkStatus();
}

Accuracies Arena::Measure(const Candidate& candidate, int64_t images) const {
  const Outcome& outcome = memory_.at(candidate);
  const auto count = static_cast<size_t>(images);
  return {Percent(std::span(evaluator_.original()).first(count)), Percent(std::span(outcome.separated).first(count)),
          Percent(std::span(outcome.removed).first(count))};
}

bool Arena::Behind(const Candidate& leader, const Candidate& other, int64_t images, const ScoreFn& score) const {
  // The score is linear between two close points: what an image contributes is what the two rates weigh there.
  const Accuracies at = Measure(leader, images);
  constexpr double kStep = 0.01;  // points
  const auto slope = [&](double separated, double removed) {
    return (score({at.original, at.separated + separated, at.removed + removed}) -
            score({at.original, at.separated - separated, at.removed - removed})) /
           (2 * kStep);
  };
  const double weight_separated = slope(kStep, 0), weight_removed = slope(0, kStep);
  const Outcome& a = memory_.at(leader);
  const Outcome& b = memory_.at(other);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
    const double d =
        weight_separated * (a.separated[i] - b.separated[i]) + weight_removed * (a.removed[i] - b.removed[i]);
    sum += d;
    squares += d * d;
  }
  const auto n = static_cast<double>(images);
  const double variance = std::max(0.0, squares - sum * sum / n) / (n - 1);
  return sum / n > racing_.z * std::sqrt(variance / n);
}

absl::StatusOr<std::vector<size_t>> Arena::Best(std::span<const Candidate> candidates, size_t keep,
                                                const ScoreFn& score, std::optional<size_t> incumbent, bool by_share) {
  keep = std::min(keep, candidates.size());
  std::vector<size_t> alive(candidates.size());
  std::iota(alive.begin(), alive.end(), size_t{0});
  const int64_t all = evaluator_.images();
  int64_t images = all;
  if (racing_.enabled) {
    images = std::min(all, racing_.first_images > 0 ? racing_.first_images : std::max(all / 16, kLeastImages));
  }
  for (;;) {
    PRIVDNN_RETURN_IF_ERROR(Ask(candidates, alive, images));
    std::map<size_t, double> scores;
    for (const size_t k : alive) scores[k] = score(Measure(candidates[k], images));
    std::sort(alive.begin(), alive.end(), [&](size_t a, size_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : candidates[a] < candidates[b];
    });
    if (images == all) break;
    const auto share = (alive.size() + static_cast<size_t>(racing_.growth) - 1) / static_cast<size_t>(racing_.growth);
    std::vector<size_t> left;
    for (size_t place = 0; place < alive.size(); ++place) {
      const size_t k = alive[place];
      const bool among = place < keep || ((place < share || !by_share) &&
                                          !Behind(candidates[alive[keep - 1]], candidates[k], images, score));
      if (among || k == incumbent) left.push_back(k);
    }
    alive = std::move(left);
    if (alive.size() <= keep) break;
    images = std::min(all, images * racing_.growth);
  }
  alive.resize(keep);
  return alive;
}

absl::StatusOr<Judged> Arena::Judge(const Candidate& candidate, const ScoreFn& score) {
  const size_t first = 0;
  PRIVDNN_RETURN_IF_ERROR(Ask({&candidate, 1}, {&first, 1}, evaluator_.images()));
  const Accuracies accuracies = Measure(candidate, evaluator_.images());
  return Judged{candidate, accuracies, score(accuracies)};
}

}  // namespace privdnn
