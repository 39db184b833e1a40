#include "privdnn/attack/trainable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/graph/output_kind.h"
#include "privdnn/testing/networks.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

std::vector<float> Evaluate(const Graph& graph, Tensor x) {
  return Executor::Create(graph)->Run({{graph.inputs[0].name, std::move(x)}})->at(graph.outputs[0].name).values;
}

// A network of a row of 12 numbers.
NetworkBuilder Rows(int64_t outputs) {
  NetworkBuilder builder({12}, 7);
  builder.Gemm(5);
  builder.Append(op::Relu{});
  builder.Gemm(outputs);
  return builder;
}

TEST(Trainable, ReadsPicturesAndGivesLogits) {
  NetworkBuilder builder = Rows(3);
  const Graph logits = builder.Finish();
  builder.Append(op::Softmax{1});
  const Graph trainable = *Trainable(builder.Finish(), {1, 3, 4});
  EXPECT_EQ(trainable.inputs[0].shape, (std::vector<int64_t>{-1, 1, 3, 4}));
  const Tensor x = builder.Random({2, 1, 3, 4}, 0, 1);
  EXPECT_EQ(Evaluate(trainable, x), Evaluate(logits, {{2, 12}, x.values}));
  // Nothing is to be done.
  EXPECT_EQ(Trainable(logits, {12})->nodes.size(), logits.nodes.size());
}

// Global average pools leave maps of one pixel, which are made rows behind the Softmax.
TEST(Trainable, FindsASoftmaxInFrontOfAChangeOfShape) {
  NetworkBuilder builder({2, 4, 4}, 7);
  builder.Conv(3, {{4, 4}, {1, 1}, {}});
  const Graph logits = builder.Finish();
  builder.Append(op::Softmax{1});
  const Graph trainable = *Trainable(*WithScores(builder.Finish(), OutputKind::kClasses), {2, 4, 4});
  const Tensor x = builder.Random({2, 2, 4, 4}, 0, 1);
  EXPECT_EQ(Evaluate(trainable, x), Evaluate(logits, x));
  EXPECT_EQ(trainable.outputs[0].shape.size(), 2u);
}

TEST(Trainable, ABinaryOutputMayLoseItsColumn) {
  NetworkBuilder builder = Rows(1);
  const Graph logit = builder.Finish();
  builder.Append(op::Sigmoid{});
  builder.Append(op::Reshape{{-1}});
  const Graph trainable = *Trainable(*WithScores(builder.Finish(), OutputKind::kBinary), {12});
  const Tensor x = builder.Random({2, 12}, 0, 1);
  const auto z = Evaluate(logit, x), two = Evaluate(trainable, x);
  ASSERT_EQ(two.size(), 4u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(two[2 * i + 1], z[i]);
}

TEST(Trainable, ABinaryOutputsLogitStandsBesideZero) {
  NetworkBuilder builder = Rows(1);
  const Graph logit = builder.Finish();
  const Graph classes = *WithScores(logit, OutputKind::kBinary);
  const Graph trainable = *Trainable(classes, {12});
  const Tensor x = builder.Random({2, 12}, 0, 1);
  const auto z = Evaluate(logit, x), two = Evaluate(trainable, x), p = Evaluate(classes, x);
  ASSERT_EQ(two.size(), 4u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(two[2 * i], 0);
    EXPECT_EQ(two[2 * i + 1], z[i]);
    EXPECT_NEAR(p[2 * i + 1], 1 / (1 + std::exp(-z[i])), 1e-6);
  }
  EXPECT_EQ(FindLayers(trainable).size(), FindLayers(classes).size());
}

TEST(Trainable, RefusesPicturesOfAnotherSize) {
  EXPECT_THAT(Message(Trainable(Rows(3).Finish(), {1, 2, 4}).status()),
              HasSubstr("images are 1x2x4, the network reads 12"));
}

}  // namespace
}  // namespace privdnn
