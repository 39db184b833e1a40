#include "nn/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/architectures.h"

namespace privdnn::nn {
namespace {

using ::testing::HasSubstr;

TEST(ParseSelection, ReadsBothForms) {
  const Selection expected{{0, 3}, {5}};
  EXPECT_EQ(*ParseSelection("1:3,0;2:5"), expected);
  EXPECT_EQ(*ParseSelection(R"({"1": [3, 0], "2": [5]})"), expected);
  EXPECT_EQ(*ParseSelection(FormatSelection(expected)), expected);
  EXPECT_EQ(*ParseSelection("2:5"), (Selection{{}, {5}}));
}

TEST(ParseSelection, NamesWhatIsWrong) {
  const auto error = [](const std::string& text) { return Message(ParseSelection(text).status()); };
  EXPECT_THAT(error("3:1"), HasSubstr("layer '3' is not 1 or 2"));
  EXPECT_THAT(error("1:0,0;2:1"), HasSubstr("layer 1: neuron 0 is named twice"));
  EXPECT_THAT(error("1:-1;2:1"), HasSubstr("neuron -1 is negative"));
  EXPECT_THAT(error("1:x;2:1"), HasSubstr("'x' is not a neuron"));
  EXPECT_THAT(error("1:99999999999999999999;2:1"), HasSubstr("is not a neuron"));
  EXPECT_THAT(error("hello"), HasSubstr("'hello' is not LAYER:NEURON"));
  EXPECT_THAT(error("{"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(R"({"1": 4})"), HasSubstr("layer '1' is not a list"));
  EXPECT_THAT(error(R"({"2": [1.5]})"), HasSubstr("1.5 is not an integer"));
}

TEST(FindQuadraticSegment, FindsLeNetsLayers) {
  const Graph graph = *BuildArchitecture("lenet5-mnist", 1);
  const auto s = FindQuadraticSegment(graph);
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->neurons1, 6);
  EXPECT_EQ(s->neurons2, 16);
  EXPECT_TRUE(s->pool1 && s->pool2);
  EXPECT_FALSE(s->bn1 || s->bn2);
  EXPECT_EQ(s->output_shape, (std::vector<int64_t>{16, 4, 4}));
}

TEST(FindQuadraticSegment, SaysWhatItLookedFor) {
  Graph graph = *BuildArchitecture("lenet5-mnist", 1);
  for (Node& node : graph.nodes) {
    if (std::holds_alternative<Square>(node.op)) node.op = Relu{};
  }
  const auto none = FindQuadraticSegment(graph);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(none.status()), HasSubstr("no quadratic segment"));
}

// A weight shared with a layer outside would ride along in the plaintext rest.
TEST(FindQuadraticSegment, RefusesWeightsThatAreReadElsewhere) {
  Graph graph = *BuildArchitecture("lenet5-mnist", 1);
  Node extra = graph.nodes[FindQuadraticSegment(graph)->conv1];
  extra.name = "extra";
  extra.output = "extra.out";
  graph.nodes.push_back(extra);
  EXPECT_THAT(Message(FindQuadraticSegment(graph).status()), HasSubstr("is read in 2 places"));
}

TEST(CheckSelection, NamesNeuronsThatAreNotThere) {
  const auto s = *FindQuadraticSegment(*BuildArchitecture("lenet5-mnist", 1));
  EXPECT_TRUE(CheckSelection(s, {{0, 5}, {0, 15}}).ok());
  EXPECT_THAT(Message(CheckSelection(s, {{6}, {0}})), HasSubstr("layer 1 has neurons 0 to 5, not 6"));
  EXPECT_THAT(Message(CheckSelection(s, {{0}, {16}})), HasSubstr("layer 2 has neurons 0 to 15, not 16"));
  EXPECT_THAT(Message(CheckSelection(s, {{0}, {}})), HasSubstr("no neuron of layer 2"));
  EXPECT_THAT(Message(CheckSelection(s, {{0, 1, 2, 3, 4, 5}, {0}})), HasSubstr("nothing to read"));
}

// The rest of the network has no trace of a core neuron's weights, whatever is selected.
TEST(PlaintextRest, HoldsPlaintextWeightsOnly) {
  Graph graph = *BuildArchitecture("lenet5-mnist", 1);
  const auto s = *FindQuadraticSegment(graph);
  Tensor& w2 = graph.initializers.at(graph.nodes[s.conv2].inputs[1]);
  // Weight (f, c) is 1000 f + c: recognisable.
  for (size_t i = 0; i < w2.values.size(); ++i) {
    const size_t neuron = i / 150, input = i % 150 / 25;
    w2.values[i] = static_cast<float>(1000 * (neuron + 1) + input);
  }
  const Selection selection{{1, 4}, {0, 7, 15}};
  const Graph rest = *PlaintextRest(graph, s, selection);
  for (const auto& [name, tensor] : rest.initializers) {
    for (const float v : tensor.values) {
      if (v < 1000) continue;
      const auto f = static_cast<int64_t>(v) / 1000 - 1, c = static_cast<int64_t>(v) % 1000;
      EXPECT_FALSE(f == 0 || f == 7 || f == 15) << name << " has a weight of core neuron " << f;
      EXPECT_FALSE(c == 1 || c == 4) << name << " has a weight from core neuron " << c;
    }
  }
  const auto& shape = rest.inputs.back().shape;
  EXPECT_EQ(shape, (std::vector<int64_t>{-1, 3, 4, 4}));
}

}  // namespace
}  // namespace privdnn::nn
