#include "privdnn/selection/pruning.h"
#include "privdnn/selection/test_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "privdnn/graph/architectures.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/matrix_rank.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using Order = std::vector<int64_t>;

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

// A layer of 3 neurons that read 2 values.
Graph Three(std::vector<float> weights) {
  Graph graph;
  graph.inputs = {{"x", {-1, 2}}};
  graph.outputs = {{"y", {-1, 3}}};
  op::Gemm gemm;
  gemm.trans_b = true;
  graph.initializers["w"] = {{3, 2}, std::move(weights)};
  graph.nodes = {{"only", gemm, {"x", "w"}, "y"}};
  return graph;
}

TEST(RankNeurons, NormAndDistanceHaveTheirDefinitions) {
  // Neurons 0 and 1 are long and alike; neuron 2 is short and far away.
  const Graph graph = Three({3, 4, 3, 4.5F, -1, -1});
  EXPECT_EQ(*RankNeurons(graph, 1, PruningCriterion::kNorm, {}, 3, GoOn), (Order{1, 0, 2}));
  EXPECT_EQ(*RankNeurons(graph, 1, PruningCriterion::kFpgm, {}, 3, GoOn), (Order{2, 1, 0}));
  // Distances 3, 4 and 5: sums 7, 8 and 9.
  EXPECT_EQ(*RankNeurons(Three({0, 0, 3, 0, 0, 4}), 1, PruningCriterion::kFpgm, {}, 3, GoOn), (Order{2, 1, 0}));
  for (const auto criterion : {PruningCriterion::kNorm, PruningCriterion::kFpgm}) {
    EXPECT_EQ(*RankNeurons(Three({1, 1, 1, 1, 1, 1}), 1, criterion, {}, 3, GoOn), (Order{0, 1, 2}));
  }
}

TEST(MapRanks, CountsIndependentRows) {
  const Tensor maps{{2, 2, 2, 3}, {0, 0, 0, 0,     0, 0,    // 0
                                   1, 2, 3, 2,     4, 6,    // 1
                                   1, 2, 3, 2,     4, 7,    // 2
                                   1, 0, 0, 1e-9F, 0, 0}};  // 1
  EXPECT_EQ(*MapRanks(maps), (Order{0, 1, 2, 1}));
  EXPECT_EQ(*MapRanks({{1, 2, 1, 1}, {0, -3}}), (Order{0, 1}));
  EXPECT_THAT(Message(MapRanks({{2, 1}, {0, 1}}).status()), HasSubstr("needs (N, C, H, W)"));
  EXPECT_THAT(Message(MapRanks({{1, 1, 1, 1}, {INFINITY}}).status()), HasSubstr("not finite"));
}

// Kernels of constant output give maps of rank 1 or 0, those that pass the noise on full ones.
TEST(RankNeurons, HrankPutsRichMapsFirst) {
  Graph graph = *BuildArchitecture("lenet5-mnist", 3);
  Tensor& weights = graph.initializers.at("conv1.weight");
  for (const size_t neuron : {0, 3})
    std::fill_n(weights.values.begin() + static_cast<std::ptrdiff_t>(25 * neuron), 25, 0.0F);
  graph.initializers.at("conv1.bias").values[0] = 0;
  graph.initializers.at("conv1.bias").values[3] = 1;
  std::vector<uint64_t> reports;
  const auto order = RankNeurons(graph, 1, PruningCriterion::kHrank, RandomImages(60), 6,
                                 [&](uint64_t done, uint64_t total, const std::string&) {
                                   EXPECT_EQ(total, 60u);
                                   reports.push_back(done);
                                   return true;
                                 });
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ((Order{order->end() - 2, order->end()}), (Order{3, 0}));
  EXPECT_EQ(reports.back(), 60u);
  EXPECT_EQ(RankNeurons(graph, 1, PruningCriterion::kHrank, RandomImages(1), 6,
                        [](uint64_t, uint64_t, const std::string&) { return false; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

// Against a copy of the network with weights and biases of the others zero.
TEST(RankNeurons, GreedyForwardMinimisesTheLoss) {
  const Graph graph = *BuildArchitecture("lenet5-mnist", 3);
  const ImageSet images = RandomImages(60);
  const auto loss = [&](const Order& kept) {
    Graph some = graph;
    Tensor& weights = some.initializers.at("conv1.weight");
    Tensor& bias = some.initializers.at("conv1.bias");
    for (int64_t i = 0; i < 6; ++i) {
      if (std::find(kept.begin(), kept.end(), i) != kept.end()) continue;
      std::fill_n(weights.values.begin() + 25 * i, 25, 0.0F);
      bias.values[static_cast<size_t>(i)] = 0;
    }
    const auto outputs = *Executor::Create(some)->Run({{graph.inputs[0].name, images.Batch(0, 60)}});
    const Tensor& scores = outputs.at(graph.outputs[0].name);
    double sum = 0;
    for (size_t k = 0; k < 60; ++k) {
      double exponentials = 0;
      for (size_t c = 0; c < 10; ++c) exponentials += std::exp(static_cast<double>(scores.values[10 * k + c]));
      sum += std::log(exponentials) - scores.values[10 * k + static_cast<size_t>(images.labels[k])];
    }
    return sum;
  };
  const auto order = RankNeurons(graph, 1, PruningCriterion::kGreedyForward, images, 2, GoOn);
  ASSERT_TRUE(order.ok()) << order.status();
  Order kept;
  for (size_t step = 0; step < 2; ++step) {
    kept.push_back((*order)[step]);
    const double least = loss(kept);
    for (int64_t other = 0; other < 6; ++other) {
      if (std::find(kept.begin(), kept.end(), other) != kept.end()) continue;
      kept.back() = other;
      EXPECT_GE(loss(kept), least - 1e-4 * std::abs(least)) << step << " " << other;
      kept.back() = (*order)[step];
    }
  }
  EXPECT_TRUE(std::is_sorted(order->begin() + 2, order->end()));
  Order sorted = *order, all(6);
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
}

TEST(RankNeurons, RefusesWhatItCannotRank) {
  Graph graph = *BuildArchitecture("lenet5-mnist", 3);
  const auto rank = [&](int64_t layer, PruningCriterion criterion, const ImageSet& images, int64_t count) {
    return Message(RankNeurons(graph, layer, criterion, images, count, GoOn).status());
  };
  EXPECT_THAT(rank(0, PruningCriterion::kNorm, {}, 1), HasSubstr("layers 1 to 5, 0 is not"));
  EXPECT_THAT(rank(6, PruningCriterion::kNorm, {}, 1), HasSubstr("6 is not among them"));
  EXPECT_THAT(rank(1, PruningCriterion::kHrank, {}, 1), HasSubstr("no images"));
  EXPECT_THAT(rank(1, PruningCriterion::kGreedyForward, RandomImages(1), 7), HasSubstr("6 neurons, 7"));
  ImageSet foreign = RandomImages(1);
  foreign.labels = {10};
  EXPECT_THAT(rank(1, PruningCriterion::kGreedyForward, foreign, 1), HasSubstr("label 10, the graph has 10 classes"));
  graph.initializers.at("conv1.weight").values[3] = NAN;
  EXPECT_THAT(rank(1, PruningCriterion::kNorm, {}, 1), HasSubstr("not a finite number"));
}

TEST(ParsePruningCriterion, KnowsItsNames) {
  EXPECT_EQ(*ParsePruningCriterion("norm"), PruningCriterion::kNorm);
  EXPECT_EQ(*ParsePruningCriterion("fpgm"), PruningCriterion::kFpgm);
  EXPECT_EQ(*ParsePruningCriterion("hrank"), PruningCriterion::kHrank);
  EXPECT_EQ(*ParsePruningCriterion("greedy-forward"), PruningCriterion::kGreedyForward);
  EXPECT_THAT(Message(ParsePruningCriterion("l1").status()), HasSubstr("norm, fpgm, hrank and greedy-forward"));
}

}  // namespace
}  // namespace privdnn
