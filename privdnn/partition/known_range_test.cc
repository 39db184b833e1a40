#include "privdnn/partition/known_range.h"

#include <gtest/gtest.h>

#include "privdnn/testing/graphs.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

std::optional<KnownRange> RangeBehind(const NetworkBuilder& builder, const KnownRange& input = {0, 1}) {
  Graph graph = builder.graph;
  graph.outputs = graph.inputs;  // any valid output does
  return FindKnownRange(graph, *InferShapes(graph), builder.at, input);
}

TEST(KnownRange, FollowsConstantsChannelByChannel) {
  NetworkBuilder builder({2, 4, 4}, 1);
  EXPECT_EQ(RangeBehind(builder)->max, 1);
  builder.Append(op::Sub{}, {Tensor{{2, 1, 1}, {0.5f, 0.25f}}});
  builder.Append(op::Div{}, {Tensor{{2, 1, 1}, {0.25f, 0.5f}}});
  const auto range = RangeBehind(builder);
  ASSERT_TRUE(range);
  // Channel 0: -2 to 2. Channel 1: -0.5 to 1.5.
  EXPECT_EQ(range->min, -2);
  EXPECT_EQ(range->max, 2);
  builder.Append(op::Relu{});
  EXPECT_EQ(RangeBehind(builder)->min, 0);
  builder.Append(op::Pad{{0, 0, 1, 1, 0, 0, 1, 1}, -3});
  EXPECT_EQ(RangeBehind(builder)->min, -3);
  builder.Append(op::Square{});
  EXPECT_EQ(RangeBehind(builder)->min, 0);
  EXPECT_EQ(RangeBehind(builder)->max, 9);
}

TEST(KnownRange, AWeightThatTurnsTheSignTurnsTheBounds) {
  NetworkBuilder builder({2, 4, 4}, 1);
  builder.Append(op::Mul{}, {Tensor{{2, 1, 1}, {-3, 2}}});
  const auto range = RangeBehind(builder, {-1, 4});
  EXPECT_EQ(range->min, -12);
  EXPECT_EQ(range->max, 8);
}

TEST(KnownRange, EndsAtLayersAndWhereTwoValuesMeet) {
  NetworkBuilder builder({1, 6, 6}, 1);
  builder.Conv(3, {.kernel = {3, 3}});
  EXPECT_FALSE(RangeBehind(builder));
  NetworkBuilder sum({1, 6, 6}, 1);
  const std::string before = sum.at;
  sum.Append(op::Relu{});
  sum.Append(op::Add{}, {}, {before});
  EXPECT_FALSE(RangeBehind(sum));
}

}  // namespace
}  // namespace privdnn
