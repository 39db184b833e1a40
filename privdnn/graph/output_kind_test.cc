#include "privdnn/graph/output_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/graph/preprocess.h"
#include "privdnn/testing/graphs.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

// A layer of `columns` outputs and an operator behind it.
Graph Ending(int64_t columns, std::optional<Op> last) {
  Graph graph =
      SingleNodeGraph({4}, op::Gemm{.trans_b = true}, {{"w", PatternTensor({columns, 4}, 1)}}, {"x", "w"}, {columns});
  if (!last) return graph;
  graph.nodes.push_back({"last", *last, {"y"}, "z"});
  graph.outputs = {{"z", {-1, columns}}};
  return graph;
}

TEST(OutputKind, IsToldByShapeAndLastOperator) {
  EXPECT_EQ(*FindOutputKind(Ending(3, std::nullopt)), OutputKind::kClasses);
  EXPECT_EQ(*FindOutputKind(Ending(3, op::Softmax{})), OutputKind::kClasses);
  EXPECT_EQ(*FindOutputKind(Ending(3, op::Sigmoid{})), OutputKind::kMultiLabel);
  EXPECT_EQ(*FindOutputKind(Ending(1, op::Sigmoid{})), OutputKind::kBinary);
  EXPECT_EQ(*FindOutputKind(Ending(1, std::nullopt)), OutputKind::kRegression);
  Graph said = Ending(3, std::nullopt);
  said.metadata["privdnn.output"] = "regression";
  EXPECT_EQ(*FindOutputKind(said), OutputKind::kRegression);
  said.metadata["privdnn.output"] = "nonsense";
  EXPECT_THAT(Message(FindOutputKind(said).status()), HasSubstr("'nonsense'"));
}

TEST(OutputKind, MapsAreRefused) {
  const Graph map = SingleNodeGraph({2, 4, 4}, op::Relu{}, {}, {"x"}, {2, 4, 4});
  EXPECT_EQ(*FindOutputKind(map), OutputKind::kMap);
  EXPECT_THAT(Message(WithScores(map, OutputKind::kMap).status()), HasSubstr("(-1, 2, 4, 4)"));
  EXPECT_THAT(Message(WithScores(map, OutputKind::kClasses).status()), HasSubstr("map"));
  EXPECT_THAT(Message(WithScores(Ending(1, std::nullopt), OutputKind::kClasses).status()), HasSubstr("two classes"));
  EXPECT_THAT(Message(WithScores(Ending(3, std::nullopt), OutputKind::kBinary).status()), HasSubstr("one number"));
}

TEST(OutputKind, ScoresHaveTwoDimensionsAndAreFoundAgain) {
  const Graph binary = *WithScores(Ending(1, op::Sigmoid{}), OutputKind::kBinary);
  EXPECT_EQ(binary.outputs[0].shape, (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(binary.nodes.size(), 4u);  // no second Sigmoid
  EXPECT_EQ(*FindOutputKind(binary), OutputKind::kClasses);
  EXPECT_TRUE(InferShapes(binary).ok());

  const Graph logit = *WithScores(Ending(1, std::nullopt), OutputKind::kBinary);
  EXPECT_EQ(logit.nodes.size(), 4u);  // layer, Sigmoid, 1 - p, both
  const Graph labels = *WithScores(Ending(3, std::nullopt), OutputKind::kMultiLabel);
  EXPECT_EQ(*FindOutputKind(labels), OutputKind::kMultiLabel);
  EXPECT_TRUE(labels.metadata.empty());

  const Graph values = *WithScores(Ending(3, std::nullopt), OutputKind::kRegression);
  EXPECT_EQ(values.nodes, Ending(3, std::nullopt).nodes);
  EXPECT_EQ(*FindOutputKind(values), OutputKind::kRegression);  // by metadata

  const Graph pooled = SingleNodeGraph({3, 1, 1}, op::Relu{}, {}, {"x"}, {3, 1, 1});
  EXPECT_EQ(*FindOutputKind(pooled), OutputKind::kClasses);
  const Graph row = *WithScores(pooled, OutputKind::kClasses);
  EXPECT_EQ(row.outputs[0].shape, (std::vector<int64_t>{-1, 3}));
  EXPECT_TRUE(InferShapes(row).ok());
}

TEST(Preprocessing, IsReadFromMetadata) {
  Graph graph = Ending(3, std::nullopt);
  EXPECT_EQ(*FindPreprocessing(graph), Preprocessing{});
  const Preprocessing p{.scale = 1, .mean = {103.5, 116, 123}, .deviation = {57.5}, .bgr = true, .nhwc = true};
  graph.metadata = PreprocessingMetadata(p);
  EXPECT_EQ(*FindPreprocessing(graph), p);
  graph.metadata = {{"privdnn.scale", "1/127.5"}};
  EXPECT_EQ(FindPreprocessing(graph)->scale, 1 / 127.5);
  for (const auto& [key, value] : std::map<std::string, std::string>{{"privdnn.scale", "1/0"},
                                                                     {"privdnn.mean", "0.5,,1"},
                                                                     {"privdnn.std", "nan"},
                                                                     {"privdnn.channels", "cmyk"},
                                                                     {"privdnn.layout", ""}}) {
    graph.metadata = {{key, value}};
    EXPECT_THAT(Message(FindPreprocessing(graph).status()), HasSubstr(key)) << value;
  }
}

TEST(Preprocessing, RefusesWhatDoesNotFit) {
  const auto error = [](const Preprocessing& p) {
    const Graph graph = SingleNodeGraph({2, 4, 4}, op::Relu{}, {}, {"x"}, {2, 4, 4});
    return Message(WithPreprocessing(graph, p).status());
  };
  EXPECT_THAT(error({.scale = 0}), HasSubstr("scale 0"));
  EXPECT_THAT(error({.mean = {1, 2, 3}}), HasSubstr("3 numbers for the mean, the network reads 2 channels"));
  EXPECT_THAT(error({.deviation = {-1}}), HasSubstr("deviation -1"));
  EXPECT_THAT(error({.bgr = true}), HasSubstr("need 3 channels, the network reads 2"));
}

}  // namespace
}  // namespace privdnn
