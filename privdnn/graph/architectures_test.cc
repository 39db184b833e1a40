#include "privdnn/graph/architectures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Shape = std::vector<int64_t>;

// Elements of all initializers but the running statistics of batch normalisations.
int64_t TrainedParameters(const Graph& graph) {
  int64_t count = graph.ParameterCount();
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<op::BatchNormalization>(node.op)) {
      count -= graph.initializers.at(node.inputs[3]).size() + graph.initializers.at(node.inputs[4]).size();
    }
  }
  return count;
}

struct Published {
  const char* name;
  Shape input;
  std::map<std::string, Shape> values;  // of a batch of 2
  int64_t trained_parameters;
};

class Architectures : public testing::TestWithParam<Published> {};

TEST_P(Architectures, HaveThePublishedShapes) {
  const Published& expected = GetParam();
  const Graph g = BuildArchitecture(expected.name, 1).value();
  EXPECT_EQ(g.name, expected.name);
  const auto shapes = InferShapes(g, 2);
  ASSERT_TRUE(shapes.ok()) << shapes.status();
  EXPECT_EQ(g.inputs[0].name, "image");
  EXPECT_EQ(g.inputs[0].shape, expected.input);
  ASSERT_EQ(g.outputs.size(), 1u);
  EXPECT_EQ(g.outputs[0].name, "logits");
  for (const auto& [value, shape] : expected.values) EXPECT_EQ(shapes->at(value), shape) << value;
  EXPECT_EQ(TrainedParameters(g), expected.trained_parameters);
}

constexpr int64_t Conv3x3(int64_t in, int64_t out) { return 9 * in * out + out; }
constexpr int64_t Normalised3x3(int64_t in, int64_t out) { return Conv3x3(in, out) + 2 * out; }
constexpr int64_t Linear(int64_t in, int64_t out) { return (in + 1) * out; }
// Two basic blocks, the first of which has a projection. No biases; 2 numbers a channel in each normalisation.
constexpr int64_t Stage(int64_t in, int64_t out) { return 9 * in * out + 3 * 9 * out * out + in * out + 5 * 2 * out; }

INSTANTIATE_TEST_SUITE_P(
    All, Architectures,
    testing::Values(Published{"lenet5-mnist",
                              {-1, 1, 28, 28},
                              {{"conv1.out", {2, 6, 24, 24}},
                               {"conv2.out", {2, 16, 8, 8}},
                               {"flatten.out", {2, 256}},
                               {"logits", {2, 10}}},
                              6 * 26 + 16 * 151 + Linear(256, 120) + Linear(120, 84) + Linear(84, 10)},
                    Published{"lenet5-emnist",
                              {-1, 1, 28, 28},
                              {{"conv1.out", {2, 10, 24, 24}},
                               {"conv2.out", {2, 20, 8, 8}},
                               {"flatten.out", {2, 320}},
                               {"logits", {2, 26}}},
                              10 * 26 + 20 * 251 + Linear(320, 120) + Linear(120, 84) + Linear(84, 26)},
                    Published{"alexnet-gtsrb",
                              {-1, 3, 32, 32},
                              {{"conv1.out", {2, 96, 30, 30}},
                               {"square1.out", {2, 96, 15, 15}},
                               {"conv2.out", {2, 256, 15, 15}},
                               {"conv3.out", {2, 384, 7, 7}},
                               {"pool5.out", {2, 256, 3, 3}},
                               {"flatten.out", {2, 2304}},
                               {"logits", {2, 43}}},
                              96 * 76 + Normalised3x3(96, 256) + Conv3x3(256, 384) + Conv3x3(384, 384) +
                                  Conv3x3(384, 256) + Linear(2304, 512) + Linear(512, 128) + Linear(128, 43)},
                    Published{"vgg16-cifar10",
                              {-1, 3, 32, 32},
                              {{"square1.out", {2, 64, 32, 32}},
                               {"pool2.out", {2, 64, 16, 16}},
                               {"pool4.out", {2, 128, 8, 8}},
                               {"pool7.out", {2, 256, 4, 4}},
                               {"pool10.out", {2, 512, 2, 2}},
                               {"flatten.out", {2, 512}},
                               {"logits", {2, 10}}},
                              Conv3x3(3, 64) + Normalised3x3(64, 64) + Normalised3x3(64, 128) +
                                  Normalised3x3(128, 128) + Normalised3x3(128, 256) + 2 * Normalised3x3(256, 256) +
                                  Normalised3x3(256, 512) + 5 * Normalised3x3(512, 512) + 2 * Linear(512, 512) +
                                  Linear(512, 10)},
                    Published{"resnet18-tinyimagenet",
                              {-1, 3, 64, 64},
                              {{"square1.out", {2, 64, 64, 64}},
                               {"block1a.shortcut.out", {2, 64, 64, 64}},
                               {"block1b.relu2.out", {2, 64, 64, 64}},
                               {"block2b.relu2.out", {2, 128, 32, 32}},
                               {"block3b.relu2.out", {2, 256, 16, 16}},
                               {"block4b.relu2.out", {2, 512, 8, 8}},
                               {"flatten.out", {2, 2048}},
                               {"logits", {2, 200}}},
                              27 * 64 + 2 * 64 + Stage(64, 64) + Stage(64, 128) + Stage(128, 256) + Stage(256, 512) +
                                  Linear(2048, 200)}),
    [](const testing::TestParamInfo<Published>& test) {
      std::string name = test.param.name;
      std::ranges::replace(name, '-', '_');
      return name;
    });

TEST(BuildArchitecture, TakesAnotherNumberOfClasses) {
  for (const std::string& name : ArchitectureNames()) {
    const Graph g = BuildArchitecture(name, 1, 13).value();
    ASSERT_TRUE(InferShapes(g).ok()) << name;
    EXPECT_EQ(g.outputs[0].shape, (Shape{-1, 13})) << name;
    for (const int64_t classes : {int64_t{-1}, int64_t{1}, int64_t{1} << 40}) {
      EXPECT_THAT(Message(BuildArchitecture(name, 1, classes).status()), HasSubstr("classes")) << name;
    }
  }
}

TEST(BuildArchitecture, Lenet5HasKaimingUniformWeightsThatDependOnTheSeed) {
  const Graph a = BuildArchitecture("lenet5-mnist", 1).value();
  EXPECT_EQ(a, BuildArchitecture("lenet5-mnist", 1).value());
  EXPECT_NE(a, BuildArchitecture("lenet5-mnist", 2).value());
  const Tensor& w = a.initializers.at("fc1.weight");
  double sum = 0, squares = 0, largest = 0;
  for (const float v : w.values) {
    sum += v;
    squares += double{v} * v;
    largest = std::max(largest, std::abs(double{v}));
  }
  const double bound = 1.0 / 16, count = static_cast<double>(w.size());
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.999 * bound);
  EXPECT_NEAR(sum / count, 0, 5 * bound / std::sqrt(3 * count));
  EXPECT_NEAR(squares / count, bound * bound / 3, 0.02 * bound * bound);
}

TEST(BuildArchitecture, NamesWhatItKnows) {
  const auto graph = BuildArchitecture("lenet6", 1);
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(graph.status()), AllOf(HasSubstr("lenet6"), HasSubstr("lenet5-mnist")));
}

}  // namespace
}  // namespace privdnn
