// Shapes of segments: rings, tiles, positions, the written form, and what is refused.
#include "privdnn/segment/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/segment/test_specs.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

TEST(Geometry, LeNet) {
  const auto g = *Geometry::Create(LeNetSpec(), 4096);
  EXPECT_EQ(g.window(), 25u);
  EXPECT_EQ(g.features(), 351u);
  EXPECT_EQ(g.grid(), (Size2{12, 12}));
  EXPECT_EQ(g.channels_per_poly(), 28u);
  EXPECT_EQ(g.terms(), 13u);
  EXPECT_EQ(g.positions(g.unit(0, 1), 0).size(), 16u);
  EXPECT_EQ(g.z_map(), (Size2{27, 27}));
}

TEST(Geometry, Vgg16AndAlexNet) {
  const SegmentSpec vgg = VggSpec();
  auto g = *Geometry::Create(vgg, 4096);
  EXPECT_EQ(g.features(), 406u);
  EXPECT_EQ(g.grid(), (Size2{34, 34}));
  EXPECT_EQ(g.terms(), 136u);
  SegmentSpec alex = vgg;
  alex.kernel1 = {5, 5};
  alex.pool1 = alex.pool1_stride = {2, 2};
  alex.groups = {{128, {3, 3}, {1, 1}, {0, 0}, {15, 15}}};
  g = *Geometry::Create(alex, 4096);
  EXPECT_EQ(g.features(), 2926u);
  EXPECT_EQ(g.grid(), (Size2{17, 17}));
  EXPECT_EQ(g.terms(), 209u);
}

TEST(Geometry, TilesOverlapByTheHalo) {
  SegmentSpec s = ResNetSpec();
  EXPECT_THAT(Message(Geometry::Create(s, 4096).status()), HasSubstr("66x66 positions (padding included) are more"));
  s.tiles = {2, 2};
  auto g = *Geometry::Create(s, 4096);
  EXPECT_EQ(g.tile_step(), (Size2{32, 32}));
  EXPECT_EQ(g.tile_map(), (Size2{34, 34}));
  EXPECT_EQ(g.terms(), 136u);
  EXPECT_EQ(g.units(3), 12u);
  EXPECT_EQ(g.unit(5, 3).first_image, 1u);
  EXPECT_EQ(g.unit(5, 3).tile, 1u);
  // 5 rows of tiles: 13 rows each, 12 in the last.
  s.tiles = {5, 1};
  g = *Geometry::Create(s, 4096);
  EXPECT_EQ(g.positions(g.unit(3, 1), 0).size(), 13u * 64);
  EXPECT_EQ(g.positions(g.unit(4, 1), 0).size(), 12u * 64);
  // Steps of one row more leave the last tile with nothing.
  s.tiles = {33, 1};
  EXPECT_THAT(Message(Geometry::Create(s, 4096).status()), HasSubstr("in steps of 2 make 32 tiles, not 33"));
}

TEST(Geometry, ImagesShareACiphertext) {
  SegmentSpec s = LeNetSpec();
  s.images_per_ciphertext = 28;
  const auto g = *Geometry::Create(s, 4096);
  EXPECT_EQ(g.channels_per_poly(), 1u);
  EXPECT_EQ(g.terms(), 351u);
  EXPECT_EQ(g.units(28), 1u);
  EXPECT_EQ(g.units(29), 2u);
  EXPECT_EQ(g.unit(1, 30).images, 2u);
  EXPECT_EQ(g.positions(g.unit(1, 30), 0).size(), 2u * 16);
  s.images_per_ciphertext = 29;
  EXPECT_THAT(Message(Geometry::Create(s, 4096).status()), HasSubstr("29 map(s) of 12x12"));
  s.tiles = {2, 1};
  EXPECT_THAT(Message(Geometry::Create(s, 4096).status()), HasSubstr("29 images a ciphertext and 2 tiles"));
}

TEST(Geometry, RefusesWhatDoesNotFitWithTheNumbers) {
  const auto message = [](auto change, size_t n = 4096) {
    SegmentSpec s = LeNetSpec();
    change(s);
    return Message(Geometry::Create(s, n).status());
  };
  EXPECT_THAT(message([](auto& s) { s.input = {4, 28}; }), HasSubstr("conv1 of 5x5 does not fit its 4x28 input"));
  EXPECT_THAT(message([](auto& s) { s.groups[0].map = {5, 4}; }), HasSubstr("outputs of 5x4 read 14x12 positions"));
  EXPECT_THAT(message([](auto& s) { s.groups[0].kernel = {13, 1}; }), HasSubstr("of a 12x12 grid"));
  EXPECT_THAT(message([](auto& s) { s.groups.clear(); }), HasSubstr("number of output groups is 0"));
  EXPECT_THAT(message([](auto& s) { s.groups[0].outputs = 0; }), HasSubstr("outputs is 0"));
  EXPECT_THAT(message([](auto& s) { s.kind = SegmentKind::kLinear; }), HasSubstr("a linear segment has no layer"));
  EXPECT_THAT(message([](auto& s) {
                s.input = {300, 300};
                s.groups[0].map = {72, 72};
              }),
              HasSubstr("more than N = 4096"));
  EXPECT_THAT(message([](auto& s) { s.input_bits = 16; }), HasSubstr("input_bits is 16, must be 2 to 15"));
  EXPECT_THAT(message([](auto& s) { s.channels = 0; }), HasSubstr("channels is 0"));
  EXPECT_THAT(message([](auto& s) { s.channels = 100; }), HasSubstr("reads 2500 values"));
  for (const double scale : {0.0, -1.0, 1e-310, 1e31, std::nan("")}) {
    EXPECT_THAT(message([&](auto& s) { s.input_scale = scale; }), HasSubstr("input_scale is"));
  }
  EXPECT_THAT(message([](auto& s) { s.zero_point = 128; }), HasSubstr("zero_point is 128"));
  // Padding and pools that fit, but only just: a package must not make its user fill in gigabytes.
  EXPECT_THAT(message([](auto& s) {
                s.input = {1, 1};
                s.pads1 = {16000, 16000, 16000, 16000};
                s.stride1 = {600, 600};
                s.pool1 = s.pool1_stride = {1, 1};
                s.groups[0].map = {1, 1};
              }),
              HasSubstr("padded input of"));
  EXPECT_THAT(message([](auto& s) {
                s.input = {4096, 4096};
                s.pool1 = {4000, 4000};
              }),
              HasSubstr("averaging"));
}

// Features that don't fit memory, behind padding that costs nothing to state.
TEST(Geometry, RefusesMoreFeaturesThanAUserCanHold) {
  SegmentSpec s;
  s.input = {28, 28};
  s.pads1 = {4082, 4082, 4082, 4082};
  s.kernel1 = {10, 10};
  s.groups = {{1, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  EXPECT_THAT(Message(Geometry::Create(s, 8192).status()),
              HasSubstr("reads 100 values at each of 8183x8183 positions"));
}

TEST(Geometry, PairsAreNumberedRowByRow) {
  SegmentSpec s;
  s.channels = 13;
  s.groups = {{1, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  const auto g = *Geometry::Create(s, 2048);
  uint32_t d = 0;
  for (uint32_t i = 0; i < 13; ++i) {
    for (uint32_t j = i; j < 13; ++j) EXPECT_EQ(g.pair(d++), (std::pair{i, j}));
  }
  EXPECT_EQ(d, g.products());
}

TEST(Geometry, SpecRoundTripsAndEveryTruncationIsAnError) {
  ByteWriter w;
  WriteSpec(ResNetSpec(), w);
  ByteReader r(w.view(), "t");
  EXPECT_EQ(*ReadSpec(r), ResNetSpec());
  EXPECT_TRUE(r.Finish().ok());
  for (size_t size = 0; size < w.size(); ++size) {
    ByteReader cut(w.view().first(size), "t");
    EXPECT_FALSE(ReadSpec(cut).ok()) << size;
  }
}

}  // namespace
}  // namespace privdnn
