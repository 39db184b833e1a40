#include "privdnn/selection/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "privdnn/base/file.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/selection/pruning.h"
#include "privdnn/selection/test_images.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

Graph LeNet() { return *BuildArchitecture("lenet5-mnist", 3); }

// Ascending.
std::vector<int64_t> LargestNorm(const Graph& graph, int64_t layer, int64_t count) {
  auto neurons = *RankNeurons(graph, layer, PruningCriterion::kNorm, {}, count,
                              [](uint64_t, uint64_t, const std::string&) { return true; });
  neurons.resize(static_cast<size_t>(count));
  std::sort(neurons.begin(), neurons.end());
  return neurons;
}

TEST(LargestNorm, TakesTheLargestAndOfEqualsTheFirst) {
  Graph graph = LeNet();
  Tensor& w1 = graph.initializers.at("conv1.weight");
  Tensor& w2 = graph.initializers.at("conv2.weight");
  for (size_t i = 0; i < w1.values.size(); ++i) w1.values[i] = i / 25 == 4 ? -3.0f : i / 25 == 2 ? 2.0f : 1.0f;
  for (size_t i = 0; i < w2.values.size(); ++i) w2.values[i] = i / 150 == 15 ? 5.0f : 1.0f;
  EXPECT_EQ(LargestNorm(graph, 1, 3), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(LargestNorm(graph, 2, 2), (std::vector<int64_t>{0, 15}));
  EXPECT_EQ(LargestNorm(graph, 2, 1), std::vector<int64_t>{15});
}

// A Gemm's weights have a neuron in each row or in each column.
TEST(LargestNorm, FindsTheNeuronsOfEveryLayer) {
  for (const bool trans_b : {false, true}) {
    Graph graph;
    graph.inputs = {{"x", {-1, 2}}};
    graph.outputs = {{"y", {-1, 3}}};
    op::Gemm gemm;
    gemm.trans_b = trans_b;
    const std::vector<int64_t> shape = trans_b ? std::vector<int64_t>{3, 2} : std::vector<int64_t>{2, 3};
    graph.initializers["w1"] = {
        shape, trans_b ? std::vector<float>{1, 1, 0, 3, -2, 1} : std::vector<float>{1, 0, -2, 1, 3, 1}};
    graph.initializers["w2"] = {{3, 3}, {0, 1, -5, 0, 0, 1, 0, 1, 1}};
    graph.nodes = {{"first", gemm, {"x", "w1"}, "a"},
                   {"square", op::Square{}, {"a"}, "b"},
                   {"second", op::MatMul{}, {"b", "w2"}, "y"}};
    EXPECT_EQ(LargestNorm(graph, 1, 2), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(LargestNorm(graph, 2, 1), std::vector<int64_t>{2});
  }
}

TEST(EvaluateSelection, TellsTheThreeNetworksApart) {
  const Graph graph = LeNet();
  const Selection selection{{{1, {1, 4}}, {2, {2, 3, 15}}, {3, {1, 2, 3, 4}}}};
  const auto segments = *FindSegments(graph, selection);
  ImageSet images = RandomImages(300);
  const auto predict = [&](const Graph& network, std::map<std::string, Tensor> inputs) {
    inputs[graph.inputs[0].name] = images.Batch(0, 300);
    return Argmax(Executor::Create(network)->Run(inputs)->at(graph.outputs[0].name));
  };
  images.labels = predict(graph, {});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->original, 100);
  images.labels = predict(*Separate(graph, segments), {});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->separated, 100);
  images.labels = predict(*PlaintextRest(graph, segments), {{"privdnn_segment_0", Tensor::Zeros({300, 3, 4, 4})},
                                                            {"privdnn_segment_1", Tensor::Zeros({300, 4})}});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->removed, 100);
}

// The default selection of the asset: see assets/lenet5-mnist/README.md.
TEST(EvaluateSelection, DefaultSelectionKeepsTheAuthorisedUserOnly) {
  const std::filesystem::path assets = std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist";
  const Graph graph = *LoadOnnx(assets / "model.onnx");
  const auto images = *LoadIdx(assets / "t10k-1000-images-idx3-ubyte", assets / "t10k-1000-labels-idx1-ubyte");
  const auto selection = ParseSelection(*ReadTextFile(assets / "selection.json", 1000), graph);
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_EQ(*selection, (Selection{{{1, LargestNorm(graph, 1, 2)}, {2, LargestNorm(graph, 2, 13)}}}));
  const auto accuracy = EvaluateSelection(graph, *selection, images);
  ASSERT_TRUE(accuracy.ok()) << accuracy.status();
  EXPECT_GE(accuracy->separated, accuracy->original - 0.4);  // 4 of the 1,000 images
  EXPECT_LT(accuracy->removed, 40);
}

TEST(EvaluateSelection, CountsEachImageThreeTimesAndStopsWhenAsked) {
  const Graph graph = LeNet();
  const ImageSet images = RandomImages(300);
  const Selection selection{{{1, {0}}, {2, {0, 5}}}};
  std::vector<uint64_t> done;
  const auto count = [&](uint64_t least) {
    return [&done, least](uint64_t counted, uint64_t total, const std::string&) {
      EXPECT_EQ(total, 900u);
      done.push_back(counted);
      return counted < least;
    };
  };
  ASSERT_TRUE(EvaluateSelection(graph, selection, images, count(1000)).ok());
  EXPECT_EQ(done, (std::vector<uint64_t>{250, 300, 550, 600, 850, 900}));
  EXPECT_TRUE(absl::IsCancelled(EvaluateSelection(graph, selection, images, count(850)).status()));
  EXPECT_EQ(done.back(), 850u);
}

TEST(EvaluateSelection, RefusesAnEmptySetAndForeignNeurons) {
  const Graph graph = LeNet();
  EXPECT_THAT(Message(EvaluateSelection(graph, {{{1, {0}}, {2, {0}}}}, {}).status()), HasSubstr("no images"));
  EXPECT_THAT(Message(EvaluateSelection(graph, {{{1, {0}}, {2, {16}}}}, RandomImages(1)).status()),
              HasSubstr("layer 2 has neurons 0 to 15, not 16"));
}

}  // namespace
}  // namespace privdnn
