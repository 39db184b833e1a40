// How many unknowns outputs have and how many images determine them. That as many do and no fewer is for
// attack/extract_test.cc, which solves for them.
#include "privdnn/segment/extraction.h"

#include <gtest/gtest.h>

#include <set>

#include "privdnn/segment/test_specs.h"

namespace privdnn {
namespace {

ExtractionCount Count(const SegmentSpec& spec, size_t group = 0) {
  return CountExtraction(*Geometry::Create(spec, 16384), group);
}

TEST(Extraction, CountsLikeADirectEnumeration) {
  // No overlap between windows: every coefficient is told apart.
  SegmentSpec s;
  s.input = {4, 4};
  s.kernel1 = s.stride1 = {2, 2};
  s.groups = {{1, {2, 2}, {1, 1}, {0, 0}, {1, 1}}};
  // 4 windows of 4 places: 4 * 10 products, 16 linear, 1 constant.
  EXPECT_EQ(Count(s).unknowns, 57u);
  EXPECT_EQ(Count(s).images, 57u);
  // LeNet-5: pairs of places of a 15x15 patch that some window holds both of.
  const SegmentSpec lenet = LeNetSpec();
  std::set<std::pair<int, int>> pairs;
  for (int tap = 0; tap < 36; ++tap) {
    const auto place = [&](int i) { return (tap / 6 * 2 + i / 5) * 15 + tap % 6 * 2 + i % 5; };
    for (int i = 0; i < 25; ++i) {
      for (int j = i; j < 25; ++j) pairs.emplace(place(i), place(j));
    }
  }
  EXPECT_EQ(Count(lenet).unknowns, pairs.size() + 225 + 1);
  EXPECT_EQ(Count(lenet).unknowns, 5851u);
  EXPECT_EQ(Count(lenet).images, 366u);
  EXPECT_EQ(Count(lenet).inner_images, 366u);
}

TEST(Extraction, TellsBordersFromTheInside) {
  // Two 3x3 layers on three channels without padding see a 5x5 patch. Ordered pairs of places at most 2 rows and
  // columns apart: (5 + 2*4 + 2*3)^2 = 361 a pair of channels; unordered (9*361 + 75)/2, then 75 linear and 1 constant.
  SegmentSpec bare = VggSpec();
  bare.pads1 = bare.pads2 = {};
  bare.groups[0].map = {28, 28};
  EXPECT_EQ(Count(bare).unknowns, 1662u + 75 + 1);
  EXPECT_EQ(Count(bare).images, 3u);  // 28*28 equations each
  // With padding the outer rows and columns see fewer taps. Of products that is another sum only where both places lie
  // on the row through the middle, which all three rows of taps see inside: 3 independent sums instead of 1, so
  // (19 + 2)^2 pairs, (5 + 2)^2 places and 3*3 constants. Only a corner tells its own: of three places in one column,
  // 6 products, 3 linear and 1 constant, with one equation an image.
  const ExtractionCount padded = Count(VggSpec());
  EXPECT_EQ(padded.unknowns, (9 * 21 * 21 + 3 * 49) / 2 + 3 * 49 + 9u);
  EXPECT_EQ(padded.images, 10u);
  EXPECT_EQ(padded.inner_unknowns, 1738u);
  EXPECT_EQ(padded.inner_positions, 900u);
  EXPECT_EQ(padded.inner_images, 2u);
  // A square that a shortcut reads has (K + 1)(K + 2)/2 coefficients everywhere.
  EXPECT_EQ(Count(ResNetSpec(), 1).unknowns, 406u);
  EXPECT_EQ(Count(ResNetSpec(), 1).images, 1u);
}

TEST(Extraction, CountsLinearSegments) {
  SegmentSpec connected;
  connected.kind = SegmentKind::kLinear;
  connected.channels = 256;
  connected.groups = {{7, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  EXPECT_EQ(Count(connected).unknowns, 257u);
  EXPECT_EQ(Count(connected).images, 257u);
  // Borders see fewer of the same weights.
  SegmentSpec convolution = connected;
  convolution.channels = 64;
  convolution.input = {8, 8};
  convolution.pads1 = {1, 1, 1, 1};
  convolution.groups = {{1, {3, 3}, {1, 1}, {0, 0}, {8, 8}}};
  EXPECT_EQ(Count(convolution).unknowns, 577u);
  EXPECT_EQ(Count(convolution).images, 10u);
  // Corner weights of a 2x2 map that is read whole are seen from one position only.
  convolution.input = {2, 2};
  convolution.groups[0].map = {2, 2};
  EXPECT_EQ(Count(convolution).unknowns, 577u);
  EXPECT_EQ(Count(convolution).images, 145u);
}

TEST(Extraction, TheInsideTakesNoMoreThanEverything) {
  // LeNet-5's first layer in front of 7x7 taps: of 36 positions 9 see no padding, and they alone tell their sums later
  // than all positions tell everything.
  SegmentSpec s = LeNetSpec();
  s.pads2 = {3, 3, 3, 3};
  s.groups = {{1, {7, 7}, {2, 2}, {0, 0}, {6, 6}}};
  const ExtractionCount padded = Count(s);
  EXPECT_EQ(padded.inner_unknowns, 7755u);  // 862 images of 9 equations each
  EXPECT_EQ(padded.inner_positions, 9u);
  EXPECT_EQ(padded.images, 333u);
  EXPECT_EQ(padded.inner_images, 333u);
}

TEST(Extraction, CountsWhatOnlySomePositionsSeeWithTheBias) {
  // Positions that see no tap at all tell the bias by itself.
  SegmentSpec s;
  s.input = {3, 3};
  s.kernel1 = {1, 1};
  s.groups = {{1, {1, 1}, {1, 1}, {0, 0}, {3, 3}}};
  EXPECT_EQ(Count(s).unknowns, 3u);  // z^2, z, 1
  s.pads2 = {1, 1, 1, 1};
  s.groups[0].map = {5, 5};
  EXPECT_EQ(Count(s).unknowns, 4u);
  EXPECT_EQ(Count(s).images, 1u);
}

TEST(Extraction, LargeKernelsAreCountedQuickly) {
  SegmentSpec s;
  s.channels = 2;
  s.input = {100, 100};
  s.kernel1 = {32, 32};
  s.groups = {{1, {69, 69}, {1, 1}, {0, 0}, {1, 1}}};
  const ExtractionCount count = Count(s);
  EXPECT_EQ(count.unknowns, uint64_t{2049} * 2050 / 2 * 69 * 69 + 1);
  EXPECT_EQ(count.images, count.unknowns);
}

}  // namespace
}  // namespace privdnn
