// The evaluator against the naive way: the separated network and the plaintext rest, built and run for each candidate.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "privdnn/selection/evaluator_test_networks.h"

namespace privdnn {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Whether the label is among the k largest scores, or nothing where float rounding may decide.
std::vector<std::optional<bool>> Right(const Tensor& scores, const std::vector<int32_t>& labels, int64_t top_k) {
  std::vector<std::optional<bool>> right;
  const int64_t classes = scores.dim(1);
  for (size_t k = 0; k < labels.size(); ++k) {
    const float* row = scores.values.data() + static_cast<int64_t>(k) * classes;
    float largest = 0;
    for (int64_t c = 0; c < classes; ++c) largest = std::max(largest, std::abs(row[c]));
    const float margin = 2e-5F * largest;
    int64_t before = 0, close = 0;
    for (int64_t c = 0; c < classes; ++c) {
      // Equal scores are zeros and constants, which rounding leaves alone: the first of them counts.
      const bool equal = row[c] == row[labels[k]];
      before += row[c] > row[labels[k]] + margin || (equal && c < labels[k]);
      close += !equal && std::abs(row[c] - row[labels[k]]) <= margin;
    }
    if (before >= top_k) {
      right.emplace_back(false);
    } else if (before + close < top_k) {
      right.emplace_back(true);
    } else {
      right.emplace_back(std::nullopt);
    }
  }
  return right;
}

struct Naive {
  std::vector<std::optional<bool>> separated, removed;
};

// What EvaluateSelection counts, image by image.
absl::StatusOr<Naive> RunNaively(const Graph& graph, const Selection& selection, const ImageSet& images,
                                 int64_t top_k) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, segments));
  Naive naive;
  for (const Graph* network : {&separated, &rest}) {
    PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(*network));
    std::map<std::string, Tensor> inputs;
    for (const ValueInfo& value : network->inputs) {
      auto shape = value.shape;
      shape[0] = images.count;
      inputs[value.name] = IsSegmentInput(value.name) ? Tensor::Zeros(shape) : images.Batch(0, images.count);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run(inputs));
    (network == &rest ? naive.removed : naive.separated) =
        Right(outputs.at(graph.outputs[0].name), images.labels, top_k);
  }
  return naive;
}

// Images compared, and those among them that rounding may decide.
struct Count {
  size_t compared = 0, undecided = 0;
};

void Compare(const std::vector<std::optional<bool>>& naive, const std::vector<uint8_t>& outcome, int64_t begin,
             const std::string& what, Count& count) {
  for (size_t k = 0; k < outcome.size(); ++k) {
    const auto expected = naive[static_cast<size_t>(begin) + k];
    ++count.compared;
    count.undecided += !expected;
    if (expected) {
      ASSERT_EQ(outcome[k] != 0, *expected) << what << ", image " << begin + static_cast<int64_t>(k);
    }
  }
}

// Random candidates on ranges that cut batches in two, under each of the options, which differ in memory and threads
// alone.
void ExpectNaive(const Graph& graph, const ImageSet& images, const std::vector<EvaluatorOptions>& variants,
                 size_t candidates, const std::vector<std::pair<int64_t, int64_t>>& ranges) {
  std::vector<Candidate> chosen;
  std::vector<Naive> naive;
  for (const EvaluatorOptions& options : variants) {
    SCOPED_TRACE(fmt::format("cache {}, threads {}", options.cache_bytes, options.threads));
    const auto evaluator = Evaluator::Create(graph, images, options);
    ASSERT_TRUE(evaluator.ok()) << evaluator.status();
    if (chosen.empty()) chosen = RandomCandidates(*evaluator, candidates, 11);
    for (const Candidate& c : std::span(chosen).subspan(naive.size())) {
      auto result = RunNaively(graph, evaluator->ToSelection(c), images, options.top_k);
      ASSERT_TRUE(result.ok()) << result.status();
      naive.push_back(*std::move(result));
    }
    Count count;
    for (const auto& [begin, end] : ranges) {
      const auto outcomes = evaluator->Evaluate(chosen, begin, end, GoOn);
      ASSERT_TRUE(outcomes.ok()) << outcomes.status();
      ASSERT_EQ(outcomes->size(), chosen.size());
      for (size_t i = 0; i < chosen.size(); ++i) {
        const std::string what = FormatSelection(evaluator->ToSelection(chosen[i]));
        ASSERT_EQ((*outcomes)[i].separated.size(), static_cast<size_t>(end - begin));
        ASSERT_EQ((*outcomes)[i].removed.size(), static_cast<size_t>(end - begin));
        Compare(naive[i].separated, (*outcomes)[i].separated, begin, what + " separated", count);
        Compare(naive[i].removed, (*outcomes)[i].removed, begin, what + " removed", count);
      }
    }
    EXPECT_LE(count.undecided, count.compared / 50) << "too many images that rounding decides";
  }
}

// Two networks must disagree on many images for a comparison to say anything.
void ExpectSpread(const Graph& graph, const ImageSet& images) {
  const auto evaluator = Evaluator::Create(graph, images, {});
  ASSERT_TRUE(evaluator.ok()) << evaluator.status();
  const auto chosen = RandomCandidates(*evaluator, 10, 11);
  const auto outcomes = *evaluator->Evaluate(chosen, 0, images.count, GoOn);
  size_t differ = 0;
  for (const Outcome& o : outcomes) {
    for (size_t k = 0; k < o.separated.size(); ++k) differ += o.separated[k] != o.removed[k];
  }
  EXPECT_GT(differ, outcomes.size() * static_cast<size_t>(images.count) / 50);
}

std::vector<EvaluatorOptions> WithCaches(const std::vector<uint64_t>& caches, const std::vector<int>& threads) {
  std::vector<EvaluatorOptions> variants;
  for (const uint64_t cache : caches) {
    for (const int t : threads) variants.push_back({.threads = t, .cache_bytes = cache});
  }
  return variants;
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnLeNet) {
  const auto& [graph, images] = Embedded();
  ExpectSpread(graph, images);
  // 1,000 images take 11 MB with every neuron's contribution and 4.5 MB without.
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 5 * kMiB, 0}, {1}), 20,
              {{0, 1000}, {37, 801}, {999, 1000}});
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnSeveralBatches) {
  const Graph graph = VggLike();
  const ImageSet images = RandomImages(graph, 150, 1);  // batches of 64, 64 and 22
  ExpectSpread(graph, images);
  // Contributions take 280 MB, the rest 43 MB: all kept, some batches, nothing.
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 60 * kMiB, 20 * kMiB, 0}, {1, 2}), 4,
              {{0, 150}, {63, 65}, {20, 140}});
}

TEST(EvaluatorAndTheNaiveWay, AgreeWithAShortcut) {
  const Graph graph = ResNetLike();
  const ImageSet images = RandomImages(graph, 200, 2);
  ExpectSpread(graph, images);
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 3 * kMiB, 0}, {1, 2}), 15, {{0, 200}, {3, 101}});
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnTheArchitectureWithAShortcut) {
  const Graph graph = *BuildArchitecture("resnet18-tinyimagenet", 3, 10);
  ExpectNaive(graph, RandomImages(graph, 6, 3), {{}}, 2, {{0, 6}, {3, 5}});
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnTopThree) {
  const auto& [graph, all] = Embedded();
  const ImageSet images = all.Head(300);
  EvaluatorOptions options;
  options.top_k = 3;
  ExpectNaive(graph, images, {options}, 12, {{0, 300}});
  // Every label is among as many as there are.
  options.top_k = 10;
  const auto evaluator = *Evaluator::Create(graph, images, options);
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{0, 1}, {2, 3}}}, 0, 300, GoOn);
  EXPECT_EQ(outcomes[0].removed, std::vector<uint8_t>(300, 1));
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnLinearSegments) {
  const auto& [graph, all] = Embedded();
  const ImageSet images = all.Head(200);
  for (const int64_t layer : {1, 4, 5}) {
    SCOPED_TRACE(layer);
    EvaluatorOptions options;
    options.layers = 1;
    options.first_layer = layer;
    ExpectNaive(graph, images, {options}, 4, {{0, 200}, {50, 99}});
    const auto evaluator = *Evaluator::Create(graph, images, options);
    EXPECT_EQ(evaluator.first_neurons(), 0);
    EXPECT_EQ(evaluator.second_number(), layer);
    // Nothing is separated: what the user reads of a core neuron is what it would read of a plaintext one.
    const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{}, {0, 2}}}, 0, 200, GoOn);
    EXPECT_EQ(outcomes[0].separated, evaluator.original());
  }
}

TEST(EvaluatorAndTheNaiveWay, AgreeOnRandomNetworks) {
  int quadratic = 0, shortcuts = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNetwork(seed);
    const auto pair = FindQuadraticPair(graph);
    if (!pair.ok()) continue;
    ++quadratic;
    const auto everything =
        ParseSelection(fmt::format("{}:all;{}:all", pair->first.number, pair->second.number), graph);
    shortcuts += !FindSegments(graph, *everything)->front().shortcut.empty();
    const ImageSet images = RandomImages(graph, 40, seed);
    ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 0}, {1}), 4, {{0, 40}});
  }
  EXPECT_GT(quadratic, 15);
  EXPECT_GT(shortcuts, 3);
}

}  // namespace
}  // namespace privdnn
