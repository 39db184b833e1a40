// Bytes that aren't models, or aren't any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "privdnn/onnx/structure.h"
#include "privdnn/onnx/tensor.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

// What import accepts must be a valid graph that survives another round.
void ExpectErrorOrValid(std::span<const uint8_t> bytes) {
  const auto graph = ImportOnnx(bytes, "hostile");
  if (!graph.ok()) {
    EXPECT_THAT(Message(graph.status()), testing::StartsWith("hostile: "));
    return;
  }
  EXPECT_TRUE(InferShapes(*graph).ok());
  const auto again = ImportOnnx(ExportOnnx(*graph), "again");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *graph);
}

TEST(HostileOnnx, EmptyAndRandomBytes) {
  EXPECT_FALSE(ImportOnnx({}, "empty").ok());
  uint64_t state = 1;
  for (int round = 0; round < 200; ++round) {
    Bytes bytes(static_cast<size_t>(round) * 3);
    for (uint8_t& b : bytes) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      b = static_cast<uint8_t>(state >> 56);
    }
    EXPECT_FALSE(ImportOnnx(bytes, "random").ok());
  }
}

TEST(HostileOnnx, TooManyOutputs) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddNode(model, "Relu", {"x"}, {"y"});
  for (int i = 0; i < 300; ++i) *model.mutable_graph()->add_output() = FloatValue("y" + std::to_string(i), {-1, 4});
  EXPECT_THAT(Message(ImportModel(model).status()), HasSubstr("301 graph outputs, more than the 256 allowed"));
}

TEST(HostileOnnx, EveryTruncation) {
  const Bytes model = ExportOnnx(EveryOperatorGraph());
  for (size_t size = 0; size < model.size(); ++size) ExpectErrorOrValid(std::span(model).first(size));
}

// Which bytes of the graph's model are the weights of its larger initializers.
std::vector<bool> FindWeights(const Graph& graph, const Bytes& model) {
  std::vector<bool> weights(model.size());
  for (const auto& [name, tensor] : graph.initializers) {
    if (tensor.size() < 8) continue;
    const std::string_view bytes(reinterpret_cast<const char*>(tensor.values.data()),
                                 tensor.values.size() * sizeof(float));
    const size_t at = AsStringView(model).find(bytes);
    EXPECT_NE(at, std::string_view::npos) << name;
    std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(at), bytes.size(), true);
  }
  return weights;
}

// Each node of the graph as a graph: short models, so that each bit of each can be tried.
std::vector<Graph> NodesAlone(const Graph& graph) {
  const Shapes shapes = InferShapes(graph).value();
  const auto info = [&](const std::string& value) {
    std::vector<int64_t> shape = shapes.at(value);
    shape[0] = -1;
    return ValueInfo{value, std::move(shape)};
  };
  std::vector<Graph> alone;
  for (const Node& node : graph.nodes) {
    Graph one;
    one.nodes = {node};
    one.outputs = {info(node.output)};
    for (const std::string& input : node.inputs) {
      if (graph.initializers.contains(input)) {
        one.initializers[input] = graph.initializers.at(input);
      } else if (one.inputs.empty() || one.inputs.back().name != input) {
        one.inputs.push_back(info(input));
      }
    }
    alone.push_back(std::move(one));
  }
  return alone;
}

// Of weights only the exponent, which turns numbers into infinities.
TEST(HostileOnnx, EveryFlippedBit) {
  for (const Graph& graph : NodesAlone(EveryOperatorGraph())) {
    SCOPED_TRACE(graph.nodes[0].name);
    Bytes model = ExportOnnx(graph);
    ASSERT_TRUE(ImportOnnx(model, "sound").ok());
    const std::vector<bool> weights = FindWeights(graph, model);
    for (size_t i = 0; i < model.size(); ++i) {
      for (int bit = weights[i] ? 6 : 0; bit < 8; ++bit) {
        model[i] ^= static_cast<uint8_t>(1 << bit);
        ExpectErrorOrValid(model);
        model[i] ^= static_cast<uint8_t>(1 << bit);
      }
    }
  }
}

TEST(HostileOnnx, EveryByteReplacedByExtremes) {
  for (const Graph& graph : NodesAlone(EveryOperatorGraph())) {
    SCOPED_TRACE(graph.nodes[0].name);
    Bytes model = ExportOnnx(graph);
    const std::vector<bool> weights = FindWeights(graph, model);
    for (size_t i = 0; i < model.size(); ++i) {
      if (weights[i]) continue;
      const uint8_t original = model[i];
      for (const uint8_t value : {0x00, 0x7f, 0x80, 0xff}) {
        model[i] = value;
        ExpectErrorOrValid(model);
      }
      model[i] = original;
    }
  }
}

// Two bytes of encoding make an empty node, which takes some 200 in memory.
TEST(HostileOnnx, StructureIsBounded) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  for (int i = 0; i < 5'000'000; ++i) model.mutable_graph()->add_node();
  const std::string bytes = model.SerializeAsString();
  model.Clear();
  EXPECT_THAT(Message(ImportOnnx(AsBytes(bytes), "test").status()), HasSubstr("besides the tensors' data"));
}

// In an initializer or a Constant node, in any field that holds data.
TEST(HostileOnnx, WeightsDoNotCountAsStructure) {
  constexpr int kCount = 5'000'000;
  onnx::TensorProto raw;
  WriteTensor("large", Tensor::Zeros({kCount}), raw);
  onnx::TensorProto halves = IntTensor64("large", {kCount}, {});
  onnx::TensorProto doubles = halves, integers = halves;
  halves.set_data_type(onnx::TensorProto::FLOAT16);
  doubles.set_data_type(onnx::TensorProto::DOUBLE);
  halves.mutable_int32_data()->Resize(kCount, 0x3c00);
  doubles.mutable_double_data()->Resize(kCount, 1);
  integers.mutable_int64_data()->Resize(kCount, 1000);
  for (const onnx::TensorProto& tensor : {raw, halves, doubles, integers}) {
    ASSERT_GT(tensor.ByteSizeLong(), kMaxStructureBytes);
    onnx::ModelProto model = EmptyModel({4}, {4});
    AddNode(model, "Relu", {"x"}, {"y"});
    onnx::ModelProto constant = model;
    *model.mutable_graph()->add_initializer() = tensor;
    AddNode(constant, "Constant", {}, {"large"}, {TensorAttribute("value", tensor)});
    EXPECT_TRUE(ImportModel(model).ok()) << ImportModel(model).status();
    EXPECT_TRUE(ImportModel(constant).ok()) << ImportModel(constant).status();
  }
}

// A message in field `number` of another.
std::string Field(int number, const std::string& bytes) {
  std::string field(1, static_cast<char>(number << 3 | 2));
  size_t size = bytes.size();
  for (; size >= 0x80; size >>= 7) field += static_cast<char>(size | 0x80);
  field += static_cast<char>(size);
  return field + bytes;
}

// A byte of encoding makes an integer of 8, so a file far below the largest can take more than that in memory.
TEST(HostileOnnx, DataIsBoundedAsDecoded) {
  const std::string tensor = Field(onnx::TensorProto::kInt64DataFieldNumber, std::string(kMaxModelBytes / 8 + 1, 1));
  const std::string attribute = Field(onnx::AttributeProto::kTFieldNumber, tensor);
  for (const std::string& graph :
       {Field(onnx::GraphProto::kInitializerFieldNumber, tensor),
        Field(onnx::GraphProto::kNodeFieldNumber, Field(onnx::NodeProto::kAttributeFieldNumber, attribute))}) {
    EXPECT_EQ(Message(CheckStructureSize(AsBytes(Field(onnx::ModelProto::kGraphFieldNumber, graph)))),
              "its tensors take 1073741832 bytes, more than the 1073741824 allowed");
  }
}

TEST(HostileOnnx, TensorsOfSubGraphsCountAsStructure) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  onnx::AttributeProto& body = *AddNode(model, "If", {"x"}, {"y"}).add_attribute();
  body.mutable_g()->add_initializer()->set_raw_data(std::string(kMaxStructureBytes, 'a'));
  EXPECT_THAT(Message(ImportModel(model).status()), HasSubstr("besides the tensors' data"));
}

// Shapes that double with every node must not end in an allocation.
TEST(HostileOnnx, GrowingShapesAreRefused) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  std::string value = "x";
  for (int i = 0; i < 64; ++i) {
    const std::string next = "v" + std::to_string(i);
    AddNode(model, "Concat", {value, value}, {next}, {IntAttribute("axis", 1)});
    value = next;
  }
  EXPECT_THAT(Message(ImportModel(model).status()), HasSubstr("elements"));
}

// A dimension of 0 makes a constant of no bytes, whatever the others are.
TEST(HostileOnnx, EmptyConstantsTakeNoTime) {
  for (const int64_t large : {int64_t{1} << 62, int64_t{1} << 31}) {
    onnx::ModelProto concat = EmptyModel({4}, {4});
    *concat.mutable_graph()->add_initializer() = FloatTensor("e", {large, 0}, {});
    AddNode(concat, "Concat", {"e", "e"}, {"c"}, {IntAttribute("axis", 1)});
    AddNode(concat, "Relu", {"x"}, {"y"});
    onnx::ModelProto add = EmptyModel({4}, {4});
    *add.mutable_graph()->add_initializer() = FloatTensor("e", {large, 0}, {});
    *add.mutable_graph()->add_initializer() = FloatTensor("one", {1, 1}, {1});
    AddNode(add, "Add", {"one", "e"}, {"c"});
    AddNode(add, "Relu", {"x"}, {"y"});
    EXPECT_EQ(ImportModel(concat).ok(), large == int64_t{1} << 31);
    EXPECT_FALSE(ImportModel(add).ok());
  }
}

// Small nodes whose indices, or tables, are large.
TEST(HostileOnnx, TablesAreBoundedByTheModel) {
  onnx::ModelProto expand = EmptyModel({1}, {1});
  *expand.mutable_graph()->add_initializer() = IntTensor64("many", {2}, {1, 1 << 20});
  for (const char* name : {"zero", "one"}) {
    *expand.mutable_graph()->add_initializer() = IntTensor64(name, {1}, {name[0] == 'o'});
  }
  std::string value = "x";
  for (int i = 0; i < 8; ++i) {
    AddNode(expand, "Expand", {value, "many"}, {fmt::format("e{}", i)});
    AddNode(expand, "Slice", {fmt::format("e{}", i), "zero", "one", "one"}, {fmt::format("s{}", i)});
    value = fmt::format("s{}", i);
  }
  AddNode(expand, "Relu", {value}, {"y"});
  EXPECT_THAT(Message(ImportModel(expand).status()), HasSubstr("too large for the model"));

  onnx::ModelProto resize = EmptyModel({1, 1, 1}, {1, 1, 1});
  *resize.mutable_graph()->add_initializer() = IntTensor64("large", {4}, {1, 1, 1, 1 << 20});
  *resize.mutable_graph()->add_initializer() = IntTensor64("small", {4}, {1, 1, 1, 1});
  value = "x";
  for (int i = 0; i < 8; ++i) {
    AddNode(resize, "Resize", {value, "", "", i % 2 == 0 ? "large" : "small"}, {fmt::format("r{}", i)});
    value = fmt::format("r{}", i);
  }
  AddNode(resize, "Relu", {value}, {"y"});
  EXPECT_THAT(Message(ImportModel(resize).status()), HasSubstr("too large for the model"));
}

TEST(HostileOnnx, SumsOfManyOperandsTakeLinearTime) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddNode(model, "Sum", std::vector<std::string>(20'000, "x"), {"y"});
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), 19'999u);
}

TEST(HostileOnnx, ManyPartsOfALongConstantTakeLinearTime) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  *model.mutable_graph()->add_initializer() = FloatTensor("long", {1 << 20}, std::vector<float>(1 << 20, 1));
  *model.mutable_graph()->add_initializer() = IntTensor64("one", {1}, {1});
  for (int i = 0; i < 10'000; ++i) AddNode(model, "Gather", {"long", "one"}, {fmt::format("g{}", i)});
  AddNode(model, "Mul", {"x", "g9999"}, {"y"});
  EXPECT_TRUE(ImportModel(model).ok());
}

TEST(HostileOnnx, DeepNestingIsRefused) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  onnx::NodeProto* node = &AddNode(model, "Relu", {"x"}, {"y"});
  for (int i = 0; i < 2000; ++i) {
    onnx::AttributeProto& attribute = *node->add_attribute();
    attribute.set_name("body");
    attribute.set_type(onnx::AttributeProto::GRAPH);
    node = attribute.mutable_g()->add_node();
  }
  EXPECT_FALSE(ImportModel(model).ok());
}

TEST(HostileOnnx, LongChainsTakeLinearTime) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  constexpr int kNodes = 100'000;
  for (int i = 0; i < kNodes; ++i) {
    AddNode(model, i % 2 == 0 ? "Identity" : "Relu", {i == 0 ? "x" : "v" + std::to_string(i - 1)},
            {i == kNodes - 1 ? "y" : "v" + std::to_string(i)});
  }
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), static_cast<size_t>(kNodes / 2));
}

}  // namespace
}  // namespace privdnn
