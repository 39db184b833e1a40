#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/graph/architectures.h"
#include "privdnn/partition/partition.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

Graph LeNet() { return *BuildArchitecture("lenet5-mnist", 1); }

std::vector<int64_t> Range(int64_t first, int64_t last) {
  std::vector<int64_t> range;
  for (int64_t i = first; i <= last; ++i) range.push_back(i);
  return range;
}

TEST(ParseSelection, ReadsBothForms) {
  const Graph graph = LeNet();
  const Selection expected{{{1, {0, 3}}, {2, {5}}}};
  EXPECT_EQ(*ParseSelection("1:3,0;2:5", graph), expected);
  EXPECT_EQ(*ParseSelection("2:5;conv1:0;1:3", graph), expected);
  EXPECT_EQ(*ParseSelection(R"({"1": [3, 0], "2": [5]})", graph), expected);
  EXPECT_EQ(*ParseSelection(" \n{\"conv2\": [5], \"1\": [3, 0], \"fc1\": []}\n", graph), expected);
  EXPECT_EQ(*ParseSelection("2:5;", graph), (Selection{{{2, {5}}}}));
  for (const char* forgotten : {"1:;2:5", "2:5;1:", "1 : "}) {
    EXPECT_THAT(Message(ParseSelection(forgotten, graph).status()), HasSubstr("names no neurons")) << forgotten;
  }
  EXPECT_EQ(*ParseSelection("", graph), Selection{});
  EXPECT_EQ(*ParseSelection("{}", graph), Selection{});
}

TEST(ParseSelection, ReadsRangesAndAll) {
  const Graph graph = LeNet();
  const Selection expected{{{1, {0, 1, 2, 5}}, {2, Range(0, 15)}, {5, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}}};
  EXPECT_EQ(*ParseSelection("1:5,0-2;conv2:all;fc3:0-9", graph), expected);
  EXPECT_EQ(*ParseSelection(R"({"1": [5, 0, 1, 2], "2": "all", "fc3": "all"})", graph), expected);
  EXPECT_EQ(*ParseSelection("1:3-3", graph), (Selection{{{1, {3}}}}));
}

TEST(ParseSelection, ReadsRangesOfLayersAndBlanks) {
  const Graph graph = LeNet();
  const Selection all{{{1, Range(0, 5)}, {2, Range(0, 15)}, {3, Range(0, 119)}, {4, Range(0, 83)}, {5, Range(0, 9)}}};
  EXPECT_EQ(*ParseSelection("*:all", graph), all);
  EXPECT_EQ(*ParseSelection("1-2:all;3-5:all", graph), all);
  EXPECT_EQ(*ParseSelection(R"({"1-2": "all", "3-5": "all"})", graph), all);
  EXPECT_EQ(*ParseSelection(" 1 : 0 , 3 ;\n 2-3: 5 \n", graph), (Selection{{{1, {0, 3}}, {2, {5}}, {3, {5}}}}));
  const auto error = [&](const std::string& text) { return Message(ParseSelection(text, graph).status()); };
  EXPECT_THAT(error("3-2:all"), HasSubstr("the range of layers 3-2 is empty"));
  EXPECT_THAT(error("4-6:0"), HasSubstr("no layer 6"));
  EXPECT_THAT(error("*:0;1:0"), HasSubstr("layer 1: neuron 0 is named twice"));
  EXPECT_THAT(error("*:12"), HasSubstr("layer 1 has neurons 0 to 5, not 12"));
  // A name that looks like a range is a name.
  Graph named = graph;
  named.nodes[FindLayers(graph)[1].node].name = "1-5";
  EXPECT_EQ(*ParseSelection("1-5:0", named), (Selection{{{2, {0}}}}));
}

// What `privdnn select --json` prints.
TEST(ParseSelection, ReadsTheSelectionOfAReport) {
  Graph graph = LeNet();
  const Selection expected{{{1, {0, 3}}, {2, {5}}}};
  EXPECT_EQ(*ParseSelection(R"({"model": "m", "selection": {"1": [3, 0], "2": [5]}, "labels": [{"label": 1}]})", graph),
            expected);
  const auto error = [&](const std::string& text) { return Message(ParseSelection(text, graph).status()); };
  EXPECT_THAT(error(R"({"selection": {"1": [0], "1": [3]}})"), HasSubstr("layer '1' is named twice"));
  EXPECT_THAT(error(R"({"selection": {"1": [0]}, "selection": {"1": [3]}})"),
              HasSubstr("member 'selection' is named twice"));
  EXPECT_THAT(error(R"({"selection": {"9": [0]}})"), HasSubstr("no layer '9'"));
  EXPECT_THAT(error(R"({"selection": {"selection": {"1": [0]}}})"), HasSubstr("no layer 'selection'"));
  EXPECT_THAT(error(R"({"options": {"1": [0], "1": [0]}})"), HasSubstr("no layer 'options'"));
  // Layers may be called so: their neurons are never an object.
  graph.nodes[FindLayers(graph)[0].node].name = "selection";
  EXPECT_EQ(*ParseSelection(R"({"selection": [4]})", graph), (Selection{{{1, {4}}}}));
}

// Exporters put colons, commas and braces into names; a number is a number before it is a name.
TEST(ParseSelection, TakesAnyNodeName) {
  Graph graph = LeNet();
  const auto layers = FindLayers(graph);
  graph.nodes[layers[0].node].name = "/block:0/{conv}";
  graph.nodes[layers[1].node].name = "1";
  EXPECT_EQ(*ParseSelection("/block:0/{conv}:4;2:7", graph), (Selection{{{1, {4}}, {2, {7}}}}));
  EXPECT_EQ(*ParseSelection(R"({"/block:0/{conv}": [4]})", graph), (Selection{{{1, {4}}}}));
  EXPECT_EQ(*ParseSelection("1:4", graph), (Selection{{{1, {4}}}}));
}

TEST(ParseSelection, NamesWhatIsWrong) {
  const Graph graph = LeNet();
  const auto error = [&](const std::string& text) {
    const auto selection = ParseSelection(text, graph);
    EXPECT_EQ(selection.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return Message(selection.status());
  };
  EXPECT_THAT(error("6:1"), HasSubstr("no layer '6'; there are 1 ('conv1', 6 neurons), 2 ('conv2', 16 neurons), "));
  EXPECT_THAT(error("0:1"), HasSubstr("no layer '0'"));
  EXPECT_THAT(error("relu1:1"), HasSubstr("no layer 'relu1'"));
  EXPECT_THAT(error("1:0,0;2:1"), HasSubstr("layer 1: neuron 0 is named twice"));
  EXPECT_THAT(error("1:0;conv1:0"), HasSubstr("layer 1: neuron 0 is named twice"));
  EXPECT_THAT(error("1:all,2"), HasSubstr("layer 1: neuron 2 is named twice"));
  EXPECT_THAT(error("1:-1;2:1"), HasSubstr("layer 1 has neurons 0 to 5, not -1"));
  EXPECT_THAT(error("1:0-6"), HasSubstr("layer 1 has neurons 0 to 5, not 6"));
  EXPECT_THAT(error("1:4-2"), HasSubstr("the range 4-2 is empty"));
  EXPECT_THAT(error("1:0-99999999999999"), HasSubstr("not 99999999999999"));
  EXPECT_THAT(error("1:1-"), HasSubstr("'1-' is not a neuron"));
  EXPECT_THAT(error("1:x;2:1"), HasSubstr("'x' is not a neuron"));
  EXPECT_THAT(error("1:,"), HasSubstr("'' is not a neuron"));
  EXPECT_THAT(error("1:99999999999999999999;2:1"), HasSubstr("is not a neuron"));
  EXPECT_THAT(error("hello"), HasSubstr("'hello' is not LAYER:NEURON"));
  EXPECT_THAT(error("{"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(R"({"1": 4})"), HasSubstr("layer 1 is neither a list of neurons nor \"all\""));
  EXPECT_THAT(error(R"({"1": "some"})"), HasSubstr("layer 1 is neither"));
  EXPECT_THAT(error(R"({"2": [1.5]})"), HasSubstr("1.5 is not an integer"));
  EXPECT_THAT(error(R"({"2": ["1"]})"), HasSubstr("string is not an integer"));
  EXPECT_THAT(error(R"({"2": [18446744073709551615]})"), HasSubstr("not 18446744073709551615"));
  EXPECT_THAT(error(R"({"2": [16]})"), HasSubstr("layer 2 has neurons 0 to 15, not 16"));
  EXPECT_THAT(error(R"({"2": [1], "2": [3]})"), HasSubstr("layer '2' is named twice"));
  EXPECT_THAT(error(R"({"9": []})"), HasSubstr("no layer '9'"));
}

// Neither nesting nor repeated ranges take memory or stack in proportion to what they stand for.
TEST(ParseSelection, WithstandsHostileText) {
  const Graph graph = LeNet();
  const auto repeat = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  for (const char* open : {"[", "{\"1\":", "[[{\"\":"}) {
    EXPECT_FALSE(ParseSelection("{\"1\":" + repeat(open, 300000), graph).ok());
  }
  const std::string nested = "{\"1\": [" + repeat("[", 300000) + repeat("]", 300000) + "]}";
  EXPECT_THAT(Message(ParseSelection(nested, graph).status()), HasSubstr("array is not an integer"));
  EXPECT_THAT(Message(ParseSelection("fc1:" + repeat("0-119,", 100000), graph).status()), HasSubstr("named twice"));
  const std::string long_name = Message(ParseSelection(repeat("x", 1000000) + ":1", graph).status());
  EXPECT_LT(long_name.size(), 1000u);
}

TEST(FormatSelection, IsReadAsItWasWritten) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Graph graph = RandomNetwork(seed);
    const Selection selection = RandomSelection(graph, seed);
    EXPECT_EQ(*ParseSelection(FormatSelection(selection), graph), selection);
  }
  EXPECT_EQ(FormatSelection({}), "{}");
  EXPECT_EQ(FormatSelection({{{2, {1, 3}}, {10, {0}}}}), R"({"2":[1,3],"10":[0]})");
}

TEST(CheckSelection, NamesWhatIsWrong) {
  const Graph graph = LeNet();
  EXPECT_TRUE(CheckSelection(graph, {{{1, {0, 5}}, {2, {0, 15}}}}).ok());
  EXPECT_TRUE(CheckSelection(graph, {}).ok());
  const auto error = [&](const Selection& selection) { return Message(CheckSelection(graph, selection)); };
  EXPECT_THAT(error({{{1, {6}}}}), HasSubstr("layer 1 has neurons 0 to 5, not 6"));
  EXPECT_THAT(error({{{2, {-1}}}}), HasSubstr("layer 2 has neurons 0 to 15, not -1"));
  EXPECT_THAT(error({{{0, {0}}}}), HasSubstr("no layer 0; there are 1 ('conv1'"));
  EXPECT_THAT(error({{{6, {0}}}}), HasSubstr("no layer 6"));
  EXPECT_THAT(error({{{1, {}}}}), HasSubstr("layer 1 has an empty list"));
  EXPECT_THAT(error({{{1, {2, 2}}}}), HasSubstr("neuron 2 is named twice"));
  EXPECT_THAT(error({{{1, {2, 1}}}}), HasSubstr("do not ascend"));
}

}  // namespace
}  // namespace privdnn
