#include "privdnn/selection/search.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "privdnn/selection/arena.h"

namespace privdnn {
namespace {

// Candidates of an exhaustive search that are asked about at a time.
constexpr uint64_t kExhaustiveChunk = 512;
// Rounds of swaps without a better candidate, where only a random part of the swaps is tried, until a search ends.
constexpr int kPatience = 2;
// How much more sure a search that races wants to be that no swap is better before it ends.
constexpr double kCaution = 4;

std::vector<int64_t> Without(const std::vector<int64_t>& neurons, int64_t neuron) {
  std::vector<int64_t> left;
  std::copy_if(neurons.begin(), neurons.end(), std::back_inserter(left), [&](int64_t i) { return i != neuron; });
  return left;
}

std::vector<int64_t> With(std::vector<int64_t> neurons, int64_t neuron) {
  neurons.insert(std::upper_bound(neurons.begin(), neurons.end(), neuron), neuron);
  return neurons;
}

bool Has(const std::vector<int64_t>& neurons, int64_t neuron) {
  return std::binary_search(neurons.begin(), neurons.end(), neuron);
}

// Those of the pool, or of all `count`, that are not chosen.
std::vector<int64_t> Others(const std::vector<int64_t>& chosen, const std::vector<int64_t>& pool, int64_t count) {
  std::vector<int64_t> all = pool, others;
  if (all.empty()) {
    all.resize(static_cast<size_t>(count));
    std::iota(all.begin(), all.end(), 0);
  }
  std::set_difference(all.begin(), all.end(), chosen.begin(), chosen.end(), std::back_inserter(others));
  return others;
}

absl::Status CheckList(const std::vector<int64_t>& neurons, int64_t layer, int64_t count, const char* what) {
  for (size_t i = 0; i < neurons.size(); ++i) {
    if (neurons[i] < 0 || neurons[i] >= count || (i > 0 && neurons[i] <= neurons[i - 1])) {
      return InvalidArgument("select: {} of layer {}: neuron {} is not there (0 to {}), or not in ascending order",
                             what, layer, neurons[i], count - 1);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLayer(int64_t layer, int64_t neurons, int64_t count, const std::vector<int64_t>& pool,
                        const std::vector<int64_t>& start) {
  PRIVDNN_RETURN_IF_ERROR(CheckList(pool, layer, neurons, "the pool"));
  PRIVDNN_RETURN_IF_ERROR(CheckList(start, layer, neurons, "what is there already"));
  if (static_cast<int64_t>(start.size()) > count) {
    return InvalidArgument("select: layer {} has {} core neurons already, {} were asked for", layer, start.size(),
                           count);
  }
  const auto free = static_cast<int64_t>(Others(start, pool, neurons).size()),
             left = count - static_cast<int64_t>(start.size());
  if (free < left) {
    return InvalidArgument("select: layer {}: a pool of {} neurons is smaller than the {} to choose from it", layer,
                           free, left);
  }
  return absl::OkStatus();
}

// Runs of an image through a candidate's network: of one with second neurons, and without.
uint64_t Runs(const Evaluator& evaluator, uint64_t candidates, uint64_t networks = 2) {
  return networks * candidates * static_cast<uint64_t>(evaluator.images());
}

// A layer that grows: which, up to how many neurons, out of which.
struct Growth {
  std::vector<int64_t> Candidate::*layer;
  int64_t count;
  const std::vector<int64_t>& pool;
  int64_t neurons, step;
};

std::vector<Candidate> Extensions(const Growth& g, const Candidate& candidate) {
  std::vector<Candidate> larger;
  for (const int64_t neuron : Others(candidate.*g.layer, g.pool, g.neurons)) {
    larger.push_back(candidate);
    larger.back().*g.layer = With(candidate.*g.layer, neuron);
  }
  return larger;
}

// Adds the best `step` neurons at a time, each judged by itself. `reference`: of the candidate, before and after.
absl::Status Grow(Arena& arena, const Growth& g, const ScoreFn& score, Candidate& candidate, Reference& reference) {
  while (static_cast<int64_t>((candidate.*g.layer).size()) < g.count) {
    const std::vector<Candidate> larger = Extensions(g, candidate);
    const auto keep = std::min(g.step, g.count - static_cast<int64_t>((candidate.*g.layer).size()));
    PRIVDNN_ASSIGN_OR_RETURN(const auto best, arena.Best(larger, static_cast<size_t>(keep), score, reference));
    const std::vector<int64_t> before = candidate.*g.layer;
    std::vector<Candidate> chosen;
    for (const size_t k : best) {
      chosen.push_back(larger[k]);
      std::vector<int64_t> added;
      std::set_difference((larger[k].*g.layer).begin(), (larger[k].*g.layer).end(), before.begin(), before.end(),
                          std::back_inserter(added));
      candidate.*g.layer = With(candidate.*g.layer, added[0]);
    }
    arena.Adopt(chosen, reference);
  }
  return absl::OkStatus();
}

// The same for several candidates, of whose extensions the best `width` go on; `reference` is of the best. Those that
// grow by more than a neuron at a time go on alone.
absl::Status GrowBeam(Arena& arena, const Growth& g, const ScoreFn& score, size_t width, std::vector<Candidate>& beam,
                      Reference& reference) {
  if (g.step > 1) {
    for (Candidate& candidate : beam) PRIVDNN_RETURN_IF_ERROR(Grow(arena, g, score, candidate, reference));
    return absl::OkStatus();
  }
  while (static_cast<int64_t>((beam[0].*g.layer).size()) < g.count) {
    std::set<Candidate> larger;
    for (const Candidate& candidate : beam) {
      for (Candidate& extension : Extensions(g, candidate)) larger.insert(std::move(extension));
    }
    const std::vector<Candidate> candidates(larger.begin(), larger.end());
    PRIVDNN_ASSIGN_OR_RETURN(const auto best, arena.Best(candidates, width, score, reference));
    beam.clear();
    for (const size_t k : best) beam.push_back(candidates[k]);
    arena.Adopt({beam.data(), 1}, reference);
  }
  return absl::OkStatus();
}

// Candidates that the steps of Grow look at.
uint64_t StepsToGrow(int64_t from, int64_t to, int64_t choices, int64_t step) {
  uint64_t candidates = 0;
  for (int64_t size = from; size < to; size += step) candidates += static_cast<uint64_t>(choices - (size - from));
  return candidates;
}

double SeparatedOnly(const Accuracies& a) { return a.separated; }

// What a search that begins with `start` knows about its margins; a search that races looks at it for that.
absl::StatusOr<Reference> StartFrom(Arena& arena, const Candidate& start) {
  if (arena.racing() && start != Candidate()) PRIVDNN_RETURN_IF_ERROR(arena.Judge(start, SeparatedOnly).status());
  return arena.Near(start);
}

struct Grown {
  std::vector<Candidate> beam;  // of the full size, the best first: one, or of a beam as many as it holds
  Reference reference;          // of the best
};

absl::StatusOr<Grown> Greedy(const Evaluator& evaluator, Arena& arena, const SearchOptions& o, GreedyOrder order,
                             size_t width) {
  const Growth first{&Candidate::first, o.count1, o.pool1, evaluator.first_neurons(), o.greedy_step},
      second{&Candidate::second, o.count2, o.pool2, evaluator.second_neurons(), o.greedy_step};
  if (order == GreedyOrder::kLayers) {
    // The first layer by itself: what the network still can do without its core neurons.
    Grown grown{{{o.start.first, {}}}, {}};
    PRIVDNN_ASSIGN_OR_RETURN(grown.reference, StartFrom(arena, grown.beam[0]));
    PRIVDNN_RETURN_IF_ERROR(GrowBeam(arena, first, SeparatedOnly, width, grown.beam, grown.reference));
    for (Candidate& candidate : grown.beam) candidate.second = o.start.second;
    if (!o.start.second.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(grown.reference, StartFrom(arena, grown.beam[0]));
    }
    PRIVDNN_RETURN_IF_ERROR(GrowBeam(arena, second, o.score, width, grown.beam, grown.reference));
    return grown;
  }
  Grown grown{{o.start}, {}};
  PRIVDNN_ASSIGN_OR_RETURN(grown.reference, StartFrom(arena, o.start));
  const auto size = [&](const Growth& g) { return static_cast<int64_t>((grown.beam[0].*g.layer).size()); };
  while (size(first) < first.count || size(second) < second.count) {
    for (Growth step : {second, first}) {
      step.count = std::min(size(step) + step.step, step.count);
      PRIVDNN_RETURN_IF_ERROR(GrowBeam(arena, step, o.score, width, grown.beam, grown.reference));
    }
  }
  return grown;
}

// For the progress: runs of an image through a candidate's network.
uint64_t GreedyRuns(const Evaluator& evaluator, const SearchOptions& o, GreedyOrder order) {
  const auto layer = [&](const std::vector<int64_t>& start, int64_t count, const std::vector<int64_t>& pool,
                         int64_t neurons) {
    return StepsToGrow(static_cast<int64_t>(start.size()), count,
                       static_cast<int64_t>(Others(start, pool, neurons).size()), o.greedy_step);
  };
  const uint64_t networks = order == GreedyOrder::kLayers ? 1 : 2;
  return Runs(evaluator, layer(o.start.first, o.count1, o.pool1, evaluator.first_neurons()), networks) +
         Runs(evaluator, layer(o.start.second, o.count2, o.pool2, evaluator.second_neurons()));
}

// One core neuron, not of those in `start`, for another of its layer.
void AddSwaps(const Candidate& candidate, const Candidate& start, std::vector<int64_t> Candidate::*layer,
              const std::vector<int64_t>& pool, int64_t neurons, std::vector<Candidate>& out) {
  for (const int64_t gone : candidate.*layer) {
    if (Has(start.*layer, gone)) continue;
    for (const int64_t come : Others(candidate.*layer, pool, neurons)) {
      out.push_back(candidate);
      out.back().*layer = With(Without(candidate.*layer, gone), come);
    }
  }
}

// A random part of the candidates, in order.
void Thin(std::vector<Candidate>& candidates, size_t count, std::mt19937_64& random) {
  if (candidates.size() <= count) return;
  std::vector<Candidate> kept;
  std::sample(candidates.begin(), candidates.end(), std::back_inserter(kept), count, random);
  candidates = std::move(kept);
}

// Goes to the best neighbour while there is a better one; where none seems to be, looks again with more caution.
// neighbours(candidate) -> candidates.
template <typename Neighbours>
absl::StatusOr<Judged> Climb(Arena& arena, const Candidate& start, const ScoreFn& score, uint64_t seed,
                             const Neighbours& neighbours) {
  std::mt19937_64 random(seed);
  PRIVDNN_ASSIGN_OR_RETURN(Judged best, arena.Judge(start, score));
  double caution = 1;
  for (int failures = 0; failures < kPatience;) {
    std::vector<Candidate> candidates = neighbours(best.candidate);
    if (candidates.empty()) break;
    const bool some = candidates.size() > kMaxNeighbours;
    Thin(candidates, kMaxNeighbours, random);
    candidates.push_back(best.candidate);
    PRIVDNN_ASSIGN_OR_RETURN(const auto winner, arena.Best(candidates, 1, score, arena.Near(best.candidate), caution));
    PRIVDNN_ASSIGN_OR_RETURN(Judged judged, arena.Judge(candidates[winner[0]], score));
    if (judged.score > best.score) {
      best = std::move(judged);
      failures = 0;
    } else if (arena.racing() && caution < kCaution) {
      caution = kCaution;
    } else if (!some) {
      break;
    } else {
      ++failures;
    }
  }
  return best;
}

Judged ToJudged(const Evaluator& evaluator, const Candidate& candidate, Outcome outcome, const ScoreFn& score) {
  const Accuracies accuracies = MeasureAccuracies(evaluator, outcome);
  return {candidate, accuracies, score(accuracies), std::move(outcome)};
}

absl::StatusOr<uint64_t> Binomial(int64_t n, int64_t k) {
  unsigned __int128 result = 1;
  for (int64_t i = 1; i <= std::min(k, n - k); ++i) {
    result = result * static_cast<unsigned __int128>(n - i + 1) / static_cast<unsigned __int128>(i);
    if (result > (uint64_t{1} << 62))
      return InvalidArgument("select: more than 2^62 combinations of {} out of {}", k, n);
  }
  return static_cast<uint64_t>(result);
}

// Combination `index` of `count` out of `neurons`, in ascending order.
std::vector<int64_t> Combination(int64_t neurons, int64_t count, uint64_t index) {
  std::vector<int64_t> chosen;
  for (int64_t neuron = 0; count > 0; ++neuron) {
    const uint64_t with = *Binomial(neurons - neuron - 1, count - 1);
    if (index < with) {
      chosen.push_back(neuron);
      --count;
    } else {
      index -= with;
    }
  }
  return chosen;
}

std::vector<int64_t> RandomSubset(int64_t neurons, int64_t count, std::mt19937_64& random) {
  std::vector<int64_t> all(static_cast<size_t>(neurons)), chosen;
  std::iota(all.begin(), all.end(), 0);
  std::sample(all.begin(), all.end(), std::back_inserter(chosen), count, random);
  return chosen;
}

}  // namespace

absl::Status CheckSearch(const Evaluator& evaluator, const SearchOptions& o) {
  const int64_t n1 = evaluator.first_neurons(), n2 = evaluator.second_neurons();
  const auto check = [](int64_t layer, int64_t count, int64_t least, int64_t neurons) -> absl::Status {
    if (count >= least && count <= neurons) return absl::OkStatus();
    return InvalidArgument("select: {} neurons of layer {}; it has {}, at least {} must be chosen", count, layer,
                           neurons, least);
  };
  if (n1 == 0 && o.count1 != 0) {
    return InvalidArgument("select: layer {} is chosen by itself; {} neurons of a layer before it can't be",
                           evaluator.second_number(), o.count1);
  }
  if (n1 > 0) PRIVDNN_RETURN_IF_ERROR(check(evaluator.first_number(), o.count1, 0, n1));
  PRIVDNN_RETURN_IF_ERROR(check(evaluator.second_number(), o.count2, 1, n2));
  if (n1 > 0 && o.count1 == n1 && o.count2 < n2) {
    return InvalidArgument(
        "select: all {} neurons of layer {} but {} of {} of layer {}: the others would have nothing "
        "to read",
        n1, evaluator.first_number(), o.count2, n2, evaluator.second_number());
  }
  PRIVDNN_RETURN_IF_ERROR(CheckLayer(evaluator.first_number(), n1, o.count1, o.pool1, o.start.first));
  PRIVDNN_RETURN_IF_ERROR(CheckLayer(evaluator.second_number(), n2, o.count2, o.pool2, o.start.second));
  if (o.greedy_step < 1) return InvalidArgument("select: greedy steps of {} neurons; at least 1", o.greedy_step);
  if (o.beam < 1) return InvalidArgument("select: a beam of {} candidates; at least 1", o.beam);
  if (o.tries < 1) return InvalidArgument("select: {} tries; at least 1", o.tries);
  if (!(o.racing.growth >= 1.1)) {
    return InvalidArgument("select: racing subsets grow {} times; at least 1.1", o.racing.growth);
  }
  return absl::OkStatus();
}

absl::StatusOr<Judged> Judge(const Evaluator& evaluator, const OutcomeSource& source, const Candidate& candidate,
                             const ScoreFn& score) {
  const ProgressFn go_on = [](uint64_t, uint64_t, const std::string&) { return true; };
  PRIVDNN_ASSIGN_OR_RETURN(auto outcomes, source.Evaluate({&candidate, 1}, 0, evaluator.images(), go_on));
  return ToJudged(evaluator, candidate, std::move(outcomes[0]), score);
}

absl::StatusOr<SearchResult> RandomSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, options));
  const auto all = CountCandidates(evaluator, options);
  const auto tries = static_cast<uint64_t>(options.tries);
  std::set<Candidate> chosen;
  if (all.ok() && *all <= tries) {
    for (uint64_t i = 0; i < *all; ++i) chosen.insert(CandidateAt(evaluator, options, i));
  }
  std::mt19937_64 random(options.seed);
  while (chosen.size() < tries && !(all.ok() && chosen.size() == *all)) {
    auto first = RandomSubset(evaluator.first_neurons(), options.count1, random);
    chosen.insert({std::move(first), RandomSubset(evaluator.second_neurons(), options.count2, random)});
  }
  const std::vector<Candidate> candidates(chosen.begin(), chosen.end());
  Arena arena(evaluator, source, options.racing, progress);
  arena.Plan(Runs(evaluator, candidates.size()));
  // They are too different for one to tell about another.
  PRIVDNN_ASSIGN_OR_RETURN(const auto best, arena.Best(candidates, 1, options.score, arena.Nothing()));
  PRIVDNN_ASSIGN_OR_RETURN(Judged judged, arena.Judge(candidates[best[0]], options.score));
  return arena.Result(std::move(judged));
}

absl::StatusOr<SearchResult> GreedySearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, options));
  Arena arena(evaluator, source, options.racing, progress);
  arena.Plan(GreedyRuns(evaluator, options, options.order));
  PRIVDNN_ASSIGN_OR_RETURN(const Grown grown, Greedy(evaluator, arena, options, options.order, 1));
  PRIVDNN_ASSIGN_OR_RETURN(Judged judged, arena.Judge(grown.beam[0], options.score));
  return arena.Result(std::move(judged));
}

absl::StatusOr<uint64_t> CountCandidates(const Evaluator& evaluator, const SearchOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, options));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t first, Binomial(evaluator.first_neurons(), options.count1));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t second, Binomial(evaluator.second_neurons(), options.count2));
  if (first > (uint64_t{1} << 62) / second) return InvalidArgument("select: more than 2^62 combinations");
  return first * second;
}

Candidate CandidateAt(const Evaluator& evaluator, const SearchOptions& options, uint64_t index) {
  const uint64_t inner = *Binomial(evaluator.second_neurons(), options.count2);
  return {Combination(evaluator.first_neurons(), options.count1, index / inner),
          Combination(evaluator.second_neurons(), options.count2, index % inner)};
}

absl::StatusOr<SearchResult> ExhaustiveSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                              const SearchOptions& options,
                                              const std::function<absl::Status(const Judged&)>& on_judged,
                                              const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t total, CountCandidates(evaluator, options));
  const auto images = static_cast<uint64_t>(evaluator.images());
  std::optional<Judged> best;
  for (uint64_t begin = 0; begin < total; begin += kExhaustiveChunk) {
    const uint64_t end = std::min(begin + kExhaustiveChunk, total);
    std::vector<Candidate> candidates;
    for (uint64_t i = begin; i < end; ++i) candidates.push_back(CandidateAt(evaluator, options, i));
    const ProgressFn piece = [&](uint64_t done, uint64_t, const std::string& note) {
      return Proceeds(progress, begin * images + done, total * images, note);
    };
    PRIVDNN_ASSIGN_OR_RETURN(auto outcomes, source.Evaluate(candidates, 0, evaluator.images(), piece));
    for (size_t i = 0; i < candidates.size(); ++i) {
      Judged judged = ToJudged(evaluator, candidates[i], std::move(outcomes[i]), options.score);
      if (on_judged) PRIVDNN_RETURN_IF_ERROR(on_judged(judged));
      if (!best || judged.score > best->score) best = std::move(judged);
    }
  }
  return SearchResult{*std::move(best), total, Runs(evaluator, total)};
}

absl::StatusOr<SearchResult> SwapSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                        const SearchOptions& options, const ProgressFn& progress) {
  constexpr GreedyOrder kOrder = GreedyOrder::kLayers;  // of the two what exchanges get further from, and cheaper
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, options));
  Arena arena(evaluator, source, options.racing, progress);
  arena.Plan(GreedyRuns(evaluator, options, kOrder));
  PRIVDNN_ASSIGN_OR_RETURN(const Grown grown,
                           Greedy(evaluator, arena, options, kOrder, static_cast<size_t>(options.beam)));
  PRIVDNN_ASSIGN_OR_RETURN(const auto first, arena.Best(grown.beam, 1, options.score, grown.reference));
  const auto swaps = [&](const Candidate& candidate) {
    std::vector<Candidate> neighbours;
    AddSwaps(candidate, options.start, &Candidate::first, options.pool1, evaluator.first_neurons(), neighbours);
    AddSwaps(candidate, options.start, &Candidate::second, options.pool2, evaluator.second_neurons(), neighbours);
    return neighbours;
  };
  PRIVDNN_ASSIGN_OR_RETURN(Judged best, Climb(arena, grown.beam[first[0]], options.score, options.seed, swaps));
  return arena.Result(std::move(best));
}

absl::StatusOr<SearchResult> TargetSearch(const Evaluator& evaluator, const OutcomeSource& source,
                                          const SearchOptions& options, const Target& target,
                                          const ProgressFn& progress) {
  const int64_t n1 = evaluator.first_neurons(), n2 = evaluator.second_neurons();
  SearchOptions o = options;
  o.count1 = static_cast<int64_t>(o.start.first.size());
  if (o.count2 == 0) {
    o.count2 = static_cast<int64_t>(o.start.second.size() + Others(o.start.second, o.pool2, n2).size());
  }
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, o));
  // How far a candidate is from the target, in points; lost accuracy counts more, since more core neurons mend the
  // other.
  constexpr double kLossWeight = 4;
  const ScoreFn shortfall = [&](const Accuracies& a) {
    return -std::max(0.0, a.removed - target.without_owner) -
           kLossWeight * std::max(0.0, a.original - a.separated - target.max_loss);
  };
  Arena arena(evaluator, source, o.racing, progress);
  // First-layer neurons come, go and change; second-layer neurons change.
  const auto neighbours = [&](const Candidate& candidate) {
    std::vector<Candidate> out;
    AddSwaps(candidate, o.start, &Candidate::first, o.pool1, n1, out);
    AddSwaps(candidate, o.start, &Candidate::second, o.pool2, n2, out);
    for (const int64_t neuron : candidate.first) {
      if (!Has(o.start.first, neuron)) out.push_back({Without(candidate.first, neuron), candidate.second});
    }
    for (const int64_t neuron : Others(candidate.first, o.pool1, n1)) {
      // All of them would leave the plaintext neurons behind with nothing to read.
      if (static_cast<int64_t>(candidate.first.size()) + 1 == n1) break;
      out.push_back({With(candidate.first, neuron), candidate.second});
    }
    return out;
  };
  std::optional<Judged> nearest;
  Candidate candidate = o.start;
  PRIVDNN_ASSIGN_OR_RETURN(Reference reference, StartFrom(arena, candidate));
  if (static_cast<int64_t>(candidate.second.size()) == o.count2) {
    return InvalidArgument("select: layer {} has {} core neurons already, and no more were allowed",
                           evaluator.second_number(), o.count2);
  }
  while (static_cast<int64_t>(candidate.second.size()) < o.count2) {
    const auto count = std::min<int64_t>(o.count2, static_cast<int64_t>(candidate.second.size()) + o.greedy_step);
    PRIVDNN_RETURN_IF_ERROR(
        Grow(arena, {&Candidate::second, count, o.pool2, n2, o.greedy_step}, shortfall, candidate, reference));
    PRIVDNN_ASSIGN_OR_RETURN(Judged judged, Climb(arena, candidate, shortfall, o.seed, neighbours));
    candidate = judged.candidate;
    reference = arena.Near(candidate);
    if (!nearest || judged.score > nearest->score) nearest = judged;
    if (judged.score == 0) break;
  }
  if (nearest->score < 0) {
    return NotFound(
        "select: with up to {} encrypted outputs no selection was found with at most {:.2f} % without the "
        "owner and a loss of at most {:.2f} points; the nearest has {:.2f} % and {:.2f} points",
        o.count2, target.without_owner, target.max_loss, nearest->accuracies.removed,
        nearest->accuracies.original - nearest->accuracies.separated);
  }
  // Fewer, as long as one can be spared.
  Judged best = *nearest;
  while (best.candidate.second.size() > std::max<size_t>(o.start.second.size(), 1)) {
    std::vector<Candidate> smaller;
    for (const int64_t neuron : best.candidate.second) {
      if (!Has(o.start.second, neuron))
        smaller.push_back({best.candidate.first, Without(best.candidate.second, neuron)});
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto winner, arena.Best(smaller, 1, shortfall, arena.Near(best.candidate)));
    PRIVDNN_ASSIGN_OR_RETURN(Judged judged, arena.Judge(smaller[winner[0]], shortfall));
    if (judged.score < 0) break;
    best = std::move(judged);
  }
  PRIVDNN_ASSIGN_OR_RETURN(best, arena.Judge(best.candidate, options.score));
  return arena.Result(std::move(best));
}

}  // namespace privdnn
