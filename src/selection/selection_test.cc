#include "selection/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "nn/architectures.h"
#include "nn/executor.h"
#include "nn/onnx.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

nn::Graph LeNet() { return *nn::BuildArchitecture("lenet5-mnist", 3); }

nn::ImageSet RandomImages(int64_t count) {
  nn::ImageSet set{count, 1, 28, 28, {}, {}, 10};
  uint32_t state = 1;
  for (int64_t i = 0; i < count * 784; ++i) {
    state = state * 1664525 + 1013904223;
    set.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  for (int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<int32_t>(i % 10));
  return set;
}

TEST(SelectByNorm, TakesTheLargestAndOfEqualsTheFirst) {
  nn::Graph graph = LeNet();
  const auto segment = *nn::FindQuadraticSegment(graph);
  nn::Tensor& w1 = graph.initializers.at(graph.nodes[segment.conv1].inputs[1]);
  nn::Tensor& w2 = graph.initializers.at(graph.nodes[segment.conv2].inputs[1]);
  for (size_t i = 0; i < w1.values.size(); ++i) w1.values[i] = i / 25 == 4 ? -3.0f : i / 25 == 2 ? 2.0f : 1.0f;
  for (size_t i = 0; i < w2.values.size(); ++i) w2.values[i] = i / 150 == 15 ? 5.0f : 1.0f;
  EXPECT_EQ(*SelectByNorm(graph, 3, 2), (nn::Selection{{0, 2, 4}, {0, 15}}));
  EXPECT_EQ(*SelectByNorm(graph, 0, 1), (nn::Selection{{}, {15}}));
}

TEST(SelectByNorm, RefusesImpossibleCounts) {
  const nn::Graph graph = LeNet();
  EXPECT_THAT(Message(SelectByNorm(graph, 7, 1).status()), HasSubstr("layer 1 has 6 neurons, 7 were asked for"));
  EXPECT_THAT(Message(SelectByNorm(graph, 1, 17).status()), HasSubstr("layer 2 has 16 neurons, 17"));
  EXPECT_THAT(Message(SelectByNorm(graph, 1, 0).status()), HasSubstr("no neuron of layer 2"));
  EXPECT_THAT(Message(SelectByNorm(graph, 6, 3).status()), HasSubstr("nothing to read"));
}

// Separation and removal, against the definition: the rest fed with the separated network's own values is the separated
// network; fed with zeros it is the network whose core layer-2 outputs are 0.
TEST(EvaluateSelection, RestAndSeparatedNetworkAgree) {
  const nn::Graph graph = LeNet();
  const nn::ImageSet images = RandomImages(20);
  const auto segment = *nn::FindQuadraticSegment(graph);
  for (const nn::Selection& selection :
       {nn::Selection{{0}, {0}}, nn::Selection{{1, 4}, {2, 3, 15}}, nn::Selection{{}, {7}},
        nn::Selection{{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}}) {
    nn::Graph separated = *nn::Separate(graph, segment, selection);
    separated.outputs.push_back({segment.output, {-1, 16, 4, 4}});
    const auto executor = *nn::Executor::Create(separated);
    const auto rest = *nn::Executor::Create(*nn::PlaintextRest(graph, segment, selection));
    const auto values = *executor.Run({{graph.inputs[0].name, images.Batch(0, 20)}});
    const nn::Tensor& maps = values.at(segment.output);
    nn::Tensor core = nn::Tensor::Zeros({20, static_cast<int64_t>(selection.layer2.size()), 4, 4});
    for (size_t i = 0; i < 20; ++i) {
      for (size_t f = 0; f < selection.layer2.size(); ++f) {
        const auto from =
            maps.values.begin() + static_cast<std::ptrdiff_t>((i * 16 + static_cast<size_t>(selection.layer2[f])) * 16);
        std::copy(from, from + 16,
                  core.values.begin() + static_cast<std::ptrdiff_t>((i * selection.layer2.size() + f) * 16));
      }
    }
    const auto scores = *rest.Run({{graph.inputs[0].name, images.Batch(0, 20)}, {nn::kSegmentInput, core}});
    const auto& expected = values.at(graph.outputs[0].name).values;
    const auto& got = scores.at(graph.outputs[0].name).values;
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-4) << i;
    const auto accuracy = EvaluateSelection(graph, selection, images);
    ASSERT_TRUE(accuracy.ok()) << accuracy.status();
    EXPECT_GE(accuracy->removed, 0);
  }
}

// With the predictions of one of the three networks as labels, that one is right everywhere.
TEST(EvaluateSelection, TellsTheThreeNetworksApart) {
  const nn::Graph graph = LeNet();
  const auto segment = *nn::FindQuadraticSegment(graph);
  const nn::Selection selection{{1, 4}, {2, 3, 15}};
  nn::ImageSet images = RandomImages(300);
  const auto predict = [&](const nn::Graph& network, std::map<std::string, nn::Tensor> inputs) {
    inputs[graph.inputs[0].name] = images.Batch(0, 300);
    return nn::Argmax(nn::Executor::Create(network)->Run(inputs)->at(graph.outputs[0].name));
  };
  images.labels = predict(graph, {});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->original, 100);
  images.labels = predict(*nn::Separate(graph, segment, selection), {});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->separated, 100);
  images.labels =
      predict(*nn::PlaintextRest(graph, segment, selection), {{nn::kSegmentInput, nn::Tensor::Zeros({300, 3, 4, 4})}});
  EXPECT_EQ(EvaluateSelection(graph, selection, images)->removed, 100);
}

// The default selection of the asset: see assets/lenet5-mnist/README.md.
TEST(EvaluateSelection, DefaultSelectionKeepsTheAuthorisedUserOnly) {
  const std::filesystem::path assets = std::filesystem::path(PRIVDNN_SELECTION_ASSETS) / "lenet5-mnist";
  const nn::Graph graph = *nn::LoadOnnx(assets / "model.onnx");
  const auto images = *nn::LoadIdx(assets / "t10k-1000-images-idx3-ubyte", assets / "t10k-1000-labels-idx1-ubyte");
  const auto selection = nn::ParseSelection(*ReadTextFile(assets / "selection.json", 1000));
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_EQ(*selection, *SelectByNorm(graph, 2, 13));
  const auto accuracy = EvaluateSelection(graph, *selection, images);
  ASSERT_TRUE(accuracy.ok()) << accuracy.status();
  EXPECT_GE(accuracy->separated, accuracy->original - 0.4);  // 4 of the 1,000 images
  EXPECT_LT(accuracy->removed, 40);
}

TEST(EvaluateSelection, RefusesAnEmptySetAndForeignNeurons) {
  const nn::Graph graph = LeNet();
  EXPECT_THAT(Message(EvaluateSelection(graph, {{0}, {0}}, {}).status()), HasSubstr("no images"));
  EXPECT_THAT(Message(EvaluateSelection(graph, {{0}, {16}}, RandomImages(1)).status()),
              HasSubstr("layer 2 has neurons 0 to 15, not 16"));
}

}  // namespace
}  // namespace privdnn
