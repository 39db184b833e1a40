// What the planner chooses and refuses, and the cost model that it chooses by.
#include "privdnn/segment/planner.h"
#include "privdnn/segment/test_specs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace privdnn {
namespace {

using ::testing::HasSubstr;

SegmentSpec LeNet(uint32_t outputs) {
  SegmentSpec s;
  s.input = {28, 28};
  s.kernel1 = {5, 5};
  s.pool1 = s.pool1_stride = {2, 2};
  s.groups = {{outputs, {6, 6}, {2, 2}, {0, 0}, {4, 4}}};
  return s;
}

SegmentSpec FullyConnected(uint32_t inputs, uint32_t outputs) {
  SegmentSpec s;
  s.kind = SegmentKind::kLinear;
  s.channels = inputs;
  s.groups = {{outputs, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  return s;
}

double BatchBytes(const SegmentPlan& plan) {
  const MessageBytes bytes = BodyBytes(plan.geometry(), plan.parameters, kBatchImages);
  return static_cast<double>(bytes.query + bytes.reply) / kBatchImages;
}
double Ms(const SegmentPlan& plan, uint64_t images) {
  const CostConstants& costs = DefaultCosts();
  return UserMs(plan.geometry(), plan.parameters, costs, images) +
         OwnerMs(plan.geometry(), plan.parameters, costs, images);
}

TEST(Planner, EachObjectiveIsBestByItself) {
  for (const auto& [spec, bits] : {std::pair{LeNet(6), 34}, {VggSpec(8), 34}, {FullyConnected(400, 60), 30}}) {
    const auto latency = PlanSegment(spec, bits, 1000, Objective::kLatency);
    const auto throughput = PlanSegment(spec, bits, 1000, Objective::kThroughput);
    const auto bytes = PlanSegment(spec, bits, 1000, Objective::kBytes);
    ASSERT_TRUE(latency.ok() && throughput.ok() && bytes.ok());
    EXPECT_EQ(latency->geometry().images_per_ciphertext(), 1u);
    for (const SegmentPlan* other : {&*latency, &*throughput, &*bytes}) {
      EXPECT_LE(BatchBytes(*bytes), BatchBytes(*other));
      EXPECT_LE(Ms(*throughput, kBatchImages), Ms(*other, kBatchImages));
      if (other->geometry().images_per_ciphertext() == 1) {
        EXPECT_LE(Ms(*latency, 1), Ms(*other, 1));
      }
      EXPECT_GE(other->statistical_security, kMinStatisticalSecurity);
    }
  }
}

TEST(Planner, ImagesThatComeFreeShareACiphertext) {
  // 60 outputs of one position: a polynomial of 4096 coefficients holds ten images' 400 inputs.
  const SegmentSpec spec = FullyConnected(400, 60);
  const auto latency = PlanSegment(spec, 30, 1000, Objective::kLatency);
  const auto bytes = PlanSegment(spec, 30, 1000, Objective::kBytes);
  ASSERT_TRUE(latency.ok() && bytes.ok());
  EXPECT_GT(bytes->geometry().images_per_ciphertext(), 4u);
  EXPECT_LT(3 * BatchBytes(*bytes), BatchBytes(*latency));
  const auto throughput = PlanSegment(spec, 30, 1000, Objective::kThroughput);
  ASSERT_TRUE(throughput.ok());
  EXPECT_GT(throughput->geometry().images_per_ciphertext(), 1u);
  // Whoever asks for a number gets it.
  SegmentSpec fixed = spec;
  fixed.images_per_ciphertext = 3;
  EXPECT_EQ(PlanSegment(fixed, 30, 1000)->geometry().images_per_ciphertext(), 3u);
}

double Megabytes(const std::string& text, const std::string& before) {
  const size_t at = text.find(before);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + before.size()));
}

TEST(Planner, BoundsAreKeptAndRefusalsNameWhatWouldFit) {
  const std::vector<PlanTask> tasks = {{LeNet(6), 34}, {FullyConnected(400, 60), 30}};
  PlanOptions options{.image_budget = 1000, .objective = Objective::kThroughput};
  options.fixed_package_bytes = 2'000'000;
  options.fixed_user_memory_bytes = 180'000'000;
  const auto package = [&](const std::vector<SegmentPlan>& plans) {
    uint64_t bytes = options.fixed_package_bytes;
    for (const SegmentPlan& plan : plans) bytes += plan.cost.ciphertext_bytes;
    return bytes;
  };
  const auto free = PlanSegments(tasks, options);
  ASSERT_TRUE(free.ok()) << free.status();

  options.max_package_bytes = 2'000'001;
  const std::string refused = Message(PlanSegments(tasks, options).status());
  EXPECT_THAT(refused, HasSubstr("a package of at most 2 MB was asked for"));
  EXPECT_THAT(refused, HasSubstr("of the 66 would fit"));
  const double least = Megabytes(refused, "the smallest that fits the rings takes ");
  ASSERT_GT(least, 2);
  options.max_package_bytes = static_cast<uint64_t>(std::lround(least * 1e6));
  const auto small = PlanSegments(tasks, options);
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_LE(package(*small), options.max_package_bytes);
  EXPECT_LT(package(*small), package(*free));
  options.max_package_bytes -= 1'000'000;
  EXPECT_FALSE(PlanSegments(tasks, options).ok());
  options.max_package_bytes = 50'000;
  options.fixed_package_bytes = 0;
  EXPECT_THAT(Message(PlanSegments(tasks, options).status()), HasSubstr("a package of at most 0.05 MB was asked for"));
  options.fixed_package_bytes = 2'000'000;

  options.max_package_bytes = UINT64_MAX;
  options.max_user_memory_bytes = 180'000'001;
  const std::string memory = Message(PlanSegments(tasks, options).status());
  EXPECT_THAT(memory, HasSubstr("memory of the user of at most 180 MB was asked for"));
  options.max_user_memory_bytes = 1'000'000 * Megabytes(memory, "the smallest that fits the rings takes ");
  const auto lean = PlanSegments(tasks, options);
  ASSERT_TRUE(lean.ok()) << lean.status();
  uint64_t kernels = 0, working = 0;
  for (const SegmentPlan& plan : *lean) {
    kernels += plan.cost.user_memory_bytes;
    working = std::max(working, UserWorkingBytes(plan.geometry(), plan.parameters, kBatchImages));
  }
  EXPECT_LE(options.fixed_user_memory_bytes + kernels + working, options.max_user_memory_bytes);
}

TEST(Planner, WhatIsTooMuchForEveryRingIsRefusedWithWhatWouldFit) {
  const uint64_t budget = uint64_t{1} << 40;
  const std::string refused = Message(PlanSegment(LeNet(1), 58, budget * 256).status());
  EXPECT_THAT(refused, HasSubstr("no ring fits"));
  const uint64_t fits = Megabytes(refused, "a budget of ");
  ASSERT_GT(fits, 0u) << refused;
  EXPECT_TRUE(PlanSegment(LeNet(1), 58, fits).ok());
}

TEST(CostModel, GrowsWithWorkAndShrinksWithThreads) {
  const CostConstants& costs = DefaultCosts();
  const auto geometry = *Geometry::Create(VggSpec(8), 4096);
  const ParameterSpec p = *DeriveParameters({.n = 4096, .primes = NttPrimes(2), .plain_bits = 34}, geometry, 1);
  const auto more = *Geometry::Create(VggSpec(16), 4096);
  for (const uint64_t images : {1, 2, 7, 8, 9, 64}) {
    EXPECT_GT(UserMs(geometry, p, costs, images + 1), UserMs(geometry, p, costs, images));
    EXPECT_GT(OwnerMs(geometry, p, costs, images + 1), OwnerMs(geometry, p, costs, images));
    EXPECT_GT(UserMs(more, p, costs, images), UserMs(geometry, p, costs, images));
    EXPECT_GT(OwnerMs(more, p, costs, images), OwnerMs(geometry, p, costs, images));
    EXPECT_LT(UserMs(geometry, p, costs, images, 2), UserMs(geometry, p, costs, images, 1));
    EXPECT_GT(UserWorkingBytes(geometry, p, images + 1), UserWorkingBytes(geometry, p, images));
  }
  // Images that share a pass over the kernels cost less each.
  EXPECT_LT(UserMs(geometry, p, costs, 8), 8 * UserMs(geometry, p, costs, 1));
  // AVX-512 is what it is for.
  EXPECT_GT(UserMs(geometry, p, DefaultCosts("scalar"), 1), 2 * UserMs(geometry, p, costs, 1));
}

TEST(FitCosts, FindsTheConstantsBehindExactTimesAndKeepsThePriorElsewhere) {
  CostConstants prior = DefaultCosts();
  prior.ns.fill(10);
  CostConstants truth = prior;
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> factor(0.5, 2);
  for (double& ns : truth.ns) ns *= factor(random);
  std::vector<Observation> observations;
  for (int k = 0; k < 200; ++k) {
    Observation o;
    for (size_t i = 0; i + 1 < kSteps; ++i) o.work[i] = factor(random) * 1e6;
    for (size_t i = 0; i < kSteps; ++i) o.ns += o.work[i] * truth.ns[i];
    observations.push_back(o);
  }
  const CostConstants fit = FitCosts(observations, prior);
  for (size_t i = 0; i + 1 < kSteps; ++i) EXPECT_NEAR(fit.ns[i] / truth.ns[i], 1, 0.1) << i;
  EXPECT_EQ(fit.ns.back(), prior.ns.back());  // nothing was observed of it
}

}  // namespace
}  // namespace privdnn
