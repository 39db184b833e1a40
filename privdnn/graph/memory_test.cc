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
