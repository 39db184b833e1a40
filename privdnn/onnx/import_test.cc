// Versions, the order of nodes, initializers that several nodes read, and the shape of the input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/onnx/sharing.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> NodeNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  return names;
}

// x -> a -> b -> c -> y, and d beside b.
onnx::ModelProto Chain(const std::vector<std::string>& order) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  for (const std::string& node : order) {
    const std::map<std::string, std::vector<std::string>> inputs = {
        {"a", {"x"}}, {"b", {"va"}}, {"c", {"vb", "vd"}}, {"d", {"va"}}};
    AddNode(model, node == "c" ? "Add" : "Relu", inputs.at(node), {node == "c" ? "y" : "v" + node}).set_name(node);
  }
  return model;
}

TEST(OnnxOrder, SortsNodes) {
  EXPECT_THAT(NodeNames(ImportModel(Chain({"c", "d", "b", "a"})).value()), ElementsAre("a", "b", "d", "c"));
  EXPECT_THAT(NodeNames(ImportModel(Chain({"d", "a", "c", "b"})).value()), ElementsAre("a", "d", "b", "c"));
}

TEST(OnnxOrder, KeepsNodesThatAreInOrder) {
  EXPECT_THAT(NodeNames(ImportModel(Chain({"a", "d", "b", "c"})).value()), ElementsAre("a", "d", "b", "c"));
  EXPECT_THAT(NodeNames(ImportModel(Chain({"a", "b", "d", "c"})).value()), ElementsAre("a", "b", "d", "c"));
}

TEST(OnnxOrder, ReversedChainsTakeLinearTime) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  constexpr int kNodes = 100'000;
  for (int i = kNodes - 1; i >= 0; --i) {
    AddNode(model, i % 1000 == 0 ? "Relu" : "Identity", {i == 0 ? "x" : "v" + std::to_string(i - 1)},
            {i == kNodes - 1 ? "y" : "v" + std::to_string(i)});
  }
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), 100u);
}

TEST(OnnxVersions, ReadsEveryOperatorSet) {
  for (int opset = 7; opset <= 22; ++opset) {
    onnx::ModelProto model = EmptyModel({2, 3, 3}, {2, 3, 3}, opset);
    model.set_ir_version(opset < 9 ? 3 : 11);
    for (const char* name : {"scale", "shift", "mean", "variance"}) {
      *model.mutable_graph()->add_initializer() = FloatTensor(name, {2}, {1, 2});
    }
    // Operator sets 7 and 8 have an attribute that later ones don't, and outputs of training that nobody reads.
    onnx::NodeProto& norm = AddNode(model, "BatchNormalization", {"x", "scale", "shift", "mean", "variance"}, {"n"});
    AddNode(model, "Relu", {"n"}, {"y"});
    if (opset < 9) {
      for (const char* name : {"new_mean", "new_variance", "saved_mean", "saved_variance"}) norm.add_output(name);
      *norm.add_attribute() = IntAttribute("spatial", 1);
    }
    const auto graph = ImportModel(model);
    ASSERT_TRUE(graph.ok()) << opset << ": " << graph.status();
    EXPECT_EQ(graph->nodes.size(), 2u);
    norm.clear_attribute();
    *norm.add_attribute() = IntAttribute("spatial", 0);
    EXPECT_THAT(Message(ImportModel(model).status()),
                HasSubstr(opset < 9 ? "'spatial' = 0 is not supported" : "attribute 'spatial' is not supported"));
  }
}

// --- initializers that several nodes read ---

void AddWeights(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& shape, float value,
                float first) {
  int64_t count = 1;
  for (const int64_t d : shape) count *= d;
  std::vector<float> values(static_cast<size_t>(count), value);
  values[0] = first;
  *model.mutable_graph()->add_initializer() = FloatTensor(name, shape, values);
}

// As PyTorch exports equal biases: one initializer, and Identity nodes.
TEST(OnnxSharing, GivesEachReaderItsBias) {
  onnx::ModelProto model = EmptyModel({3}, {3});
  AddWeights(model, "w", {3, 3}, 1, 2);
  AddWeights(model, "v", {3, 3}, 1, 3);
  AddWeights(model, "b", {3}, 0, 1);
  AddWeights(model, "b_2", {3}, 5, 6);
  AddNode(model, "Identity", {"b"}, {"same"});
  AddNode(model, "Gemm", {"x", "w", "b"}, {"g"});
  AddNode(model, "Gemm", {"g", "v", "same"}, {"h"});
  AddNode(model, "Add", {"h", "b_2"}, {"i"});
  AddNode(model, "Add", {"i", "b"}, {"y"});
  const Graph graph = ImportModel(model).value();
  EXPECT_EQ(graph.nodes[0].inputs[2], "b");
  EXPECT_EQ(graph.nodes[1].inputs[2], "b_3");
  EXPECT_EQ(graph.nodes[2].inputs[1], "b_2");
  EXPECT_EQ(graph.nodes[3].inputs[1], "b_4");
  for (const char* name : {"b", "b_3", "b_4"}) EXPECT_EQ(graph.initializers.at(name), (Tensor{{3}, {1, 0, 0}}));
  EXPECT_EQ(graph.initializers.at("b_2"), (Tensor{{3}, {6, 5, 5}}));
  EXPECT_EQ(ImportOnnx(ExportOnnx(graph), "test").value(), graph);
}

TEST(OnnxSharing, GivesBatchNormalizationFourVectors) {
  onnx::ModelProto model = EmptyModel({2, 3, 3}, {2, 3, 3});
  AddWeights(model, "one", {2}, 1, 1);
  AddWeights(model, "zero", {2}, 0, 0);
  AddNode(model, "BatchNormalization", {"x", "one", "zero", "zero", "one"}, {"y"});
  EXPECT_THAT(ImportModel(model).value().nodes.at(0).inputs, ElementsAre("x", "one", "zero", "zero_2", "one_2"));
}

TEST(OnnxSharing, KeepsWeightsThatALayerAppliesTwice) {
  for (const float first : {1.0f, 0.5f}) {
    onnx::ModelProto model = EmptyModel({3}, {3});
    AddWeights(model, "w", {3, 3}, 1, first);
    AddNode(model, "MatMul", {"x", "w"}, {"m"});
    AddNode(model, "MatMul", {"m", "w"}, {"y"});
    const Graph graph = ImportModel(model).value();
    // All values the same: nothing is shared but a number.
    EXPECT_EQ(graph.nodes[1].inputs[1], first == 1 ? "w_2" : "w");
  }
}

TEST(OnnxSharing, BoundsCopies) {
  Graph graph = SingleNodeGraph({3}, op::Add{}, {{"b", {{3}, {1, 2, 3}}}}, {"x", "b"}, {3});
  for (int i = 0; i < 3; ++i) graph.nodes.push_back(graph.nodes[0]);
  ConstantBudget enough{3 * 12}, little{3 * 12 - 1};
  Graph copied = graph;
  EXPECT_TRUE(SeparateInitializers(copied, enough).ok());
  EXPECT_EQ(enough.bytes_left, 0u);
  EXPECT_EQ(copied.initializers.size(), 4u);
  EXPECT_THAT(Message(SeparateInitializers(graph, little)),
              HasSubstr("initializer 'b', read in 4 places: the model's constants take more than"));
}

// --- the shape of the input ---

// An input of (batch, 1, h, w), as exported with these dimensions; -1: symbolic.
onnx::ModelProto Pooled(int64_t h, int64_t w) {
  onnx::ModelProto model = EmptyModel({1, h, w}, {1, 1, 1});
  AddNode(model, "GlobalAveragePool", {"x"}, {"y"});
  return model;
}

absl::StatusOr<Graph> ImportAs(const onnx::ModelProto& model, const std::vector<int64_t>& shape) {
  const std::string bytes = model.SerializeAsString();
  return ImportOnnx(AsBytes(bytes), "test", {shape});
}

TEST(OnnxInputShape, FillsInWhatIsOpen) {
  onnx::ModelProto no_shape = Pooled(1, 1);
  no_shape.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  for (const auto& model : {Pooled(-1, -1), Pooled(0, 9), Pooled(8, 9), no_shape}) {
    const auto graph = ImportAs(model, {1, 8, 9});
    ASSERT_TRUE(graph.ok()) << graph.status();
    EXPECT_EQ(graph->inputs[0].shape, (std::vector<int64_t>{-1, 1, 8, 9}));
    EXPECT_EQ(std::get<op::AveragePool>(graph->nodes.at(0).op).window.kernel, (std::array<int64_t, 2>{8, 9}));
  }
}

TEST(OnnxInputShape, IsAskedForWhereItIsMissing) {
  const auto error = [](const onnx::ModelProto& model) {
    const auto graph = ImportModel(model);
    EXPECT_TRUE(absl::IsFailedPrecondition(graph.status())) << graph.status();
    return Message(graph.status());
  };
  EXPECT_EQ(error(Pooled(8, -1)),
            "test: graph input 'x': dimension 3 ('batch') is not a positive number; an input shape must be given");
  EXPECT_THAT(error(Pooled(0, 8)), HasSubstr("dimension 2 is not a positive number"));
  onnx::ModelProto model = Pooled(1, 1);
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_THAT(error(model), HasSubstr("graph input 'x': has no shape; an input shape must be given"));
}

TEST(OnnxInputShape, MustNotContradictTheModel) {
  const auto error = [](const onnx::ModelProto& model, const std::vector<int64_t>& shape) {
    const auto graph = ImportAs(model, shape);
    EXPECT_TRUE(absl::IsInvalidArgument(graph.status())) << graph.status();
    return Message(graph.status());
  };
  EXPECT_EQ(error(Pooled(8, -1), {1, 9, 9}),
            "test: graph input 'x': dimension 2 is 8, which contradicts the input shape (1, 9, 9)");
  EXPECT_THAT(error(Pooled(8, -1), {8, 9}),
              HasSubstr("has 4 dimensions with the batch, the input shape (8, 9) makes 3"));
  EXPECT_THAT(error(Pooled(-1, -1), {1, 0, 9}), HasSubstr("has a dimension that is not positive"));
  EXPECT_THAT(error(Pooled(-1, -1), {1, 1 << 20, 1 << 20}), HasSubstr("more than 2147483648 elements"));
  onnx::ModelProto two = Pooled(8, 8);
  *two.mutable_graph()->add_input() = FloatValue("z", {-1, 1, 8, 8});
  EXPECT_THAT(error(two, {1, 8, 8}), HasSubstr("an input shape is given, but the graph has 2 inputs: 'x', 'z'"));
  two.mutable_graph()->mutable_input(0)->CopyFrom(FloatValue("x", {-1, 1, -1, 8}));
  EXPECT_THAT(error(two, {}), HasSubstr("dimension 2 ('batch') is not a positive number; an input shape must be given, "
                                        "but the graph has 2 inputs: 'x', 'z'"));
}

}  // namespace
}  // namespace privdnn
