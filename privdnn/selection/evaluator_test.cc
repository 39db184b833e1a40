#include "privdnn/selection/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "privdnn/selection/evaluator_test_networks.h"
#include "privdnn/selection/selection.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

TEST(Evaluator, CountsWhatEvaluateSelectionCounts) {
  const auto& [graph, images] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const Candidate candidate{{1, 4}, {0, 1, 2, 3, 5, 7, 9, 11, 13}};
  const auto outcomes = *evaluator.Evaluate(std::vector{candidate}, 0, images.count, GoOn);
  const auto expected = *EvaluateSelection(graph, evaluator.ToSelection(candidate), images);
  const auto percent = [](const std::vector<uint8_t>& right) {
    return 100.0 * static_cast<double>(std::count(right.begin(), right.end(), 1)) / static_cast<double>(right.size());
  };
  EXPECT_EQ(percent(evaluator.original()), expected.original);
  EXPECT_EQ(percent(outcomes[0].separated), expected.separated);
  EXPECT_EQ(percent(outcomes[0].removed), expected.removed);
}

// Nothing encrypted behind the square: the networks without the first neurons.
TEST(Evaluator, TakesCandidatesWithoutSecondNeurons) {
  const auto& [graph, all] = Embedded();
  const ImageSet images = all.Head(300);
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const std::vector<int64_t> core = {1, 3};
  Graph without = graph;
  Tensor& weights = without.initializers.at(graph.nodes[FindLayers(graph)[1].node].inputs[1]);
  const int64_t area = weights.size() / 16 / 6;
  for (int64_t f = 0; f < 16; ++f) {
    for (const int64_t i : core) std::fill_n(weights.values.begin() + (f * 6 + i) * area, area, 0.0F);
  }
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{core, {}}, {{}, {}}}, 0, 300, GoOn);
  const auto original = *Evaluator::Create(without, images, {});
  EXPECT_EQ(outcomes[0].separated, original.original());
  EXPECT_EQ(outcomes[0].removed, original.original());
  EXPECT_EQ(outcomes[1].separated, evaluator.original());
  EXPECT_EQ(outcomes[1].removed, evaluator.original());
}

// Of any images, in the order they are asked for, from the cache or not: the sign is the outcome.
TEST(Evaluator, MarginsSayHowSureAnOutcomeIs) {
  const Graph graph = ResNetLike();
  const ImageSet images = RandomImages(graph, 90, 4);
  const std::vector<Candidate> candidates = {{{0, 2}, {1, 3}}, {{0, 2}, {0}}, {{1}, {}}, {{}, {2}}};
  std::vector<int64_t> some = {0, 1, 5, 17, 63, 64, 70, 89}, every(90);
  std::iota(every.begin(), every.end(), 0);
  for (const int64_t top_k : {1, 3}) {
    std::vector<std::vector<float>> expected;
    for (const uint64_t cache : {uint64_t{1} << 30, uint64_t{300000}, uint64_t{0}}) {
      const auto evaluator = *Evaluator::Create(graph, images, {.threads = 2, .top_k = top_k, .cache_bytes = cache});
      const auto outcomes = *evaluator.Evaluate(candidates, 0, 90, GoOn);
      std::vector<std::vector<float>> found;
      for (const View view : {View::kSeparated, View::kRemoved}) {
        const auto margins = *evaluator.Margins(candidates, view, every, GoOn);
        const auto few = *evaluator.Margins(candidates, view, some, GoOn);
        for (size_t c = 0; c < candidates.size(); ++c) {
          const auto& right = view == View::kSeparated ? outcomes[c].separated : outcomes[c].removed;
          for (size_t k = 0; k < 90; ++k) {
            ASSERT_NE(margins[c][k], 0);
            EXPECT_EQ(margins[c][k] > 0, right[k] == 1) << c << " " << k;
          }
          for (size_t k = 0; k < some.size(); ++k) {
            EXPECT_NEAR(few[c][k], margins[c][static_cast<size_t>(some[k])], 1e-4);
          }
          found.push_back(margins[c]);
        }
      }
      for (size_t k = 0; k < 90; ++k) {
        EXPECT_EQ(evaluator.original_margins()[k] > 0, evaluator.original()[k] == 1);
      }
      if (expected.empty()) expected = found;
      for (size_t i = 0; i < found.size(); ++i) {
        for (size_t k = 0; k < 90; ++k) EXPECT_NEAR(found[i][k], expected[i][k], 1e-4);
      }
    }
  }
  // The distance to the next class, on the network as it is.
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const auto scores = (*Executor::Create(graph)).Run({{graph.inputs[0].name, images.Batch(0, 1)}});
  const std::vector<float>& row = scores->at(graph.outputs[0].name).values;
  float best_other = -std::numeric_limits<float>::infinity();
  const auto label = static_cast<size_t>(images.labels[0]);
  for (size_t i = 0; i < row.size(); ++i) {
    if (i != label) best_other = std::max(best_other, row[i]);
  }
  EXPECT_NEAR(evaluator.original_margins()[0], row[label] - best_other, 1e-4);
  for (const std::vector<int64_t>& wrong : {std::vector<int64_t>{}, {3, 3}, {4, 2}, {-1}, {90}}) {
    EXPECT_EQ(evaluator.Margins(candidates, View::kRemoved, wrong, GoOn).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// A shortcut reads the squares of the first neurons: the owner's, or zeros.
TEST(Evaluator, TellsNetworksApartByTheShortcutAlone) {
  const Graph graph = ResNetLike();
  const ImageSet images = RandomImages(graph, 100, 3);
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{0, 1, 2, 3}, {}}}, 0, 100, GoOn);
  EXPECT_NE(outcomes[0].separated, outcomes[0].removed);
}

TEST(Evaluator, GoesBackAndForthBetweenCandidatesAndSelections) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(1), {});
  EXPECT_EQ(evaluator.first_number(), 1);
  EXPECT_EQ(evaluator.second_number(), 2);
  EXPECT_EQ(evaluator.first_neurons(), 6);
  EXPECT_EQ(evaluator.second_neurons(), 16);
  const Candidate candidate{{0, 5}, {3}};
  EXPECT_EQ(evaluator.ToSelection(candidate), (Selection{{{1, {0, 5}}, {2, {3}}}}));
  EXPECT_EQ(*evaluator.FromSelection(evaluator.ToSelection(candidate)), candidate);
  EXPECT_EQ(*evaluator.FromSelection({{{2, {3}}}}), (Candidate{{}, {3}}));
  EXPECT_THAT(Message(evaluator.FromSelection({{{3, {0}}}}).status()), HasSubstr("layer 3 is not one of"));
  EXPECT_THAT(Message(evaluator.FromSelection({{{1, {6}}, {2, {0}}}}).status()),
              HasSubstr("layer 1 has neurons 0 to 5, 6 is not among them"));
}

TEST(Evaluator, CountsPairsAndStopsWhenAsked) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(50), {});
  const auto candidates = RandomCandidates(evaluator, 30, 1);
  uint64_t last = 0;
  const auto count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 30u * 40u);
    last = done;
    return true;
  };
  ASSERT_TRUE(evaluator.Evaluate(candidates, 10, 50, count).ok());
  EXPECT_EQ(last, 30u * 40u);
  const auto stop = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_EQ(evaluator.Evaluate(candidates, 0, 50, stop).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(evaluator.Evaluate({}, 0, 50, GoOn)->empty());
}

TEST(Evaluator, CountsImagesWhileItFillsAndStopsWhenAsked) {
  const Graph graph = VggLike();
  const ImageSet images = RandomImages(graph, 80, 1);  // batches of 64 and 16, 6 first neurons
  uint64_t last = 0, calls = 0;
  const auto count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 80u);
    last = done;
    ++calls;
    return true;
  };
  ASSERT_TRUE(Evaluator::Create(graph, images, {.threads = 2}, count).ok());
  EXPECT_EQ(last, 80u);
  // Within a batch too: at its begin, before each neuron, at its end.
  EXPECT_EQ(calls, 2u * 8u);
  calls = 0;
  const auto stop = [&](uint64_t done, uint64_t, const std::string&) {
    EXPECT_EQ(done, 0u);
    return ++calls < 4;
  };
  EXPECT_EQ(Evaluator::Create(graph, images, {.threads = 2}, stop).status(), absl::CancelledError("interrupted"));
}

TEST(Evaluator, RefusesWhatItCannotEvaluate) {
  const auto& [graph, all] = Embedded();
  const ImageSet images = all.Head(4);
  const auto create = [&](const Graph& network, const ImageSet& set, const EvaluatorOptions& options) {
    return Message(Evaluator::Create(network, set, options).status());
  };
  EXPECT_THAT(create(graph, {}, {}), HasSubstr("no images"));
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Graph damaged = graph;
    damaged.initializers.begin()->second.values[3] = value;
    EXPECT_THAT(create(damaged, images, {}), HasSubstr(fmt::format("'{}': element 3 is {}, not a finite number",
                                                                   damaged.initializers.begin()->first, value)));
  }
  EXPECT_THAT(create(graph, images, {.top_k = 0}), HasSubstr("top 0 of 10 classes"));
  EXPECT_THAT(create(graph, images, {.top_k = 11}), HasSubstr("top 11 of 10 classes"));
  ImageSet foreign = images;
  foreign.labels[2] = 10;
  EXPECT_THAT(create(graph, foreign, {}), HasSubstr("image 2 has label 10, the graph has 10 classes"));
  foreign = RandomImages(VggLike(), 2, 1);
  EXPECT_THAT(create(graph, foreign, {}), HasSubstr("(2, 3, 32, 32)"));
  EXPECT_THAT(create(graph, images, {.first_layer = 6}), HasSubstr("layers 1 to 5, 6 is not among them"));
  EXPECT_THAT(create(graph, images, {.first_layer = 5}), HasSubstr("layers 1 to 5, 6 is not among them"));
  EXPECT_THAT(create(graph, images, {.first_layer = 3}), HasSubstr("no square joins layers 3 and 4"));
  EXPECT_THAT(create(graph, images, {.first_layer = 2, .layers = 1}),
              HasSubstr("layer 2 reads the square of layer 1; choose both together"));
  EXPECT_THAT(create(graph, images, {.layers = 3}), HasSubstr("3 layers"));
  NetworkBuilder b({1, 4, 4}, 1);
  b.Conv(2, {{3, 3}, {1, 1}, {}});
  b.Append(op::Relu{});
  b.Append(op::Flatten{1});
  b.Gemm(3);
  const Graph without_square = b.Finish();
  EXPECT_THAT(create(without_square, RandomImages(without_square, 4, 1), {}),
              AllOf(HasSubstr("square"), HasSubstr("(--layers 1 --first-layer N, N from 1 to 2)")));
}

TEST(Evaluator, RefusesCandidatesAndRangesThatAreNotThere) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(4), {});
  const auto evaluate = [&](const Candidate& candidate, int64_t begin, int64_t end) {
    return Message(evaluator.Evaluate(std::vector{candidate}, begin, end, GoOn).status());
  };
  EXPECT_THAT(evaluate({{6}, {0}}, 0, 4), HasSubstr("layer 1 has neurons 0 to 5, 6 is not among them"));
  EXPECT_THAT(evaluate({{0}, {16}}, 0, 4), HasSubstr("layer 2 has neurons 0 to 15, 16 is not among them"));
  EXPECT_THAT(evaluate({{-1}, {0}}, 0, 4), HasSubstr("-1 is not among them"));
  EXPECT_THAT(evaluate({{2, 1}, {0}}, 0, 4), HasSubstr("neurons 2 and 1 of layer 1 do not ascend"));
  EXPECT_THAT(evaluate({{1}, {3, 3}}, 0, 4), HasSubstr("neurons 3 and 3 of layer 2 do not ascend"));
  EXPECT_THAT(evaluate({{1}, {3}}, 0, 5), HasSubstr("images 0 to 5 of 4"));
  EXPECT_THAT(evaluate({{1}, {3}}, 2, 2), HasSubstr("images 2 to 2 of 4"));
  EXPECT_THAT(evaluate({{1}, {3}}, -1, 2), HasSubstr("images -1 to 2 of 4"));
}

// Scores that overflow are wrong answers, not right ones.
TEST(Evaluator, CountsWhatIsNotANumberAsWrong) {
  Graph graph = Embedded().graph;
  for (auto& [name, tensor] : graph.initializers) {
    for (float& value : tensor.values) value *= 1e12F;
  }
  const auto evaluator = Evaluator::Create(graph, Embedded().images.Head(20), {});
  ASSERT_TRUE(evaluator.ok()) << evaluator.status();
  EXPECT_EQ(evaluator->original(), std::vector<uint8_t>(20, 0));
}

}  // namespace
}  // namespace privdnn
