#include "privdnn/lifting/range.h"

#include <gtest/gtest.h>

namespace privdnn {
namespace {

LiftOptions With(double min, double max) {
  return WithMeasuredRange({.input_bits = 7, .kernel_bits = 9, .input_min = -3, .input_max = 5}, {min, max});
}

TEST(MeasuredRange, IsWidenedByAQuarterOnBothSides) {
  EXPECT_EQ(With(-2, 4).input_min, -2.5);
  EXPECT_EQ(With(-2, 4).input_max, 5);
  EXPECT_EQ(With(-2, 4).input_bits, 7u);
  EXPECT_EQ(With(-2, 4).kernel_bits, 9u);
}

TEST(MeasuredRange, HoldsZero) {
  EXPECT_EQ(With(2, 4).input_min, 0);
  EXPECT_EQ(With(2, 4).input_max, 5);
  EXPECT_EQ(With(-4, -2).input_min, -5);
  EXPECT_EQ(With(-4, -2).input_max, 0);
}

TEST(MeasuredRange, IsNeverEmpty) {
  EXPECT_EQ(With(0, 0).input_min, 0);
  EXPECT_EQ(With(0, 0).input_max, 1);
}

}  // namespace
}  // namespace privdnn
