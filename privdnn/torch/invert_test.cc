#include "privdnn/torch/invert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "privdnn/testing/graphs.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

// Uniform in [low, high).
Tensor RandomTensor(std::vector<int64_t> shape, float low, float high, uint64_t seed) {
  Tensor tensor = Tensor::Zeros(std::move(shape));
  std::mt19937_64 engine(seed);
  for (float& v : tensor.values) v = low + (high - low) * static_cast<float>(engine() >> 40) * 0x1p-24f;
  return tensor;
}

// 24 random projections (as 3x3 filters of a 6x6 image, stride 3: 4 windows of 9 values) determine every pixel.
Graph Projections() {
  op::Conv conv;
  conv.window.kernel = {3, 3};
  conv.window.strides = {3, 3};
  return SingleNodeGraph({1, 6, 6}, conv, {{"w", RandomTensor({24, 1, 3, 3}, -1, 1, 3)}}, {"x", "w"}, {24, 2, 2});
}

Tensor Images(int64_t count) { return RandomTensor({count, 1, 6, 6}, 0, 1, 8); }

Tensor FeaturesOf(const Graph& graph, const Tensor& images) {
  return std::move(Executor::Create(graph)->Run({{"x", images}})->at("y"));
}

double LargestDifference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    largest = std::max(largest, std::abs(double{a.values[i]} - b.values[i]));
  }
  return largest;
}

InvertOptions WithoutPriors(int steps) {
  InvertOptions options;
  options.steps = steps;
  options.total_variation = options.l2 = 0;
  return options;
}

TEST(Invert, FindsTheImagesThatFeaturesDetermine) {
  const Graph graph = Projections();
  const Tensor images = Images(3), features = FeaturesOf(graph, images);
  const auto found = Invert(graph, {features}, WithoutPriors(600), {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->shape, images.shape);
  EXPECT_LT(LargestDifference(*found, images), 0.05);
}

TEST(Invert, ImagesOfABatchDontInfluenceEachOther) {
  const Graph graph = Projections();
  const Tensor images = Images(2), features = FeaturesOf(graph, images);
  const auto both = Invert(graph, {features}, WithoutPriors(20), {});
  ASSERT_TRUE(both.ok()) << both.status();
  const std::vector<float> second(features.values.begin() + features.size() / 2, features.values.end());
  const auto alone = Invert(graph, {Tensor{{1, 24, 2, 2}, second}}, WithoutPriors(20), {});
  ASSERT_TRUE(alone.ok()) << alone.status();
  for (size_t i = 0; i < 36; ++i) EXPECT_NEAR(alone->values[i], both->values[36 + i], 1e-4) << i;
}

TEST(Invert, UnknownScalesDontMatter) {
  const Graph graph = Projections();
  const Tensor images = Images(1);
  Tensor features = FeaturesOf(graph, images);
  InvertOptions options = WithoutPriors(1000);
  options.unknown_scales = true;
  const auto plain = Invert(graph, {features}, options, {});
  for (size_t i = 0; i < features.values.size(); ++i)
    features.values[i] *= std::pow(2.0f, static_cast<float>(i / 4 % 7));
  const auto scaled = Invert(graph, {features}, options, {});
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  EXPECT_LT(LargestDifference(*plain, *scaled), 0.02);
  // What relations between the four windows leave open is one factor.
  double product = 0, found = 0, sought = 0;
  for (size_t i = 0; i < 36; ++i) {
    product += double{scaled->values[i]} * images.values[i];
    found += double{scaled->values[i]} * scaled->values[i];
    sought += double{images.values[i]} * images.values[i];
  }
  EXPECT_GT(product / std::sqrt(found * sought), 0.98);
}

// Where features say nothing, pixels are what the prior says.
TEST(Invert, TakesWhatIsNotSeenFromThePrior) {
  op::Conv conv;
  conv.window.kernel = {1, 1};
  conv.window.strides = {7, 7};  // sees the first pixel only
  const Graph graph = SingleNodeGraph({1, 6, 6}, conv, {{"w", Tensor{{1, 1, 1, 1}, {2}}}}, {"x", "w"}, {1, 1, 1});
  InvertOptions options = WithoutPriors(300);
  options.l2 = 0.001;
  options.pixel_mean = RandomTensor({1, 6, 6}, 0, 1, 4);
  options.pixel_deviation = Tensor{{1, 6, 6}, std::vector<float>(36, 0.1f)};
  const auto found = Invert(graph, {Tensor{{1, 1, 1, 1}, {1.6f}}}, options, {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_NEAR(found->values[0], 0.8, 0.05);
  for (size_t i = 1; i < 36; ++i) EXPECT_NEAR(found->values[i], options.pixel_mean.values[i], 0.02) << i;
}

TEST(Invert, RepeatsAndIsCancelled) {
  const Graph graph = Projections();
  const Tensor features = FeaturesOf(graph, Images(1));
  uint64_t calls = 0;
  const ProgressFn count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 10u);
    return true;
  };
  const auto first = Invert(graph, {features}, WithoutPriors(10), count);
  EXPECT_EQ(calls, 10u);
  EXPECT_EQ(first->values, Invert(graph, {features}, WithoutPriors(10), {})->values);
  InvertOptions other = WithoutPriors(10);
  other.seed = 2;
  EXPECT_NE(first->values, Invert(graph, {features}, other, {})->values);
  const ProgressFn stop = [](uint64_t done, uint64_t, const std::string&) { return done < 3; };
  const absl::Status status = Invert(graph, {features}, WithoutPriors(10), stop).status();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST(Invert, RefusesWhatDoesNotFit) {
  const Graph graph = Projections();
  const Tensor features = FeaturesOf(graph, Images(1));
  const auto error = [&](std::vector<Tensor> targets, InvertOptions options) {
    return std::string(Invert(graph, targets, options, {}).status().message());
  };
  EXPECT_THAT(error({}, WithoutPriors(1)), HasSubstr("0 targets for the 1 outputs"));
  EXPECT_THAT(error({Tensor::Zeros({1, 24, 2, 3})}, WithoutPriors(1)), HasSubstr("has shape (1, 24, 2, 3)"));
  EXPECT_THAT(error({features}, WithoutPriors(0)), HasSubstr("0 steps"));
  InvertOptions no_deviation = WithoutPriors(1);
  no_deviation.pixel_deviation = Tensor::Zeros({1, 6, 6});
  EXPECT_THAT(error({features}, no_deviation), HasSubstr("deviation must be finite, positive numbers"));
  Tensor infinite = features;
  infinite.values[3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error({infinite}, WithoutPriors(1)), HasSubstr("not finite"));
}

}  // namespace
}  // namespace privdnn
