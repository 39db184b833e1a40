#include "privdnn/graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "privdnn/testing/graphs.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Shape = std::vector<int64_t>;

TEST(ElementCount, MultipliesAndRefusesWhatDoesNotFit) {
  EXPECT_EQ(ElementCount({}).value(), 1);
  EXPECT_EQ(ElementCount({3, 4, 5}).value(), 60);
  EXPECT_EQ(ElementCount({3, 0, 5}).value(), 0);
  EXPECT_EQ(ElementCount({int64_t{1} << 31}).value(), int64_t{1} << 31);
  EXPECT_FALSE(ElementCount({(int64_t{1} << 31) + 1}).ok());
  EXPECT_FALSE(ElementCount({65536, 65536}).ok());
  EXPECT_FALSE(ElementCount({INT64_MAX, INT64_MAX}).ok());
  EXPECT_FALSE(ElementCount({-1}).ok());
  EXPECT_FALSE(ElementCount({0, -1}).ok());
}

TEST(Graph, LooksUpProducersAndConsumers) {
  const Graph g = EveryOperatorGraph();
  EXPECT_EQ(g.Producer("c1")->name, "conv1");
  EXPECT_EQ(g.Producer("x"), nullptr);
  EXPECT_THAT(g.Consumers("a1"), ElementsAre(4u, 6u));
  EXPECT_TRUE(g.Consumers("y").empty());
}

TEST(InferShapes, FollowsEveryOperator) {
  const auto shapes = InferShapes(EveryOperatorGraph(), 7);
  ASSERT_TRUE(shapes.ok()) << shapes.status();
  EXPECT_EQ(shapes->at("c1"), (Shape{7, 6, 5, 8}));
  EXPECT_EQ(shapes->at("a1"), (Shape{7, 6, 5, 8}));
  EXPECT_EQ(shapes->at("m1"), (Shape{7, 6, 3, 3}));
  EXPECT_EQ(shapes->at("k2"), (Shape{7, 8, 3, 3}));
  EXPECT_EQ(shapes->at("k3"), (Shape{7, 8, 9}));
  EXPECT_EQ(shapes->at("y"), (Shape{7, 6}));
  EXPECT_EQ(shapes->at("w1"), (Shape{6, 2, 3, 2}));
}

TEST(InferShapes, RefusesBatchesThatDoNotFit) {
  EXPECT_FALSE(InferShapes(EveryOperatorGraph(), 0).ok());
  EXPECT_FALSE(InferShapes(EveryOperatorGraph(), -3).ok());
  EXPECT_FALSE(InferShapes(EveryOperatorGraph(), int64_t{1} << 40).ok());
}

struct Broken {
  const char* label;
  std::function<void(Graph&)> change;
  const char* message;
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.label; }

Node& Find(Graph& g, const std::string& name) {
  for (Node& node : g.nodes) {
    if (node.name == name) return node;
  }
  ADD_FAILURE() << "no node " << name;
  return g.nodes[0];
}

class InferShapesRefuses : public testing::TestWithParam<Broken> {};

TEST_P(InferShapesRefuses, WithAMessageThatSaysWhere) {
  Graph g = EveryOperatorGraph();
  GetParam().change(g);
  const auto shapes = InferShapes(g);
  ASSERT_FALSE(shapes.ok());
  EXPECT_EQ(shapes.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(shapes.status()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Graphs, InferShapesRefuses,
    testing::Values(
        Broken{"no inputs", [](Graph& g) { g.inputs.clear(); }, "no inputs"},
        Broken{"no outputs", [](Graph& g) { g.outputs.clear(); }, "no outputs"},
        Broken{"input without batch",
               [](Graph& g) {
                 g.inputs[0].shape = {4, 9, 8};
               },
               "graph input 'x'"},
        Broken{"dynamic side",
               [](Graph& g) {
                 g.inputs[0].shape = {-1, 4, -1, 8};
               },
               "graph input 'x'"},
        Broken{"empty input shape", [](Graph& g) { g.inputs[0].shape = {}; }, "graph input 'x'"},
        Broken{"input twice", [](Graph& g) { g.inputs.push_back(g.inputs[0]); }, "'x' is defined twice"},
        Broken{"input is initializer", [](Graph& g) { g.inputs[0].name = "w1"; }, "'w1' is defined twice"},
        Broken{"unnamed value", [](Graph& g) { g.nodes[0].output = ""; }, "a name is empty"},
        Broken{"unnamed node", [](Graph& g) { g.nodes[3].name = ""; }, "a node (AveragePool): a name is empty"},
        Broken{"control character", [](Graph& g) { g.nodes[0].output = "c\n1"; }, "control character"},
        Broken{"long name", [](Graph& g) { g.nodes[0].name = std::string(2000, 'a'); }, "2000 bytes"},
        Broken{"node name twice", [](Graph& g) { g.nodes[2].name = "conv1"; }, "two nodes are named 'conv1'"},
        Broken{"value twice", [](Graph& g) { g.nodes[2].output = "c1"; }, "value 'c1' is defined twice"},
        Broken{"unsorted", [](Graph& g) { std::swap(g.nodes[1], g.nodes[2]); },
               "node 'bn1' (BatchNormalization): reads 'c1'"},
        Broken{"cycle", [](Graph& g) { Find(g, "relu").inputs = {"r2"}; }, "reads 'r2' before it is defined"},
        Broken{"NaN", [](Graph& g) { g.initializers["w1"].values[3] = std::nanf(""); },
               "initializer 'w1': element 3 is nan"},
        Broken{"infinity", [](Graph& g) { g.initializers["b1"].values[0] = std::numeric_limits<float>::infinity(); },
               "inf"},
        Broken{"short initializer", [](Graph& g) { g.initializers["w1"].values.pop_back(); }, "initializer 'w1'"},
        Broken{"zero dimension",
               [](Graph& g) {
                 g.initializers["unused"] = {{0, 3}, {}};
               },
               "must be positive"},
        Broken{"unknown output", [](Graph& g) { g.outputs[0].name = "z"; }, "graph output 'z'"},
        Broken{"output twice", [](Graph& g) { g.outputs.push_back(g.outputs[0]); }, "listed twice"},
        Broken{"output is initializer",
               [](Graph& g) {
                 g.outputs[0] = {"b1", {-1}};
               },
               "graph output 'b1'"},
        Broken{"output shape",
               [](Graph& g) {
                 g.outputs[0].shape = {-1, 7};
               },
               "declared as (1, 7)"}));

INSTANTIATE_TEST_SUITE_P(
    Operators, InferShapesRefuses,
    testing::Values(
        Broken{"too few inputs", [](Graph& g) { Find(g, "conv1").inputs = {"x"}; },
               "node 'conv1' (Conv): has 1 inputs"},
        Broken{"too many inputs",
               [](Graph& g) {
                 Find(g, "relu").inputs = {"r1", "r1"};
               },
               "node 'relu' (Relu): has 2 inputs"},
        Broken{"groups", [](Graph& g) { std::get<op::Conv>(Find(g, "conv1").op).groups = 3; },
               "group 3 does not divide"},
        Broken{"no groups", [](Graph& g) { std::get<op::Conv>(Find(g, "conv1").op).groups = 0; },
               "group 0 does not divide"},
        Broken{"kernel",
               [](Graph& g) {
                 std::get<op::Conv>(Find(g, "conv1").op).window.kernel = {2, 2};
               },
               "input 1 has shape"},
        Broken{"stride",
               [](Graph& g) {
                 std::get<op::Conv>(Find(g, "conv1").op).window.strides = {0, 1};
               },
               "stride 0"},
        Broken{"pad", [](Graph& g) { std::get<op::Conv>(Find(g, "conv1").op).window.pads[2] = -1; }, "pads 1 and -1"},
        Broken{"huge pad", [](Graph& g) { std::get<op::Conv>(Find(g, "conv1").op).window.pads[2] = INT64_MAX; },
               "outside"},
        Broken{"large output",
               [](Graph& g) {
                 std::get<op::Conv>(Find(g, "conv1").op).window.pads = {1 << 28, 1 << 28, 0, 0};
               },
               "elements"},
        Broken{"bias", [](Graph& g) { g.initializers["b1"] = PatternTensor({7}, 0); },
               "input 2 has shape (7), needs (6)"},
        Broken{"dynamic weights", [](Graph& g) { Find(g, "conv2").inputs[1] = "s1"; },
               "input 1 must be an initializer"},
        Broken{"constant input", [](Graph& g) { Find(g, "relu").inputs[0] = "w2"; }, "input 0 is an initializer"},
        Broken{"bn size", [](Graph& g) { g.initializers["mean"] = PatternTensor({5}, 0); },
               "(BatchNormalization): input 3"},
        Broken{"variance", [](Graph& g) { g.initializers["variance"].values[1] = -1; }, "variance -1"},
        Broken{"epsilon", [](Graph& g) { std::get<op::BatchNormalization>(Find(g, "bn1").op).epsilon = -1; },
               "epsilon"},
        Broken{"window too large",
               [](Graph& g) {
                 std::get<op::AveragePool>(Find(g, "average").op).window.kernel = {20, 2};
               },
               "kernel side 20 exceeds the padded input side 6"},
        Broken{"max pad", [](Graph& g) { std::get<op::MaxPool>(Find(g, "max").op).window.pads[3] = 3; },
               "pad 3 is not below"},
        Broken{"average pad", [](Graph& g) { std::get<op::AveragePool>(Find(g, "average2").op).window.pads[0] = 3; },
               "pad 3 is not below"},
        Broken{"flatten axis", [](Graph& g) { std::get<op::Flatten>(Find(g, "flatten").op).axis = 0; },
               "axis 0 mixes the batch"},
        Broken{"reshape batch",
               [](Graph& g) {
                 std::get<op::Reshape>(Find(g, "reshape").op).shape = {1, 8, 9};
               },
               "begin with 0"},
        Broken{"reshape empty", [](Graph& g) { std::get<op::Reshape>(Find(g, "reshape").op).shape = {}; },
               "begin with 0"},
        Broken{"reshape size",
               [](Graph& g) {
                 std::get<op::Reshape>(Find(g, "reshape").op).shape = {0, -1, 7};
               },
               "does not fit"},
        Broken{"reshape two",
               [](Graph& g) {
                 std::get<op::Reshape>(Find(g, "reshape").op).shape = {-1, -1, 9};
               },
               "does not fit"},
        Broken{"reshape mixes images",
               [](Graph& g) {
                 std::get<op::Reshape>(Find(g, "reshape").op).shape = {-1, 36};
               },
               "does not fit"},
        Broken{"transA", [](Graph& g) { std::get<op::Gemm>(Find(g, "gemm").op).trans_a = true; }, "transA"},
        Broken{"transB", [](Graph& g) { std::get<op::Gemm>(Find(g, "gemm").op).trans_b = false; },
               "input 1 has shape (5, 72)"},
        Broken{"alpha", [](Graph& g) { std::get<op::Gemm>(Find(g, "gemm").op).alpha = std::nanf(""); }, "not finite"},
        Broken{"gemm C",
               [](Graph& g) {
                 g.initializers["b3"] = PatternTensor({5, 1}, 0);
               },
               "input 2 has shape (5, 1)"},
        Broken{"matmul",
               [](Graph& g) {
                 g.initializers["w4"] = PatternTensor({4, 6}, 0);
               },
               "(MatMul): cannot multiply (1, 5) by (4, 6)"},
        Broken{"add",
               [](Graph& g) {
                 g.initializers["planes"] = PatternTensor({5, 1, 1}, 0);
               },
               "cannot broadcast"},
        Broken{"add rank",
               [](Graph& g) {
                 g.initializers["planes"] = PatternTensor({1, 1, 1, 1, 1}, 0);
               },
               "cannot broadcast"},
        Broken{"mul", [](Graph& g) { Find(g, "gate").inputs[1] = "p2"; }, "node 'gate' (Mul): cannot broadcast"},
        Broken{"mean of all", [](Graph& g) { std::get<op::ReduceMean>(Find(g, "row_mean").op).axes.clear(); },
               "node 'row_mean' (ReduceMean): over all dimensions mixes the images"},
        Broken{"mean of images", [](Graph& g) { std::get<op::ReduceMean>(Find(g, "row_mean").op).axes = {0}; },
               "node 'row_mean' (ReduceMean): axis 0 is the batch"},
        Broken{"mean twice",
               [](Graph& g) {
                 std::get<op::ReduceMean>(Find(g, "row_mean").op).axes = {3, -1};
               },
               "axis -1 is given twice"},
        Broken{"two constants", [](Graph& g) { Find(g, "negative").inputs[1] = "one"; },
               "node 'negative' (Sub): input 1 is an initializer"},
        Broken{"division by zero", [](Graph& g) { g.initializers["divisors"].values[3] = -0.0f; },
               "node 'scaled' (Div): divides by zero: element 3"},
        Broken{"leaky", [](Graph& g) { std::get<op::LeakyRelu>(Find(g, "leaky").op).alpha = INFINITY; },
               "(LeakyRelu): an attribute is inf"},
        Broken{"clip order", [](Graph& g) { std::get<op::Clip>(Find(g, "clip").op).min = 1; }, "min 1 and max 0.75"},
        Broken{"clip NaN", [](Graph& g) { std::get<op::Clip>(Find(g, "clip").op).max = std::nanf(""); }, "max nan"},
        Broken{"hard sigmoid", [](Graph& g) { std::get<op::HardSigmoid>(Find(g, "hard").op).beta = std::nanf(""); },
               "an attribute is nan"},
        Broken{"activation inputs",
               [](Graph& g) {
                 Find(g, "tanh").inputs = {"m4", "m4"};
               },
               "node 'tanh' (Tanh): has 2 inputs"},
        Broken{"pad count", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).pads.pop_back(); },
               "7 pads for 4 dimensions"},
        Broken{"pad batch", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).pads[4] = 1; }, "pads the batch"},
        Broken{"cropping", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).pads[6] = -1; }, "pad -1 lies"},
        Broken{"huge padding", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).pads[6] = INT64_MAX; },
               "outside"},
        Broken{"large padding", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).pads[6] = 1 << 30; },
               "elements"},
        Broken{"pad value", [](Graph& g) { std::get<op::Pad>(Find(g, "channels").op).value = INFINITY; },
               "pads with inf"},
        Broken{"quantisation scale", [](Graph& g) { std::get<op::FakeQuantize>(Find(g, "quantize").op).scale = 0; },
               "node 'quantize' (FakeQuantize): scale 0 is not a positive number"},
        Broken{"zero point", [](Graph& g) { std::get<op::FakeQuantize>(Find(g, "quantize").op).zero_point = 128; },
               "zero point 128 lies outside [-128, 127]"},
        Broken{"dropout", [](Graph& g) { std::get<op::Dropout>(Find(g, "dropout").op).ratio = 1; },
               "ratio 1 is not in"},
        Broken{"softmax axis", [](Graph& g) { std::get<op::Softmax>(Find(g, "softmax").op).axis = 2; },
               "axis 2 lies outside"},
        Broken{"softmax batch", [](Graph& g) { std::get<op::Softmax>(Find(g, "softmax").op).axis = -2; },
               "axis -2 is the batch"},
        Broken{"concat batch", [](Graph& g) { std::get<op::Concat>(Find(g, "concat").op).axis = 0; },
               "axis 0 is the batch"},
        Broken{"concat shapes", [](Graph& g) { Find(g, "concat").inputs[0] = "p2"; }, "cannot concatenate"},
        Broken{"concat nothing", [](Graph& g) { Find(g, "concat").inputs.clear(); }, "has no inputs"},
        Broken{"gather index", [](Graph& g) { std::get<op::Gather>(Find(g, "gather").op).indices[1] = 14; },
               "index 14"},
        Broken{"gather negative", [](Graph& g) { std::get<op::Gather>(Find(g, "gather").op).indices[1] = -15; },
               "index -15"},
        Broken{"gather nothing", [](Graph& g) { std::get<op::Gather>(Find(g, "gather").op).indices.clear(); },
               "no indices"}));

INSTANTIATE_TEST_SUITE_P(
    PlaintextOperators, InferShapesRefuses,
    testing::Values(
        Broken{"dilation", [](Graph& g) { std::get<op::Conv>(Find(g, "dilated").op).window.dilations[1] = 0; },
               "dilation 0 lies outside"},
        Broken{"huge dilation",
               [](Graph& g) { std::get<op::Conv>(Find(g, "dilated").op).window.dilations[1] = int64_t{1} << 31; },
               "exceeds the padded input side"},
        Broken{"holes", [](Graph& g) { std::get<op::MaxPool>(Find(g, "dilated_max").op).window.dilations[0] = 8; },
               "a window may hold padding only"},
        Broken{"transposed channels",
               [](Graph& g) {
                 g.initializers["wt"] = PatternTensor({6, 2, 3, 2}, 0);
               },
               "(ConvTranspose): input 1 has shape"},
        Broken{"transposed bias", [](Graph& g) { g.initializers["bt"] = PatternTensor({2}, 0); },
               "input 2 has shape (2), needs (4)"},
        Broken{"transposed groups", [](Graph& g) { std::get<op::ConvTranspose>(Find(g, "transposed").op).groups = 3; },
               "group 3 does not divide"},
        Broken{"output padding",
               [](Graph& g) { std::get<op::ConvTranspose>(Find(g, "transposed").op).output_padding[0] = 2; },
               "output padding 2 is not below"},
        Broken{"cropped", [](Graph& g) { std::get<op::ConvTranspose>(Find(g, "transposed").op).window.pads[0] = 8; },
               "leave nothing of the output side 8"},
        Broken{"transposed stride",
               [](Graph& g) {
                 std::get<op::ConvTranspose>(Find(g, "transposed").op).window.strides[0] = int64_t{1} << 31;
               },
               "an output side exceeds"},
        Broken{"layer norm", [](Graph& g) { g.initializers["ln_scale"] = PatternTensor({5}, 0); }, "needs (7, 5)"},
        Broken{"layer norm axis", [](Graph& g) { std::get<op::LayerNormalization>(Find(g, "layer_norm").op).axis = 0; },
               "axis 0 is the batch"},
        Broken{"layer norm epsilon",
               [](Graph& g) { std::get<op::LayerNormalization>(Find(g, "layer_norm").op).epsilon = -1; }, "epsilon -1"},
        Broken{"group norm", [](Graph& g) { std::get<op::GroupNormalization>(Find(g, "group_norm").op).groups = 3; },
               "group 3 does not divide"},
        Broken{"lrn", [](Graph& g) { std::get<op::LRN>(Find(g, "lrn").op).size = 0; }, "size 0 lies outside"},
        Broken{"lrn bias", [](Graph& g) { std::get<op::LRN>(Find(g, "lrn").op).bias = INFINITY; },
               "an attribute is inf"},
        Broken{"sizes", [](Graph& g) { std::get<op::Resize>(Find(g, "linear").op).sizes.pop_back(); },
               "2 sizes for 3 dimensions"},
        Broken{"no size", [](Graph& g) { std::get<op::Resize>(Find(g, "linear").op).sizes[1] = 0; },
               "size 0 lies outside [1, 2^20]"},
        Broken{"large size", [](Graph& g) { std::get<op::Resize>(Find(g, "linear").op).sizes[1] = 1 << 21; },
               "size 2097152 lies outside"},
        Broken{"scales", [](Graph& g) { std::get<op::Resize>(Find(g, "nearest").op).scales.pop_back(); },
               "2 scales for 3 dimensions"},
        Broken{"scale", [](Graph& g) { std::get<op::Resize>(Find(g, "nearest").op).scales[1] = 1.5f; },
               "scale 1.5 does not make 9 of 9"},
        Broken{"scale NaN", [](Graph& g) { std::get<op::Resize>(Find(g, "nearest").op).scales[1] = std::nanf(""); },
               "scale nan"},
        Broken{"permutation",
               [](Graph& g) {
                 std::get<op::Transpose>(Find(g, "turned").op).permutation = {1, 0, 2};
               },
               "moves the batch"},
        Broken{"no permutation",
               [](Graph& g) {
                 std::get<op::Transpose>(Find(g, "turned").op).permutation = {0, 2, 2};
               },
               "is not one of 3 dimensions"},
        Broken{"slice", [](Graph& g) { std::get<op::Slice>(Find(g, "slice").op).end = 10; },
               "1 to 10 is not a part of the 9"},
        Broken{"slice step", [](Graph& g) { std::get<op::Slice>(Find(g, "slice").op).step = 0; },
               "step 0 lies outside"},
        Broken{"slice batch", [](Graph& g) { std::get<op::Slice>(Find(g, "slice").op).axis = 0; },
               "axis 0 is the batch"},
        Broken{"token",
               [](Graph& g) {
                 g.initializers["token"] = PatternTensor({2, 1, 8}, 0);
               },
               "cannot concatenate"},
        Broken{"product", [](Graph& g) { Find(g, "product").inputs[1] = "t2"; }, "(MatMul): cannot multiply"},
        Broken{"product of constants",
               [](Graph& g) {
                 Find(g, "matmul").inputs = {"w4", "w4"};
               },
               "input 1 is an initializer"},
        Broken{"slopes",
               [](Graph& g) {
                 g.initializers["slopes"] = PatternTensor({8, 3}, 0);
               },
               "(PRelu): cannot broadcast"},
        Broken{"computed slopes", [](Graph& g) { Find(g, "prelu").inputs[1] = "m19"; },
               "input 1 must be an initializer"},
        Broken{"power", [](Graph& g) { std::get<op::Pow>(Find(g, "pow").op).exponent = INFINITY; },
               "an attribute is inf"},
        Broken{"sum of images", [](Graph& g) { std::get<op::ReduceSum>(Find(g, "sums").op).axes = {0}; },
               "axis 0 is the batch"}));

// An initializer with a row for each image fits one batch size only, whichever the caller asks for.
TEST(InferShapes, RefusesInitializersWithABatch) {
  for (const int64_t rows : {1, 3}) {
    const Graph g = SingleNodeGraph({4}, op::Add{}, {{"b", PatternTensor({rows, 4}, 1)}}, {"x", "b"}, {4});
    for (const int64_t batch : {1, 3, 5}) EXPECT_EQ(InferShapes(g, batch).ok(), rows == 1) << rows << " " << batch;
  }
}

}  // namespace
}  // namespace privdnn
