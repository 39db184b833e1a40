// What the owner computes beforehand against what owner and user compute together.
#include "privdnn/pipeline/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/graph/output_kind.h"
#include "privdnn/graph/preprocess.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/pipeline/choose_bits.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan_on_images.h"
#include "privdnn/segment/reference.h"
#include "privdnn/testing/networks.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

constexpr char kLeNet[] = PRIVDNN_ASSETS "/lenet5-mnist/";

const ImageSet& Digits() {
  static const auto& digits = *new ImageSet(
      LoadIdx(kLeNet + std::string("t10k-1000-images-idx3-ubyte"), kLeNet + std::string("t10k-1000-labels-idx1-ubyte"))
          ->Head(60));
  return digits;
}
Graph Network() { return *LoadOnnx(kLeNet + std::string("model.onnx")); }

TEST(Simulate, SegmentsComputeTheReferencesIntegers) {
  int compared = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNetwork(seed);
    const Selection selection = RandomSelection(graph, seed);
    const auto segments = FindSegments(graph, selection);
    if (!segments.ok()) continue;  // not every random selection can be encrypted
    NetworkBuilder values({1}, seed);
    for (const Segment& segment : *segments) {
      auto quantized = LiftSegment(segment, {.input_min = -1, .input_max = 1});
      if (!quantized.ok()) continue;
      const auto geometry = Geometry::Create(quantized->spec, 32768);
      if (!geometry.ok()) continue;
      int64_t size = 1;
      for (const int64_t side : segment.input_shape) size *= side;
      const Tensor inputs = values.Random({3, size}, -1.5, 1.5);
      std::vector<int64_t> expected;
      uint64_t clamped = 0;
      for (int64_t i = 0; i < 3; ++i) {
        const auto image = std::span(inputs.values).subspan(static_cast<size_t>(i * size), static_cast<size_t>(size));
        std::ranges::copy(ReferenceOutputs(*geometry, *quantized, QuantizeInput(*geometry, image)),
                          std::back_inserter(expected));
      }
      Clamping clamping;
      EXPECT_EQ(*SegmentSimulation(*quantized, *geometry).Run(inputs.values, 3, 2, clamping), expected);
      if (!segment.first) {
        for (const float v : inputs.values) clamped += std::fabs(v) > 1.0f + quantized->spec.input_scale / 2;
        if (quantized->spec.pads1 == Pads{}) {
          EXPECT_EQ(clamping.clamped, clamped);
        }
      }
      // Integers that doubles might round are left to the reference.
      quantized->worst_case = int64_t{1} << 58;
      EXPECT_EQ(*SegmentSimulation(*quantized, *geometry).Run(inputs.values, 3, 1, clamping), expected);
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
}

TEST(Simulate, PredictsWhatOwnerAndUserPredictTogether) {
  const Graph graph = Network();
  const auto plan = Plan(graph, *ParseSelection("1:0,3;2:5,9;3:0,1", graph), {.image_budget = 60}, Digits().Head(20));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto simulation = Simulate(*plan, Digits(), true, 2);
  ASSERT_TRUE(simulation.ok()) << simulation.status();
  InMemoryParties parties = *InMemoryParties::Create(*plan);
  const InferenceResult result = parties.session().Infer(Digits(), {.batch = 50, .scores = true});
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  EXPECT_EQ(simulation->predictions, result.predictions);
  EXPECT_EQ(simulation->clamping, result.clamping);
  EXPECT_EQ(result.clamping[0].values, 60u * 27 * 27);
  EXPECT_EQ(result.scores.size(), 600u);
  EXPECT_NEAR(simulation->accuracies->quantised, simulation->accuracies->separated, 4);
  EXPECT_GT(simulation->accuracies->original, simulation->accuracies->separated);  // neurons lose what they read
}

// Calibration on dark images: what others hold is beyond the range, and that shows.
TEST(Simulate, ClampedValuesAreCounted) {
  const Graph graph = Network();
  ImageSet dark = Digits();
  for (uint8_t& pixel : dark.pixels) pixel /= 10;
  const auto plan = Plan(graph, *ParseSelection("1:0,3;2:5,9;3:0,1", graph), {.image_budget = 60}, dark);
  const auto on_dark = Simulate(*plan, dark, true, 1), on_bright = Simulate(*plan, Digits(), true, 1);
  EXPECT_EQ(on_dark->clamping[1].clamped, 0u);
  EXPECT_GT(on_bright->clamping[1].clamped, 100u);
  EXPECT_EQ(on_bright->clamping[1].images_clamped, 60u);
  EXPECT_EQ(on_bright->clamping[0].clamped, 0u);  // pixels are within 0..1
}

// Outputs of any kind: what is simulated is what comes out.
TEST(Simulate, DeviatesAsOwnerAndUserDoTogether) {
  for (const OutputKind kind : {OutputKind::kRegression, OutputKind::kMultiLabel}) {
    SCOPED_TRACE(OutputKindName(kind));
    const Graph graph = *WithScores(Network(), kind);
    const auto plan = Plan(graph, *ParseSelection("1:0,3;2:5,9", graph), {.image_budget = 60});
    ASSERT_TRUE(plan.ok()) << plan.status();
    const auto simulation = Simulate(*plan, Digits(), true, 2);
    ASSERT_TRUE(simulation.ok()) << simulation.status();
    EXPECT_FALSE(simulation->accuracies);
    InMemoryParties parties = *InMemoryParties::Create(*plan);
    const InferenceResult result = parties.session().Infer(Digits(), {.batch = 50, .scores = true});
    const Tensor scores{{60, 10}, result.scores};
    EXPECT_EQ(simulation->predictions, Decide(kind, scores));
    std::vector<Segment> parts;
    for (const PlannedSegment& s : plan->segments) parts.push_back(s.segment);
    const Graph separated = *Separate(graph, parts);
    const Tensor exact = Executor::Create(separated)
                             ->Run({{separated.inputs[0].name, Digits().Batch(0, 60)}})
                             ->at(separated.outputs[0].name);
    EXPECT_NEAR(simulation->rounding_percent, DeviationPercent(scores, exact), 1e-3);
    EXPECT_GT(simulation->rounding_percent, 0.01);
    EXPECT_GT(simulation->separation_percent, simulation->rounding_percent);
  }
}

TEST(Simulate, RefusesMaps) {
  const Graph graph = Network();
  auto plan = Plan(graph, *ParseSelection("1:0", graph), {.image_budget = 60});
  plan->graph.metadata["privdnn.output"] = "map";
  EXPECT_THAT(Message(Simulate(*plan, Digits(), true, 1).status()), HasSubstr("map"));
}

// Rows of a table whose columns have ranges of their own, which the network scales: what the encrypted layer reads is
// measured, not derived from one range for all of them.
TEST(ChooseBits, ARegressionBehindAScalerKeepsItsValues) {
  const std::vector<float> means = {3.9f, 28, 5.4f, 35000}, deviations = {1.9f, 12, 2.5f, 22000};
  NetworkBuilder builder({4}, 9);
  builder.Append(op::Sub{}, {{{4}, means}});
  builder.Append(op::Div{}, {{{4}, deviations}});
  builder.Gemm(12);
  builder.Append(op::Relu{});
  builder.Gemm(1);
  const Graph graph = *WithScores(builder.Finish(), OutputKind::kRegression);
  ImageSet rows;
  rows.count = 200;
  rows.channels = 4;
  rows.height = rows.width = rows.rank = 1;
  for (int64_t i = 0; i < rows.count; ++i) {
    const Tensor x = builder.Random({4}, -2, 2);
    for (size_t c = 0; c < 4; ++c) rows.values.push_back(means[c] + deviations[c] * x.values[c]);
  }
  rows.labels.assign(200, 0);
  const auto chosen = PlanWithChosenBits(graph, *ParseSelection("1:all", graph), {.image_budget = 60}, rows, {});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_LE(chosen->simulation->rounding_percent, kAcceptedDeviation);
  EXPECT_TRUE(chosen->Accepted());
  EXPECT_LT(chosen->plan.segments[0].quantized.spec.input_scale, 0.04);  // of about +-2, not of +-70,000 / 1.9
  const ModelPlanOptions coarse{.lift = {.input_bits = 3, .kernel_bits = 4}, .bits_asked = true, .image_budget = 60};
  const auto few = PlanWithChosenBits(graph, *ParseSelection("1:all", graph), coarse, rows, {});
  EXPECT_FALSE(few->Accepted());
}

// What a network bounds itself is known, whatever its inputs are.
TEST(Plan, AClipsBoundsHoldForInputsOfAnyRange) {
  NetworkBuilder builder({4}, 9);
  builder.Append(op::Clip{.min = 0, .max = 1});
  builder.Gemm(3);
  const Graph graph = builder.Finish();
  ImageSet rows;
  rows.count = 2;
  rows.channels = 4;
  rows.height = rows.width = rows.rank = 1;
  rows.values = {0.1f, 0.2f, 0.3f, -4, 0.1f, 0.4f, 0.2f, 0.1f};  // at most 0.4 of what Clip lets through
  rows.labels = {0, 0};
  const auto plan = Plan(graph, *ParseSelection("1:all", graph), {.image_budget = 10}, rows);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_NEAR(plan->segments[0].quantized.spec.input_scale * 254, 1, 1e-9);
}

TEST(ChooseBits, TakesTheFewestThatKeepTheAnswers) {
  const Graph graph = Network();
  const Selection selection = *ParseSelection("1:0,3;2:5,9", graph);
  const auto chosen = PlanWithChosenBits(graph, selection, {.image_budget = 60}, Digits(), {.labelled = true});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->plan.segments[0].quantized.spec.input_bits, 8u);
  EXPECT_LE(chosen->Loss(), kAcceptedLoss);
  EXPECT_EQ(chosen->images, 60);

  // Asked for: taken, whatever they cost.
  const ModelPlanOptions asked{.lift = {.input_bits = 2, .kernel_bits = 2}, .bits_asked = true, .image_budget = 60};
  const auto coarse = PlanWithChosenBits(graph, selection, asked, Digits(), {.labelled = false});
  EXPECT_EQ(coarse->plan.segments[0].quantized.spec.input_bits, 2u);
  EXPECT_GT(coarse->Loss(), kAcceptedLoss);
  EXPECT_GT(coarse->simulation->DecisionsChanged(), 0);
  const auto none = PlanWithChosenBits(graph, selection, {.image_budget = 60}, Digits(), {.most_images = 0});
  EXPECT_FALSE(none->simulation);
}

// Scores that lie close together need more bits.
TEST(ChooseBits, TakesMoreWhereFewChangeTheAnswers) {
  NetworkBuilder builder({1, 28, 28}, 5);
  builder.Append(op::Flatten{});
  builder.Gemm(10);
  Graph graph = builder.Finish();
  // All classes weigh pixels the same but for one part in 2,000.
  for (auto& [name, tensor] : graph.initializers) {
    if (tensor.size() <= 10) continue;
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const size_t pixel = tensor.shape[1] == 10 ? i / 10 : i % 784;
      tensor.values[i] = std::sin(static_cast<float>(pixel)) + 5e-4f * tensor.values[i];
    }
  }
  const auto chosen = PlanWithChosenBits(graph, *ParseSelection("1:all", graph), {.image_budget = 60}, Digits(), {});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_GT(chosen->plan.segments[0].quantized.spec.input_bits, 8u);
  const auto coarse = PlanAndSimulate(graph, *ParseSelection("1:all", graph), {.image_budget = 60}, Digits(), {});
  EXPECT_GT(coarse->Loss(), chosen->Loss());
}

// A network trained on normalised images gives the same answers when told so, with and without padding.
TEST(Preprocess, GivesWhatPreparedImagesGive) {
  const Preprocessing p{.scale = 1.0 / 255, .mean = {0.1307}, .deviation = {0.3081}};
  for (const int64_t pad : {0, 2}) {
    NetworkBuilder builder({1, 28, 28}, 3);
    builder.Conv(4, {.kernel = {5, 5}, .strides = {2, 2}, .pads = {pad, pad, pad, pad}});
    builder.Append(op::Relu{});
    builder.Append(op::Flatten{});
    builder.Gemm(10);
    const Graph graph = builder.Finish();
    Tensor prepared = Digits().Batch(0, 5);
    for (float& v : prepared.values) v = static_cast<float>((v - 0.1307) / 0.3081);
    const Graph whole = *WithPreprocessing(graph, p);
    EXPECT_EQ(whole.nodes.size(), graph.nodes.size() + (pad > 0 ? 2 : 0));
    const auto run = [](const Graph& g, Tensor x) {
      return Executor::Create(g)->Run({{g.inputs[0].name, std::move(x)}})->at(g.outputs[0].name).values;
    };
    const auto expected = run(graph, prepared), got = run(whole, Digits().Batch(0, 5));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-3) << pad;
    // Neither needs calibration: the range of what the first layer reads is known.
    const auto plan = Plan(whole, *ParseSelection("1:all", whole), {.image_budget = 10});
    ASSERT_TRUE(plan.ok()) << plan.status();
    const SegmentSpec& spec = plan->segments[0].quantized.spec;
    EXPECT_NEAR(spec.input_scale * 254, pad > 0 ? 1 / 0.3081 : 1, 1e-6);
  }
}

TEST(Plan, ARangeThatNothingDependsOnIsRefused) {
  const Graph graph = Network();
  const ModelPlanOptions options{.lift = {.input_max = 2}, .range_asked = true, .image_budget = 60};
  EXPECT_TRUE(Plan(graph, *ParseSelection("1:0", graph), options, Digits()).ok());
  EXPECT_THAT(Message(Plan(graph, *ParseSelection("3:0", graph), options, Digits()).status()), HasSubstr("no effect"));
}

}  // namespace
}  // namespace privdnn
