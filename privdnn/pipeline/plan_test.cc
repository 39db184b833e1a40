#include "privdnn/pipeline/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/onnx/onnx.h"
#include "privdnn/package/test_package.h"
#include "privdnn/pipeline/cost_prediction.h"
#include "privdnn/pipeline/plan_figures.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Two layers with a rectifier between them: the second reads an inner value.
Graph TwoLinearLayers() {
  NetworkBuilder builder({1, 6, 6}, 1);
  builder.Conv(3, {.kernel = {3, 3}});
  builder.Append(op::Relu{});
  builder.Conv(2, {.kernel = {2, 2}});
  return builder.Finish();
}

MeasureRangesFn Always(double min, double max) {
  return [=](const Graph&, const std::vector<std::string>& values) {
    return std::vector<MeasuredRange>(values.size(), {min, max});
  };
}

TEST(Plan, HoldsWhatEncryptingNeeds) {
  TestModelBuilder builder(3);
  const Graph graph = builder.Build(TinyShape());
  const Selection selection = RandomSelection(builder, graph);
  const auto plan = Plan(graph, selection, {.image_budget = 1234, .objective = Objective::kBytes});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->graph, graph);
  EXPECT_EQ(plan->selection, selection);
  EXPECT_EQ(plan->objective, Objective::kBytes);
  EXPECT_EQ(plan->costs.costs, DocumentedMachineCosts()->costs);
  ASSERT_EQ(plan->segments.size(), 1u);
  EXPECT_EQ(plan->segments[0].plan.encryption.image_budget, 1234u);
  EXPECT_EQ(plan->StatisticalSecurity(), plan->segments[0].plan.statistical_security);
  ASSERT_EQ(plan->Tasks().size(), 1u);
  EXPECT_EQ(plan->Tasks()[0].quantized, &plan->segments[0].quantized);
  EXPECT_EQ(plan->Tasks()[0].plan, &plan->segments[0].plan.encryption);
  EXPECT_EQ(plan->rest_model, ExportOnnx(*PlaintextRest(graph, {plan->segments[0].segment})));
}

TEST(Plan, MeasuresWhatInnerSegmentsReadOnceInTheSeparatedNetwork) {
  const Graph graph = TwoLinearLayers();
  int calls = 0;
  std::vector<std::string> measured;
  const auto measure = [&](const Graph& separated, const std::vector<std::string>& values) {
    ++calls;
    measured = values;
    EXPECT_EQ(separated.outputs, graph.outputs);
    return std::vector<MeasuredRange>{{-1, 8}};
  };
  const auto plan = Plan(graph, *ParseSelection("1:0;2:all", graph), {.image_budget = 1000}, measure);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->segments.size(), 2u);
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(measured, ElementsAre(plan->segments[1].segment.input));
  // [0, 1] in 254 steps, [-1.25, 10] likewise.
  EXPECT_EQ(plan->segments[0].quantized.spec.input_scale, 1.0 / 254);
  EXPECT_EQ(plan->segments[1].quantized.spec.input_scale, 11.25 / 254);
}

TEST(Plan, MeasuresNothingIfOnlyTheInputIsRead) {
  const Graph graph = TwoLinearLayers();
  const auto fail = [](const Graph&, const std::vector<std::string>&) -> absl::StatusOr<std::vector<MeasuredRange>> {
    return absl::InternalError("measured");
  };
  EXPECT_TRUE(Plan(graph, *ParseSelection("1:0", graph), {.image_budget = 1000}, fail).ok());
  EXPECT_EQ(Message(Plan(graph, *ParseSelection("2:0", graph), {.image_budget = 1000}, fail).status()), "measured");
}

TEST(Plan, AssumesTheRangeOfPicturesOnly) {
  const auto plan = [](const std::vector<int64_t>& shape, const ModelPlanOptions& options, bool bounded = false) {
    NetworkBuilder b(shape, 1);
    if (bounded) b.Append(op::Clip{0, 1});
    if (shape.size() > 1) b.Append(op::Flatten{1});
    b.Gemm(4);
    const Graph graph = b.Finish();
    return Message(Plan(graph, *ParseSelection("1:0", graph), options).status());
  };
  const ModelPlanOptions options{.image_budget = 10};
  ModelPlanOptions asked = options, known = options;
  asked.range_asked = known.range_known = true;
  EXPECT_EQ(plan({1, 4, 4}, options), "");
  EXPECT_EQ(plan({3, 4, 4}, options), "");
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{13}, {3, 8}, {2, 4, 4}}) {
    EXPECT_THAT(plan(shape, options),
                HasSubstr(fmt::format("the network's input of shape {}, which is no picture", fmt::join(shape, "x"))));
    EXPECT_EQ(plan(shape, asked), "");
    EXPECT_EQ(plan(shape, known), "");
    EXPECT_EQ(plan(shape, options, /*bounded=*/true), "");
  }
}

TEST(Plan, RefusesWithTheReason) {
  const Graph graph = TwoLinearLayers();
  const Selection inner = *ParseSelection("2:0", graph);
  EXPECT_THAT(Message(Plan(graph, inner, {}).status()),
              AllOf(HasSubstr("layer 2 reads '"), HasSubstr("whose range has to be measured: give images"),
                    Not(HasSubstr("--"))));
  const auto two = [](const Graph&, const std::vector<std::string>&) { return std::vector<MeasuredRange>(2); };
  EXPECT_THAT(Message(Plan(graph, inner, {}, two).status()), HasSubstr("2 ranges for 1 values"));
  EXPECT_THAT(Message(Plan(graph, inner, {.lift = {.kernel_bits = 99}}, Always(0, 1)).status()), HasSubstr("layer 2"));
  EXPECT_THAT(Message(Plan(graph, inner, {.max_user_memory_bytes = 1'000'000}, Always(0, 1)).status()),
              HasSubstr("at most 1.0 MB was asked for; reading the plaintext rest of the network alone takes 180."));
  EXPECT_THAT(Message(Plan(graph, inner, {.max_package_bytes = 2000}, Always(0, 1)).status()), HasSubstr("package"));
}

// However near the memory is to the bound.
TEST(Plan, ShowsMemoryAboveTheBoundThatItExceeds) {
  const Graph graph = TwoLinearLayers();
  const Selection first = *ParseSelection("1:0", graph);
  const uint64_t needed = LoadingUserMemory(Plan(graph, first, {.image_budget = 1000})->rest_model.size());
  const auto error = [&](uint64_t bytes) {
    return Message(Plan(graph, first, {.image_budget = 1000, .max_user_memory_bytes = bytes}).status());
  };
  ASSERT_LT(needed, 180'090'000u);  // so that its tenths are known
  EXPECT_THAT(error(needed - 1), HasSubstr("at most 180.0 MB was asked for; reading the plaintext rest of the network "
                                           "alone takes 180.1 MB"));
  EXPECT_THAT(error(179'999'999), HasSubstr("at most 179.9 MB was asked for"));
}

TEST(Plan, KeepsTheBoundOnThePackage) {
  const Graph graph = TwoLinearLayers();
  const Selection both = *ParseSelection("1:all;2:0", graph);
  const auto bounded = [&](uint64_t bytes) {
    return Plan(graph, both, {.image_budget = 1000, .max_package_bytes = bytes}, Always(0, 1));
  };
  const uint64_t size = bounded(UINT64_MAX)->PackageSize();
  EXPECT_TRUE(bounded(size + 3000).ok());  // headers are bounded from above, but not by more than this
  for (const uint64_t bytes : {size - 1, size / 2, size / 10}) {
    const auto plan = bounded(bytes);
    if (!plan.ok()) continue;  // refused, with the reason
    EXPECT_LE(plan->PackageSize(), bytes);
  }
}

TEST(PlanFigures, AddUpSegmentsAndTakeTheLeastImages) {
  const Graph graph = TwoLinearLayers();
  const auto plan = Plan(graph, *ParseSelection("1:0;2:all", graph), {.image_budget = 1000}, Always(0, 1));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const SegmentPlan &a = plan->segments[0].plan, &b = plan->segments[1].plan;
  const PlanFigures f = ComputeFigures(*plan);
  EXPECT_EQ(f.image_budget, 1000u);
  EXPECT_EQ(f.package_bytes, plan->PackageSize());
  EXPECT_EQ(f.query_bytes_per_image, a.cost.query_bytes_per_image + b.cost.query_bytes_per_image);
  EXPECT_EQ(f.reply_bytes_per_image, a.cost.reply_bytes_per_image + b.cost.reply_bytes_per_image);
  EXPECT_EQ(f.user_macs, a.cost.user_macs + b.cost.user_macs);
  // 3x3 on one channel with 4x4 outputs, 2x2 on 3 channels with 3x3: 10 and 13 unknowns.
  EXPECT_EQ(f.segments[0].exposure.kernels.unknowns, 10u);
  EXPECT_EQ(f.segments[1].exposure.kernels.unknowns, 13u);
  EXPECT_EQ(f.images_to_reconstruct, 1u);
  EXPECT_EQ(f.images_by_parameter_count, 1u);
  EXPECT_EQ(f.ImagesThatRiskKernels(), 1u);
  const KeyRecovery &keys_a = a.key_recovery, &keys_b = b.key_recovery;
  EXPECT_EQ(f.images_to_recover_keys, std::min(keys_a.images_by_packing, keys_b.images_by_packing));
  EXPECT_EQ(f.images_to_recover_keys_by_lattice, std::min(keys_a.images_by_lattice, keys_b.images_by_lattice));
  EXPECT_EQ(f.images_that_keep_keys_safe, std::min(keys_a.safe_images, keys_b.safe_images));
  EXPECT_EQ(f.predicted[0].workload.images, 1u);
  EXPECT_EQ(f.predicted[1].workload.images, kBatchImages);
  EXPECT_LT(f.predicted[0].bytes_up, f.predicted[1].bytes_up);
}

}  // namespace
}  // namespace privdnn
