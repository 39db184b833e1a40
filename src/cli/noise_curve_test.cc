#include "cli/noise_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace privdnn::cli {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;

absl::Status Below10(double level) { return level < 10 ? absl::OkStatus() : InvalidArgument("{} is too much", level); }

TEST(ResolveShares, AreOfTheSegmentWithTheLeastDeviation) {
  NoiseSettings noise{.levels = {1}, .shares = {0, 0.5, 2}};
  const auto left_out = ResolveShares({8, 4}, Below10, noise);
  ASSERT_TRUE(left_out.ok()) << left_out.status();
  EXPECT_THAT(*left_out, IsEmpty());
  EXPECT_THAT(noise.levels, ElementsAre(1, 0, DoubleEq(2), DoubleEq(8)));
  EXPECT_THAT(noise.shares, IsEmpty());
}

TEST(ResolveShares, WhatThereIsNoRoomForIsLeftOut) {
  NoiseSettings noise{.levels = {}, .shares = {1, 3}};
  const auto left_out = ResolveShares({4}, Below10, noise);
  ASSERT_TRUE(left_out.ok()) << left_out.status();
  EXPECT_THAT(noise.levels, ElementsAre(DoubleEq(4)));
  ASSERT_EQ(left_out->size(), 1u);
  EXPECT_DOUBLE_EQ(left_out->at(0).output_noise, 12);
  EXPECT_EQ(left_out->at(0).reason, "12 is too much");
}

TEST(ResolveShares, OutputsThatNeverVaryHaveNone) {
  NoiseSettings noise{.levels = {}, .shares = {0, 1}};
  EXPECT_FALSE(ResolveShares({3, 0}, Below10, noise).ok());
  NoiseSettings none{.levels = {}, .shares = {0}};
  EXPECT_TRUE(ResolveShares({3, 0}, Below10, none).ok());
}

}  // namespace
}  // namespace privdnn::cli
