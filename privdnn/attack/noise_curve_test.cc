#include "privdnn/attack/noise_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace privdnn {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;

absl::Status Below10(double level) { return level < 10 ? absl::OkStatus() : InvalidArgument("{} is too much", level); }

TEST(ResolveShares, AreOfTheSegmentWithTheLeastDeviation) {
  NoiseSettings noise{.levels = {1}, .shares = {0, 0.5, 2}};
  const auto left_out = ResolveShares({8, 4}, Below10, noise);
  EXPECT_THAT(left_out, IsEmpty());
  EXPECT_THAT(noise.levels, ElementsAre(1, 0, DoubleEq(2), DoubleEq(8)));
  EXPECT_THAT(noise.shares, IsEmpty());
}

TEST(ResolveShares, WhatThereIsNoRoomForIsLeftOut) {
  NoiseSettings noise{.levels = {}, .shares = {1, 3}};
  const auto left_out = ResolveShares({4}, Below10, noise);
  EXPECT_THAT(noise.levels, ElementsAre(DoubleEq(4)));
  ASSERT_EQ(left_out.size(), 1u);
  EXPECT_DOUBLE_EQ(left_out.at(0).output_noise, 12);
  EXPECT_EQ(left_out.at(0).reason, "12 is too much");
}

TEST(ResolveShares, OutputsThatNeverVaryDontCount) {
  NoiseSettings noise{.levels = {}, .shares = {0, 2}};
  EXPECT_THAT(ResolveShares({0, 3, 4, 0}, Below10, noise), IsEmpty());
  EXPECT_THAT(noise.levels, ElementsAre(0, DoubleEq(6)));
  NoiseSettings none{.levels = {}, .shares = {0, 1}};
  const auto left_out = ResolveShares({0, 0}, Below10, none);
  EXPECT_THAT(none.levels, ElementsAre(0));
  ASSERT_EQ(left_out.size(), 1u);
  EXPECT_EQ(left_out[0].output_noise, 0);
  EXPECT_EQ(left_out[0].reason, "outputs never vary, so they have no 1 of a deviation");
}

}  // namespace
}  // namespace privdnn
