#include "privdnn/graph/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/graph/architectures.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

// Convolutions with and without bias and with groups, products of every form, a BatchNormalization that must stay (its
// input is read twice) and one that follows another.
Graph ManyNormalizations() {
  Graph g;
  g.name = "normalizations";
  g.inputs = {{"x", {-1, 4, 7, 6}}};
  g.outputs = {{"y", {-1, 3}}, {"plain", {-1, 4, 7, 6}}};
  int salt = 0;
  auto& init = g.initializers;
  const auto norm = [&](const std::string& name, int64_t channels, const std::string& in, const std::string& out) {
    for (const char* part : {".s", ".b", ".m"}) init[name + part] = PatternTensor({channels}, ++salt);
    init[name + ".v"] = PatternTensor({channels}, ++salt);
    for (float& v : init[name + ".v"].values) v = 0.1f + v * v;
    g.nodes.push_back(
        {name, op::BatchNormalization{1e-3f}, {in, name + ".s", name + ".b", name + ".m", name + ".v"}, out});
  };
  const op::Conv grouped{{{3, 3}, {1, 1}, {1, 1, 1, 1}}, 2};
  init["w"] = PatternTensor({4, 2, 3, 3}, 50);
  init["w.folded"] = PatternTensor({4}, 51);  // a name that folding would like to use
  g.nodes.push_back({"conv1", grouped, {"x", "w", "w.folded"}, "c1"});
  norm("bn1", 4, "c1", "n1");
  g.nodes.push_back({"relu", op::Relu{}, {"n1"}, "r1"});
  g.nodes.push_back({"conv2", grouped, {"r1", "w"}, "c2"});  // the same weights
  norm("bn2", 4, "c2", "n2");
  norm("bn3", 4, "n2", "n3");
  g.nodes.push_back({"conv3", grouped, {"n3", "w"}, "plain"});  // a graph output
  norm("bn4", 4, "plain", "n4");
  g.nodes.push_back({"flatten", op::Flatten{}, {"n4"}, "f"});
  op::Gemm first;
  first.alpha = 0.1f;
  first.beta = -2;
  init["g1"] = PatternTensor({168, 5}, 52);
  init["g1.c"] = {{}, {0.5f}};
  g.nodes.push_back({"gemm1", first, {"f", "g1", "g1.c"}, "p1"});
  norm("bn5", 5, "p1", "n5");
  op::Gemm second;
  second.trans_b = true;
  init["g2"] = PatternTensor({3, 5}, 53);
  g.nodes.push_back({"gemm2", second, {"n5", "g2"}, "p2"});
  norm("bn6", 3, "p2", "y");
  return g;
}

void ExpectSameOutputs(const Graph& a, const Graph& b, const Tensor& x) {
  const auto expected = Executor::Create(a)->Run({{a.inputs[0].name, x}});
  const auto actual = Executor::Create(b)->Run({{a.inputs[0].name, x}});
  ASSERT_TRUE(expected.ok() && actual.ok()) << actual.status();
  ASSERT_EQ(expected->size(), actual->size());
  for (const auto& [name, tensor] : *expected) {
    ASSERT_EQ(actual->at(name).shape, tensor.shape);
    double largest = 0;
    for (const float v : tensor.values) largest = std::max(largest, std::abs(double{v}));
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      ASSERT_NEAR(actual->at(name).values[i], tensor.values[i], 1e-4 * largest) << name << " " << i;
    }
  }
}

TEST(FoldBatchNormalization, KeepsOutputs) {
  const Graph graph = ManyNormalizations();
  const auto folded = FoldBatchNormalization(graph);
  ASSERT_TRUE(folded.ok()) << folded.status();
  ASSERT_TRUE(InferShapes(*folded).ok()) << InferShapes(*folded).status();
  ExpectSameOutputs(graph, *folded, PatternTensor({3, 4, 7, 6}, 9));
  std::vector<std::string> names;
  for (const Node& node : folded->nodes) names.push_back(node.name);
  EXPECT_THAT(names, testing::ElementsAre("conv1", "relu", "conv2", "conv3", "bn4", "flatten", "gemm1", "gemm2"));
  for (const auto& [name, tensor] : folded->initializers) EXPECT_FALSE(folded->Consumers(name).empty()) << name;
}

TEST(FoldBatchNormalization, LeavesOtherGraphsAlone) {
  const Graph lenet = BuildArchitecture("lenet5-mnist", 1).value();
  EXPECT_EQ(FoldBatchNormalization(lenet).value(), lenet);
  Graph alone =
      SingleNodeGraph({4}, op::BatchNormalization{},
                      {{"s", PatternTensor({4}, 1)}, {"b", PatternTensor({4}, 2)}, {"v", {{4}, {1, 2, 3, 4}}}},
                      {"x", "s", "b", "b", "v"}, {4});
  EXPECT_EQ(FoldBatchNormalization(alone).value(), alone);
  alone.outputs[0].name = "z";
  EXPECT_FALSE(FoldBatchNormalization(alone).ok());
}

TEST(FoldBatchNormalization, FoldsEveryOneOfTheArchitectures) {
  const Graph graph = BuildArchitecture("resnet18-tinyimagenet", 1).value();
  const auto folded = FoldBatchNormalization(graph);
  ASSERT_TRUE(folded.ok()) << folded.status();
  for (const Node& node : folded->nodes)
    EXPECT_FALSE(std::holds_alternative<op::BatchNormalization>(node.op)) << node.name;
  EXPECT_LT(folded->nodes.size(), graph.nodes.size());
  std::vector<int64_t> shape = graph.inputs[0].shape;
  shape[0] = 1;
  ExpectSameOutputs(graph, *folded, PatternTensor(shape, 9));
}

}  // namespace
}  // namespace privdnn
