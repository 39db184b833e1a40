#include "privdnn/graph/memory.h"

#include <gtest/gtest.h>

#include "privdnn/graph/architectures.h"
#include "privdnn/testing/graphs.h"

namespace privdnn {
namespace {

// x -> a -> b, and c of x and b: x lives until c, a only until b.
Graph Branches() {
  Graph graph;
  graph.inputs = {{"x", {-1, 2, 10, 10}}};
  graph.nodes = {{"pad", op::Pad{{0, 0, 5, 5, 0, 0, 5, 5}, 0}, {"x"}, "a"},
                 {"pool", op::MaxPool{{{11, 11}, {1, 1}, {0, 0, 0, 0}}}, {"a"}, "b"},
                 {"sum", op::Add{}, {"x", "b"}, "c"}};
  graph.outputs = {{"c", {-1, 2, 10, 10}}};
  return graph;
}

TEST(PeakBytesPerImage, CountsWhatLivesAtATime) {
  // x, a and b while b is made.
  EXPECT_EQ(PeakBytesPerImage(Branches()).value(), 4u * (200 + 800 + 200));
}

// What LibTorch's operators make besides their outputs.
TEST(PeakBytesPerImage, CountsWhatOperatorsNeedForThemselves) {
  const auto peak = [](Op op, const std::vector<int64_t>& output, const std::optional<Tensor>& weights = {}) {
    Graph graph;
    graph.inputs = {{"x", {-1, 2, 10, 10}}};
    graph.outputs = {{"y", output}};
    graph.nodes = {{"n", std::move(op), {"x"}, "y"}};
    if (weights) {
      graph.initializers["w"] = *weights;
      graph.nodes[0].inputs.push_back("w");
    }
    return PeakBytesPerImage(graph).value();
  };
  const Window far{{1, 1}, {1000, 1000}, {0, 0, 990, 990}};
  EXPECT_EQ(peak(op::Conv{far}, {-1, 1, 1, 1}, Tensor::Zeros({1, 2, 1, 1})), 4u * (200 + 1 + 2 * 1000 * 1000));
  EXPECT_EQ(peak(op::LRN{1001}, {-1, 2, 10, 10}), 4u * (200 + 200 + 1002 * 100));
  const Window cropped{{101, 101}, {1, 1}, {50, 50, 50, 50}};
  EXPECT_EQ(peak(op::ConvTranspose{cropped}, {-1, 1, 10, 10}, Tensor::Zeros({2, 1, 101, 101})),
            4u * (200 + 100 + 110 * 110));
}

TEST(PeakBytesPerImage, CoversEveryOperatorAndRefusesWhatDoesNotFit) {
  EXPECT_GT(PeakBytesPerImage(EveryOperatorGraph()).value(), 0u);
  Graph graph = Branches();
  graph.nodes[2].inputs[1] = "nothing";
  EXPECT_FALSE(PeakBytesPerImage(graph).ok());
}

// The bound that users set themselves is far above what the networks of the paper take.
TEST(PeakBytesPerImage, OfAKnownNetwork) {
  const Graph graph = *BuildArchitecture("vgg16-cifar10", 1);
  const uint64_t bytes = *PeakBytesPerImage(graph);
  EXPECT_GE(bytes, 4u * 2 * 64 * 32 * 32);  // two maps of the first block
  EXPECT_LE(bytes, uint64_t{4} << 20);
}

}  // namespace
}  // namespace privdnn
