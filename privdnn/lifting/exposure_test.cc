#include "privdnn/lifting/exposure.h"

#include <gtest/gtest.h>

#include "privdnn/segment/test_specs.h"

namespace privdnn {
namespace {

constexpr size_t kRing = 16384;

SegmentPlan PlanOf(const SegmentSpec& spec) {
  const Geometry geometry = *Geometry::Create(spec, kRing);
  return {.encryption = {.parameters = {}, .geometry = geometry, .image_budget = 0},
          .parameters = {},
          .cost = {},
          .statistical_security = 0,
          .extraction = CountExtraction(geometry, 0),
          .key_recovery = {}};
}

// Of a quadratic segment whose second layer reads `inputs` channels through a window of side `kernel`.
Segment Quadratic(int64_t inputs, int64_t kernel, std::vector<int64_t> first_neurons) {
  Segment s;
  s.first.emplace();
  s.first->outputs = inputs;
  s.layer.inputs = inputs;
  s.layer.window.kernel = {kernel, kernel};
  s.first_neurons = std::move(first_neurons);
  s.neurons = {0};
  return s;
}

// LeNet-5: 5 neurons of 5x5 on one channel, then 5x5 on their squares; 16 outputs an image.
TEST(Exposure, AUserWithTheWholeFirstLayerHasFewerUnknowns) {
  const SegmentPlan plan = PlanOf(LeNetSpec());
  ASSERT_EQ(plan.extraction.unknowns, 5851u);
  const Exposure e = CountExposure(Quadratic(5, 5, {}), plan);
  EXPECT_EQ(e.kernels.unknowns, 5 * 25 + 1u);
  EXPECT_EQ(e.kernels.images, 8u);  // 126 / 16, rounded up
  EXPECT_EQ(e.kernels.inner_unknowns, 126u);
  EXPECT_EQ(e.kernels.inner_positions, 16u);
  EXPECT_EQ(e.kernels.inner_images, 8u);
  EXPECT_EQ(e.parameters, 126u);
  EXPECT_EQ(e.images_by_parameter_count, 8u);
}

TEST(Exposure, CoreNeuronsInTheFirstLayerHideTheSquares) {
  const Exposure e = CountExposure(Quadratic(5, 5, {1, 3}), PlanOf(LeNetSpec()));
  EXPECT_EQ(e.kernels.unknowns, 5851u);
  EXPECT_EQ(e.kernels.images, 366u);
  EXPECT_EQ(e.kernels.inner_images, 366u);
  EXPECT_EQ(e.parameters, 126 + 2 * (25 + 1u));
  EXPECT_EQ(e.images_by_parameter_count, 12u);  // 178 / 16, rounded up
}

TEST(Exposure, AFirstLayerWiderThanTheLiftedKernelIsNoShortcut) {
  // 234 channels of 5x5 are 5,850 weights: with the bias as many numbers as the lifted kernel has unknowns.
  const Exposure e = CountExposure(Quadratic(234, 5, {}), PlanOf(LeNetSpec()));
  EXPECT_EQ(e.kernels.unknowns, 5851u);
  EXPECT_EQ(e.kernels.inner_positions, PlanOf(LeNetSpec()).extraction.inner_positions);
  EXPECT_EQ(CountExposure(Quadratic(233, 5, {}), PlanOf(LeNetSpec())).kernels.unknowns, 5826u);
}

TEST(Exposure, ALinearSegmentIsWhatItsLayerIs) {
  SegmentSpec spec;
  spec.kind = SegmentKind::kLinear;
  spec.channels = 256;
  spec.groups = {{7, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  Segment segment;
  segment.layer.inputs = 256;
  const Exposure e = CountExposure(segment, PlanOf(spec));
  EXPECT_EQ(e.kernels.unknowns, 257u);
  EXPECT_EQ(e.kernels.images, 257u);
  EXPECT_EQ(e.parameters, 257u);
  EXPECT_EQ(e.images_by_parameter_count, 257u);
}

// ResNet18's first block on 64x64 images: 3x3 on 3 channels, then 3x3, and the first layer's squares.
TEST(Exposure, AShortcutTellsTheFirstLayerNeuronByNeuron) {
  const SegmentPlan plan = PlanOf(ResNetSpec());
  Segment segment = Quadratic(64, 3, {0, 1});
  const Exposure without = CountExposure(segment, plan);
  EXPECT_EQ(without.kernels.images, 10u);
  EXPECT_EQ(without.parameters, 64 * 9 + 1 + 2 * 28u);
  segment.shortcut = {0, 1};
  const Exposure e = CountExposure(segment, plan);
  EXPECT_EQ(e.kernels.images, 10u);       // all kernels still take what the outputs of the second layer take
  EXPECT_EQ(e.kernels.inner_images, 1u);  // a square has 406 unknowns and 4,096 equations an image
  EXPECT_EQ(e.images_by_parameter_count, 1u);
  // Where the map is small, the squares decide. 216 of their 406 unknowns touch the window's top row, which is padding
  // but for the second row's 4 positions: 54 images.
  SegmentSpec small = ResNetSpec();
  small.groups[1].map = {2, 4};
  const Exposure few = CountExposure(segment, PlanOf(small));
  EXPECT_EQ(few.kernels.images, 54u);
  EXPECT_EQ(few.images_by_parameter_count, 1u);  // 633 numbers behind an output with 4,096 equations
}

}  // namespace
}  // namespace privdnn
