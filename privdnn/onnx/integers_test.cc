// Arithmetic on shapes, as exporters write it around Reshape.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

// One node after shape arithmetic; no constant is left.
void ExpectSingleNode(const onnx::ModelProto& model, const Op& op) {
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(graph->nodes[0].op, op);
  EXPECT_TRUE(graph->initializers.empty());
  EXPECT_EQ(ImportOnnx(ExportOnnx(*graph), "test").value(), *graph);
}

void AddInts(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& shape,
             const std::vector<int64_t>& values) {
  *model.mutable_graph()->add_initializer() = IntTensor64(name, shape, values);
}

// x.view(x.size(0), -1), as PyTorch exports it.
TEST(OnnxShapes, FoldsTheBatchThatPyTorchTakesApart) {
  for (const int opset : {9, 11, 13, 17}) {
    onnx::ModelProto model = EmptyModel({3, 4}, {12}, opset);
    AddInts(model, "zero", {}, {0});
    AddInts(model, "rest", {1}, {-1});
    AddNode(model, "Shape", {"x"}, {"shape"});
    AddNode(model, "Gather", {"shape", "zero"}, {"n"}, {IntAttribute("axis", 0)});
    if (opset < 13) {
      AddNode(model, "Unsqueeze", {"n"}, {"n1"}, {IntsAttribute("axes", {0})});
    } else {
      AddInts(model, "axes", {1}, {0});
      AddNode(model, "Unsqueeze", {"n", "axes"}, {"n1"});
    }
    AddNode(model, "Concat", {"n1", "rest"}, {"target"}, {IntAttribute("axis", 0)});
    AddNode(model, "Reshape", {"x", "target"}, {"y"});
    ExpectSingleNode(model, op::Reshape{{0, -1}});
  }
}

// As other exporters write it: the shape sliced, cast there and back.
TEST(OnnxShapes, FoldsSlicesAndCasts) {
  for (const int opset : {9, 13}) {
    onnx::ModelProto model = EmptyModel({3, 4, 5}, {3, 20}, opset);
    AddInts(model, "rest", {1}, {-1});
    AddNode(model, "Shape", {"x"}, {"shape"});
    AddNode(model, "Cast", {"shape"}, {"narrow"}, {IntAttribute("to", onnx::TensorProto::INT32)});
    if (opset < 10) {
      AddNode(model, "Slice", {"narrow"}, {"part"}, {IntsAttribute("starts", {0}), IntsAttribute("ends", {-2})});
    } else {
      AddInts(model, "start", {1}, {-100});
      AddInts(model, "end", {1}, {2});
      AddInts(model, "axis", {1}, {0});
      AddNode(model, "Slice", {"narrow", "start", "end", "axis"}, {"part"});
    }
    AddNode(model, "Concat", {"part", "rest"}, {"target32"}, {IntAttribute("axis", 0)});
    AddNode(model, "Cast", {"target32"}, {"target"}, {IntAttribute("to", onnx::TensorProto::INT64)});
    AddNode(model, "Reshape", {"x", "target"}, {"y"});
    ExpectSingleNode(model, op::Reshape{{0, 3, -1}});
  }
}

// The part of a shape that operator set 15 can ask for.
TEST(OnnxShapes, TakesPartsOfShapes) {
  const auto part = [](const std::vector<int64_t>& output, std::vector<onnx::AttributeProto> bounds) {
    onnx::ModelProto model = EmptyModel({3, 4, 5}, output, 15);
    AddInts(model, "rest", {1}, {-1});
    AddNode(model, "Shape", {"x"}, {"part"}, std::move(bounds));
    AddNode(model, "Concat", {"part", "rest"}, {"target"}, {IntAttribute("axis", 0)});
    AddNode(model, "Reshape", {"x", "target"}, {"y"});
    return std::get<op::Reshape>(ImportModel(model)->nodes[0].op).shape;
  };
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(part({60}, {IntAttribute("end", 1)}), (Ints{0, -1}));
  EXPECT_EQ(part({3, 20}, {IntAttribute("start", 0), IntAttribute("end", -2)}), (Ints{0, 3, -1}));
  EXPECT_EQ(part({3, 20}, {IntAttribute("start", -100), IntAttribute("end", 2)}), (Ints{0, 3, -1}));
}

TEST(OnnxShapes, SqueezesAndUnsqueezesValues) {
  onnx::ModelProto old = EmptyModel({3, 1, 1}, {3}, 11);
  AddNode(old, "Squeeze", {"x"}, {"y"}, {IntsAttribute("axes", {-1, 2})});
  ExpectSingleNode(old, op::Reshape{{0, 3}});
  onnx::ModelProto all = EmptyModel({3, 1, 1}, {3});
  AddNode(all, "Squeeze", {"x"}, {"y"});
  ExpectSingleNode(all, op::Reshape{{0, 3}});
  onnx::ModelProto unsqueeze = EmptyModel({3}, {1, 3, 1});
  AddInts(unsqueeze, "axes", {2}, {3, 1});
  AddNode(unsqueeze, "Unsqueeze", {"x", "axes"}, {"y"});
  ExpectSingleNode(unsqueeze, op::Reshape{{0, 1, 3, 1}});
}

TEST(OnnxShapes, CastsToFloatsAreNothing) {
  onnx::ModelProto model = EmptyModel({3}, {3});
  AddNode(model, "Cast", {"x"}, {"c"}, {IntAttribute("to", onnx::TensorProto::FLOAT)});
  AddNode(model, "Relu", {"c"}, {"y"});
  ExpectSingleNode(model, op::Relu{});
}

std::string Refusal(const onnx::ModelProto& model) { return Message(ImportModel(model).status()); }

TEST(OnnxShapes, RefusesABatchInAnotherPlace) {
  onnx::ModelProto model = EmptyModel({3, 4}, {12});
  AddInts(model, "rest", {1}, {-1});
  AddNode(model, "Shape", {"x"}, {"shape"});
  AddInts(model, "zero", {1}, {0});
  AddNode(model, "Gather", {"shape", "zero"}, {"n"});
  AddNode(model, "Concat", {"n", "n"}, {"target"}, {IntAttribute("axis", 0)});
  AddNode(model, "Reshape", {"x", "target"}, {"y"}).set_name("r");
  EXPECT_THAT(Refusal(model), HasSubstr("node 'r' (Reshape): its shape has the size of the batch behind"));
  model.mutable_graph()->mutable_node(2)->set_input(0, "rest");
  EXPECT_THAT(Refusal(model), HasSubstr("depends on the size of the batch"));
}

TEST(OnnxShapes, RefusesWhatItCannotFold) {
  const auto refusal = [](const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<onnx::AttributeProto>& attributes) {
    onnx::ModelProto model = EmptyModel({3, 1}, {3, 1}, 11);
    AddInts(model, "i", {1}, {5});
    AddInts(model, "s", {}, {1});
    AddInts(model, "zero", {}, {0});
    AddInts(model, "large", {1}, {INT64_MAX});
    AddInts(model, "million", {1}, {2'000'000});
    *model.mutable_graph()->add_initializer() = FloatTensor("f", {1}, {5});
    AddNode(model, "Shape", {"x"}, {"shape"});
    AddNode(model, op, inputs, {"z"}, attributes).set_name("n");
    AddNode(model, "Relu", {"x"}, {"y"});
    return Refusal(model);
  };
  EXPECT_THAT(refusal("Shape", {"f", "i"}, {}), HasSubstr("has 2 inputs"));
  EXPECT_THAT(refusal("Cast", {"x"}, {IntAttribute("to", onnx::TensorProto::INT64)}),
              HasSubstr("node 'n' (Cast): a cast of floats to INT64 is not supported"));
  EXPECT_THAT(refusal("Cast", {"shape"}, {IntAttribute("to", onnx::TensorProto::FLOAT)}),
              HasSubstr("computes with the size of the batch"));
  EXPECT_THAT(refusal("Cast", {"shape"}, {IntAttribute("to", INT64_MIN)}), HasSubstr("to -9223372036854775808"));
  EXPECT_THAT(refusal("Slice", {"shape", "i"}, {}), HasSubstr("has 1 starts, 0 ends"));
  EXPECT_THAT(refusal("Slice", {"shape", "i", "i", "i"}, {}), HasSubstr("axis 5 lies outside [-1, 1)"));
  EXPECT_THAT(refusal("Gather", {"shape", "i"}, {}), HasSubstr("index 5 lies outside [-3, 3)"));
  EXPECT_THAT(refusal("Gather", {"shape", "i"}, {IntAttribute("axis", 1)}), HasSubstr("axis 1 lies outside [-1, 1)"));
  EXPECT_THAT(refusal("Squeeze", {"x"}, {IntsAttribute("axes", {0})}), HasSubstr("axis 0 is the batch"));
  EXPECT_THAT(refusal("Squeeze", {"x"}, {IntsAttribute("axes", {1})}), HasSubstr("dimension 1 is 3, not 1"));
  EXPECT_THAT(refusal("Squeeze", {"x"}, {IntsAttribute("axes", {3})}), HasSubstr("axis 3 lies outside [-3, 3)"));
  EXPECT_THAT(refusal("Unsqueeze", {"x"}, {IntsAttribute("axes", {1, 1})}), HasSubstr("an axis is given twice"));
  EXPECT_THAT(refusal("Unsqueeze", {"x"}, {IntsAttribute("axes", {-4})}), HasSubstr("axis 0 is the batch"));
  EXPECT_THAT(refusal("Unsqueeze", {"x"}, {IntsAttribute("axes", {INT64_MIN})}), HasSubstr("lies outside [-4, 4)"));
  EXPECT_THAT(refusal("Unsqueeze", {"x"}, {}), HasSubstr("no axes"));
  EXPECT_THAT(refusal("Concat", {"i", "shape"}, {IntAttribute("axis", 1)}), HasSubstr("axis 1 lies outside [-1, 1)"));
  EXPECT_THAT(refusal("Concat", {"i", "x"}, {IntAttribute("axis", 1)}), HasSubstr("'i' is an integer tensor"));
  EXPECT_THAT(refusal("Add", {"shape", "shape"}, {}), HasSubstr("computes with the size of the batch"));
  EXPECT_THAT(refusal("Add", {"i", "f"}, {}), HasSubstr("one operand is an integer tensor, the other is not"));
  EXPECT_THAT(refusal("Div", {"i", "zero"}, {}), HasSubstr("Div of 5 and 0 is not a 64-bit integer"));
  EXPECT_THAT(refusal("Mul", {"i", "large"}, {}), HasSubstr("is not a 64-bit integer"));
  EXPECT_THAT(refusal("Range", {"s", "i", "zero"}, {}), HasSubstr("delta is 0"));
  EXPECT_THAT(refusal("Range", {"s", "large", "s"}, {}), HasSubstr("input 1 must be a constant integer in"));
  EXPECT_THAT(refusal("ConstantOfShape", {"large"}, {}), HasSubstr("elements"));
  EXPECT_THAT(refusal("ConstantOfShape", {"million"}, {}), HasSubstr("folded constants are too large"));
  EXPECT_THAT(refusal("Expand", {"f", "million"}, {}), HasSubstr("folded constants are too large"));
  EXPECT_THAT(refusal("Where", {"i", "f", "i"}, {}), HasSubstr("is supported for constant integers only"));
  EXPECT_THAT(refusal("Equal", {"shape", "i"}, {}), HasSubstr("depends on the size of the batch"));
}

// Folded tensors that double with every node must not end in an allocation.
TEST(OnnxShapes, GrowingShapesAreRefused) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddNode(model, "Shape", {"x"}, {"v"});
  std::string value = "v";
  for (int i = 0; i < 64; ++i) {
    AddNode(model, "Concat", {value, value}, {value + "v"}, {IntAttribute("axis", 0)});
    value += "v";
  }
  EXPECT_THAT(Refusal(model), HasSubstr("folded constants are too large for the model"));
}

}  // namespace
}  // namespace privdnn
