#include "privdnn/selection/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

const ProgressFn kGoOn = [](uint64_t, uint64_t, const std::string&) { return true; };

const Graph& LeNet() {
  static const Graph graph = *LoadOnnx(PRIVDNN_ASSETS "/lenet5-mnist/model.onnx");
  return graph;
}

const Evaluator& Small() {
  static const Evaluator evaluator = [] {
    ImageSet images = *LoadIdx(PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte",
                               PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-labels-idx1-ubyte", 10);
    return *Evaluator::Create(LeNet(), std::move(images), {.threads = 2});
  }();
  return evaluator;
}

SearchOptions Sizes(int64_t count1, int64_t count2) {
  SearchOptions options;
  options.count1 = count1;
  options.count2 = count2;
  options.score = *ParseScore("paper");
  return options;
}

// Passes on, and counts runs of an image through a network.
class Counting : public OutcomeSource {
 public:
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override {
    runs += 2 * candidates.size() * static_cast<uint64_t>(end - begin);
    return Small().Evaluate(candidates, begin, end, progress);
  }
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override {
    runs += candidates.size() * images.size();
    return Small().Margins(candidates, view, images, progress);
  }
  mutable uint64_t runs = 0;
};

TEST(Search, ExhaustiveLooksAtEveryCombinationOnce) {
  const SearchOptions options = Sizes(1, 2);
  std::set<Candidate> seen;
  std::vector<Judged> judged;
  const auto result = ExhaustiveSearch(
      Small(), Small(), options,
      [&](const Judged& j) {
        seen.insert(j.candidate);
        judged.push_back(j);
        return absl::OkStatus();
      },
      kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*CountCandidates(Small(), options), 6u * 120);
  EXPECT_EQ(seen.size(), 720u);
  ASSERT_EQ(judged.size(), 720u);
  EXPECT_TRUE(std::is_sorted(judged.begin(), judged.end(),
                             [](const Judged& a, const Judged& b) { return a.candidate < b.candidate; }));
  for (const Judged& j : judged) {
    EXPECT_EQ(j.candidate.first.size(), 1u);
    EXPECT_EQ(j.candidate.second.size(), 2u);
    EXPECT_LE(j.score, result->best.score);
  }
  EXPECT_EQ(result->candidates, 720u);
  EXPECT_EQ(result->image_evaluations, 2 * 720u * static_cast<uint64_t>(Small().images()));
  // What the best is said to be worth is what it is worth.
  const auto again = Judge(Small(), Small(), result->best.candidate, options.score);
  EXPECT_EQ(again->score, result->best.score);
}

// By hand, with the whole set for every candidate.
TEST(Search, GreedyTakesTheBestStepEachTime) {
  SearchOptions options = Sizes(2, 2);
  const auto accuracy = [](const Candidate& c) {
    return Judge(Small(), Small(), c, [](const Accuracies& a) { return a.separated; })->score;
  };
  const auto paper = [&](const Candidate& c) { return Judge(Small(), Small(), c, options.score)->score; };
  Candidate expected;
  const auto grow = [&](std::vector<int64_t>& layer, int64_t neurons, const auto& score) {
    int64_t best = -1;
    double best_score = 0;
    for (int64_t i = 0; i < neurons; ++i) {
      if (std::count(layer.begin(), layer.end(), i) > 0) continue;
      const std::vector<int64_t> before = layer;
      layer.push_back(i);
      std::sort(layer.begin(), layer.end());
      const double s = score(expected);
      layer = before;
      if (best < 0 || s > best_score) {
        best = i;
        best_score = s;
      }
    }
    layer.push_back(best);
    std::sort(layer.begin(), layer.end());
  };
  for (const GreedyOrder order : {GreedyOrder::kInTurn, GreedyOrder::kLayers}) {
    options.order = order;
    expected = {};
    if (order == GreedyOrder::kInTurn) {
      for (int k = 0; k < 2; ++k) {
        grow(expected.second, 16, paper);
        grow(expected.first, 6, paper);
      }
    } else {
      for (int k = 0; k < 2; ++k) grow(expected.first, 6, accuracy);
      for (int k = 0; k < 2; ++k) grow(expected.second, 16, paper);
    }
    const auto result = GreedySearch(Small(), Small(), options, kGoOn);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->best.candidate, expected);
    EXPECT_EQ(result->candidates, order == GreedyOrder::kInTurn ? 16u + 6 + 15 + 5 : 6u + 5 + 16 + 15);
  }
}

// Layers that fill up at different steps.
TEST(Search, InTurnFillsBothLayers) {
  for (const auto& [count1, count2] : {std::pair<int64_t, int64_t>(0, 3), {4, 1}, {5, 16}, {6, 16}}) {
    SearchOptions options = Sizes(count1, count2);
    options.greedy_step = 4;
    const auto result = GreedySearch(Small(), Small(), options, kGoOn);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->best.candidate.first.size(), static_cast<size_t>(count1));
    EXPECT_EQ(result->best.candidate.second.size(), static_cast<size_t>(count2));
  }
}

TEST(Search, AStepAddsSeveralAndAStartIsKept) {
  SearchOptions options = Sizes(4, 8);
  options.greedy_step = 3;
  options.start = {{1}, {0, 15}};
  const auto result = GreedySearch(Small(), Small(), options, kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  const Candidate& best = result->best.candidate;
  EXPECT_EQ(best.first.size(), 4u);
  EXPECT_EQ(best.second.size(), 8u);
  EXPECT_TRUE(std::binary_search(best.first.begin(), best.first.end(), 1));
  for (const int64_t i : {0, 15}) EXPECT_TRUE(std::binary_search(best.second.begin(), best.second.end(), i));
  EXPECT_EQ(result->candidates, 5u + 14 + 11 + 1);  // the last one: the result, all of it new
}

TEST(Search, APoolIsAllThatIsChosenFrom) {
  SearchOptions options = Sizes(1, 2);
  options.pool1 = {2, 4};
  options.pool2 = {3, 5, 9};
  for (const auto& search : {GreedySearch, SwapSearch}) {
    const auto result = search(Small(), Small(), options, kGoOn);
    ASSERT_TRUE(result.ok()) << result.status();
    const Candidate& best = result->best.candidate;
    EXPECT_TRUE(std::includes(options.pool1.begin(), options.pool1.end(), best.first.begin(), best.first.end()));
    EXPECT_TRUE(std::includes(options.pool2.begin(), options.pool2.end(), best.second.begin(), best.second.end()));
  }
}

TEST(Search, ATargetChoosesFromThePoolToo) {
  SearchOptions options = Sizes(0, 0);
  options.racing.enabled = true;
  options.pool2 = {0, 1, 3, 5, 6, 7, 9, 11, 13, 15};
  const auto result = TargetSearch(Small(), Small(), options, {.without_owner = 80, .max_loss = 2}, kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  const Candidate& best = result->best.candidate;
  EXPECT_TRUE(std::includes(options.pool2.begin(), options.pool2.end(), best.second.begin(), best.second.end()));
}

TEST(Search, RacingAsksForFewerImagesAndNamesTheSameAccuracies) {
  SearchOptions options = Sizes(2, 3);
  const Counting counting;
  const auto full = GreedySearch(Small(), counting, options, kGoOn);
  EXPECT_EQ(counting.runs, full->image_evaluations);
  options.racing.enabled = true;
  counting.runs = 0;
  const auto raced = GreedySearch(Small(), counting, options, kGoOn);
  ASSERT_TRUE(raced.ok()) << raced.status();
  EXPECT_EQ(counting.runs, raced->image_evaluations);
  EXPECT_LT(3 * raced->image_evaluations, full->image_evaluations);
  const auto judged = Judge(Small(), Small(), raced->best.candidate, options.score);
  EXPECT_EQ(judged->accuracies.separated, raced->best.accuracies.separated);
  EXPECT_EQ(judged->accuracies.removed, raced->best.accuracies.removed);
}

TEST(Search, RacingSwapsAreNoWorseThanGreedyOnAllImagesAndCheaper) {
  for (const auto& [count1, count2] : {std::pair<int64_t, int64_t>(1, 1), {1, 2}, {2, 2}}) {
    SearchOptions options = Sizes(count1, count2);
    const auto greedy = GreedySearch(Small(), Small(), options, kGoOn);
    options.racing.enabled = true;
    const auto raced = SwapSearch(Small(), Small(), options, kGoOn);
    ASSERT_TRUE(raced.ok()) << raced.status();
    EXPECT_GE(raced->best.score, greedy->best.score) << count1 << " " << count2;
    EXPECT_LT(raced->image_evaluations, greedy->image_evaluations) << count1 << " " << count2;
  }
}

// What was there stays, whatever is swapped.
TEST(Search, SwapsKeepTheStart) {
  SearchOptions options = Sizes(2, 3);
  options.start = {{0}, {2}};
  options.racing.enabled = true;
  const auto result = SwapSearch(Small(), Small(), options, kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(std::binary_search(result->best.candidate.first.begin(), result->best.candidate.first.end(), 0));
  EXPECT_TRUE(std::binary_search(result->best.candidate.second.begin(), result->best.candidate.second.end(), 2));
}

// Margins as large as a float can be, on both sides, over many steps.
class Extreme : public Counting {
 public:
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override {
    auto margins = *Counting::Margins(candidates, view, images, progress);
    constexpr float kMost = std::numeric_limits<float>::max();
    for (size_t c = 0; c < margins.size(); ++c) {
      for (size_t k = 0; k < images.size(); ++k) {
        if (images[k] % 3 == 0) margins[c][k] = (candidates[c].first.size() + c) % 2 == 0 ? kMost : -kMost;
      }
    }
    return margins;
  }
};

TEST(Search, TakesMarginsOfAnySize) {
  SearchOptions options = Sizes(4, 8);
  options.racing.enabled = true;
  for (const int64_t step : {1, 2}) {
    options.greedy_step = step;
    const auto result = GreedySearch(Small(), Extreme(), options, kGoOn);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->best.candidate.second.size(), 8u);
  }
}

// No single swap is better than what a swap search without racing ends with.
TEST(Search, SwapsEndWhereNoSwapIsBetter) {
  const SearchOptions options = Sizes(2, 2);
  const auto greedy = GreedySearch(Small(), Small(), options, kGoOn);
  const auto result = SwapSearch(Small(), Small(), options, kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->best.score, greedy->best.score);
  const auto all = ExhaustiveSearch(
      Small(), Small(), options,
      [&](const Judged& j) {
        std::vector<int64_t> common;
        const auto& a = j.candidate;
        const auto& b = result->best.candidate;
        std::set_intersection(a.first.begin(), a.first.end(), b.first.begin(), b.first.end(),
                              std::back_inserter(common));
        std::set_intersection(a.second.begin(), a.second.end(), b.second.begin(), b.second.end(),
                              std::back_inserter(common));
        if (common.size() >= 3) {
          EXPECT_LE(j.score, result->best.score);
        }
        return absl::OkStatus();
      },
      kGoOn);
  EXPECT_TRUE(all.ok());
}

TEST(Search, RandomIsSeededAndTriesDifferentOnes) {
  SearchOptions options = Sizes(1, 1);
  options.tries = 50;
  const auto a = RandomSearch(Small(), Small(), options, kGoOn), b = RandomSearch(Small(), Small(), options, kGoOn);
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(a->best.candidate, b->best.candidate);
  EXPECT_EQ(a->candidates, 50u);
  options.tries = 1000;  // more than there are
  const auto every = RandomSearch(Small(), Small(), options, kGoOn);
  EXPECT_EQ(every->candidates, 96u);
  const auto best = ExhaustiveSearch(Small(), Small(), options, nullptr, kGoOn);
  EXPECT_EQ(every->best.candidate, best->best.candidate);
}

TEST(Search, ReachesATargetWithFewOutputs) {
  SearchOptions options = Sizes(0, 0);
  options.racing.enabled = true;
  const Target target{.without_owner = 60, .max_loss = 1};
  const auto result = TargetSearch(Small(), Small(), options, target, kGoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(result->best.accuracies.removed, 60);
  EXPECT_LE(result->best.accuracies.original - result->best.accuracies.separated, 1);
  EXPECT_LT(result->best.candidate.second.size(), 16u);
  options.count2 = 1;
  EXPECT_THAT(TargetSearch(Small(), Small(), options, {.without_owner = 1, .max_loss = 0}, kGoOn).status().message(),
              HasSubstr("with up to 1 encrypted outputs no selection was found with at most 1.00 %"));
}

TEST(Search, RefusesWhatCannotBeChosen) {
  const auto error = [](const SearchOptions& options) {
    return std::string(GreedySearch(Small(), Small(), options, kGoOn).status().message());
  };
  EXPECT_THAT(error(Sizes(7, 1)), HasSubstr("7 neurons of layer 1; it has 6"));
  EXPECT_THAT(error(Sizes(1, 0)), HasSubstr("0 neurons of layer 2; it has 16, at least 1"));
  EXPECT_THAT(error(Sizes(6, 3)), HasSubstr("nothing to read"));
  SearchOptions pool = Sizes(1, 3);
  pool.pool2 = {4, 5};
  EXPECT_THAT(error(pool), HasSubstr("a pool of 2 neurons is smaller than the 3"));
  SearchOptions start = Sizes(1, 1);
  start.start.second = {1, 2};
  EXPECT_THAT(error(start), HasSubstr("layer 2 has 2 core neurons already"));
  start.start.second = {2, 1};
  EXPECT_THAT(error(start), HasSubstr("not in ascending order"));
}

TEST(Search, StopsWhenAsked) {
  const ProgressFn stop = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_EQ(GreedySearch(Small(), Small(), Sizes(2, 2), stop).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(ExhaustiveSearch(Small(), Small(), Sizes(2, 2), nullptr, stop).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(Search, ExhaustiveStopsWhenAResultIsRefused) {
  const Counting counting;
  int judged = 0;
  const auto result = ExhaustiveSearch(
      Small(), counting, Sizes(1, 2),
      [&](const Judged&) -> absl::Status {
        return ++judged < 5 ? absl::OkStatus() : absl::ResourceExhaustedError("the disk is full");
      },
      kGoOn);
  EXPECT_EQ(result.status(), absl::ResourceExhaustedError("the disk is full"));
  EXPECT_EQ(judged, 5);
  EXPECT_LT(counting.runs, 2 * 720 * static_cast<uint64_t>(Small().images()));
}

}  // namespace
}  // namespace privdnn
