// Models that must be refused, and what the message must say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// A valid model to break: x (N, 2, 6, 6) -> Conv "conv" -> Relu "relu" -> y (N, 3, 4, 4).
onnx::ModelProto ValidModel() {
  onnx::ModelProto model = EmptyModel({2, 6, 6}, {3, 4, 4});
  *model.mutable_graph()->add_initializer() = FloatTensor("w", {3, 2, 3, 3}, std::vector<float>(54, 0.5f));
  *model.mutable_graph()->add_initializer() = FloatTensor("b", {3}, {1, 2, 3});
  AddNode(model, "Conv", {"x", "w", "b"}, {"c"}).set_name("conv");
  AddNode(model, "Relu", {"c"}, {"y"}).set_name("relu");
  return model;
}

using Model = onnx::ModelProto;
struct Broken {
  const char* label;
  std::function<void(Model&)> change;
  const char* message;
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.label; }

onnx::NodeProto& ConvNode(Model& m) { return *m.mutable_graph()->mutable_node(0); }
onnx::NodeProto& ReluNode(Model& m) { return *m.mutable_graph()->mutable_node(1); }
onnx::TensorProto& Weights(Model& m) { return *m.mutable_graph()->mutable_initializer(0); }
onnx::TensorProto& AddInitializer(Model& m) { return *m.mutable_graph()->add_initializer(); }

// Replaces the Relu by another operator.
void Replace(Model& m, const std::string& op, const std::vector<std::string>& inputs,
             const std::vector<onnx::AttributeProto>& attributes = {}) {
  m.mutable_graph()->mutable_node()->RemoveLast();
  AddNode(m, op, inputs, {"y"}, attributes).set_name("n");
}
std::function<void(Model&)> With(const onnx::AttributeProto& attribute) {
  return [attribute](Model& m) { *ConvNode(m).add_attribute() = attribute; };
}
std::function<void(Model&)> Operator(const std::string& op, const std::vector<onnx::AttributeProto>& attributes) {
  return [op, attributes](Model& m) { Replace(m, op, {"c"}, attributes); };
}
// A second, constant input "k".
std::function<void(Model&)> OperatorWith(const std::string& op, const onnx::TensorProto& constant,
                                         const std::vector<onnx::AttributeProto>& attributes = {}) {
  return [op, constant, attributes](Model& m) {
    AddInitializer(m) = constant;
    Replace(m, op, {"c", "k"}, attributes);
  };
}

class ImportRefuses : public testing::TestWithParam<Broken> {};

TEST_P(ImportRefuses, WithAMessageThatSaysWhere) {
  ASSERT_TRUE(ImportModel(ValidModel()).ok()) << ImportModel(ValidModel()).status();
  Model model = ValidModel();
  GetParam().change(model);
  const auto graph = ImportModel(model);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(graph.status()), AllOf(StartsWith("test: "), HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Models, ImportRefuses,
    testing::Values(
        Broken{"no graph", [](Model& m) { m.clear_graph(); }, "no graph"},
        Broken{"no opset", [](Model& m) { m.clear_opset_import(); }, "does not name its ONNX operator set"},
        Broken{"old opset", [](Model& m) { m.mutable_opset_import(0)->set_version(6); }, "operator set 6"},
        Broken{"new opset", [](Model& m) { m.mutable_opset_import(0)->set_version(23); }, "supported: 7 to 22"},
        Broken{"no IR version", [](Model& m) { m.clear_ir_version(); }, "IR version 0 is not supported"},
        Broken{"new IR version", [](Model& m) { m.set_ir_version(12); }, "supported: 3 to 11"},
        Broken{"two opsets", [](Model& m) { m.add_opset_import()->set_version(13); }, "two versions"},
        Broken{"functions", [](Model& m) { m.add_functions(); }, "functions"},
        Broken{"training", [](Model& m) { m.add_training_info(); }, "training"},
        Broken{"sparse", [](Model& m) { m.mutable_graph()->add_sparse_initializer(); }, "sparse"},
        Broken{"integer input",
               [](Model& m) {
                 auto& type = *m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
                 type.set_elem_type(onnx::TensorProto::INT64);
               },
               "graph input 'x': its elements are of type INT64; floats are supported"},
        Broken{"input without dimensions", [](Model& m) { *m.mutable_graph()->mutable_input(0) = FloatValue("x", {}); },
               "graph input 'x': has no batch"},
        Broken{"sequence input",
               [](Model& m) { m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type(); },
               "is not a tensor"},
        Broken{"huge input",
               [](Model& m) {
                 *m.mutable_graph()->mutable_input(0) = FloatValue("x", {-1, 65536, 65536, 1});
               },
               "graph input 'x'"},
        Broken{"no inputs", [](Model& m) { m.mutable_graph()->clear_input(); }, "the graph has no inputs"},
        Broken{"no outputs", [](Model& m) { m.mutable_graph()->clear_output(); }, "no outputs"},
        Broken{"output shape",
               [](Model& m) {
                 *m.mutable_graph()->mutable_output(0) = FloatValue("y", {-1, 3, 4, 5});
               },
               "graph output 'y': has shape (-1, 3, 4, 4), declared as (-1, 3, 4, 5)"},
        Broken{"unknown output", [](Model& m) { m.mutable_graph()->mutable_output(0)->set_name("z"); },
               "graph output 'z'"},
        Broken{"constant output", [](Model& m) { m.mutable_graph()->mutable_output(0)->set_name("w"); },
               "graph output 'w'"},
        Broken{"input as output",
               [](Model& m) {
                 AddNode(m, "Identity", {"x"}, {"copy"});
                 *m.mutable_graph()->add_output() = FloatValue("copy", {-1, 2, 6, 6});
               },
               "graph output 'copy': is a copy of 'x'"},
        Broken{"output twice under two names",
               [](Model& m) {
                 AddNode(m, "Identity", {"y"}, {"copy"});
                 *m.mutable_graph()->add_output() = FloatValue("copy", {-1, 3, 4, 4});
               },
               "graph output 'copy': is a copy of 'y'"}));

INSTANTIATE_TEST_SUITE_P(
    Values, ImportRefuses,
    testing::Values(
        Broken{"initializer twice", [](Model& m) { AddInitializer(m) = Weights(m); }, "'w' is defined twice"},
        Broken{"unnamed initializer", [](Model& m) { AddInitializer(m) = FloatTensor("", {1}, {1}); }, "no name"},
        Broken{"value twice", [](Model& m) { ReluNode(m).set_output(0, "c"); }, "'c' is defined twice"},
        Broken{"node twice", [](Model& m) { ReluNode(m).set_name("conv"); }, "two nodes are named 'conv'"},
        Broken{"cycle", [](Model& m) { ConvNode(m).set_input(0, "y"); },
               "2 nodes read each other's outputs in a cycle: 'conv', 'relu'"},
        Broken{"own output", [](Model& m) { ReluNode(m).set_input(0, "y"); }, "in a cycle: 'relu'"},
        Broken{"long cycle",
               [](Model& m) {
                 for (int i = 0; i < 20; ++i) {
                   const auto value = [](int j) { return "v" + std::to_string(j % 20); };
                   AddNode(m, "Relu", {value(i)}, {value(i + 1)});
                 }
               },
               "20 nodes read each other's outputs in a cycle: '-> v1', '-> v0', "},
        Broken{"undefined", [](Model& m) { ReluNode(m).set_input(0, "z"); },
               "node 'relu' (Relu): 'z' is not computed from the graph's inputs"},
        Broken{"no output name", [](Model& m) { ReluNode(m).set_output(0, ""); }, "node 'relu' (Relu): has no output"},
        Broken{"omitted input", [](Model& m) { ConvNode(m).set_input(1, ""); }, "node 'conv' (Conv)"},
        Broken{"NaN", [](Model& m) { Weights(m).set_float_data(7, std::nanf("")); },
               "initializer 'w': element 7 is nan"},
        Broken{"infinity", [](Model& m) { Weights(m).set_float_data(7, -INFINITY); }, "element 7 is -inf"},
        Broken{"data too short", [](Model& m) { Weights(m).mutable_float_data()->RemoveLast(); },
               "tensor 'w': its shape needs 216 bytes of data, it has 212"},
        Broken{"raw data too long",
               [](Model& m) {
                 Weights(m).clear_float_data();
                 Weights(m).set_raw_data(std::string(217, 'a'));
               },
               "it has 217"},
        Broken{"both data", [](Model& m) { Weights(m).set_raw_data(std::string(216, 'a')); },
               "both raw_data and typed"},
        Broken{"huge shape", [](Model& m) { Weights(m).set_dims(0, int64_t{1} << 60); }, "tensor 'w'"},
        Broken{"negative shape", [](Model& m) { Weights(m).set_dims(0, -3); }, "is negative"},
        Broken{"zero shape",
               [](Model& m) {
                 Weights(m).set_dims(0, 0);
                 Weights(m).clear_float_data();
               },
               "node 'conv' (Conv)"},
        Broken{"8-bit floats", [](Model& m) { Weights(m).set_data_type(17); },
               "tensor 'w': data type FLOAT8E4M3FN is not supported (supported: FLOAT, FLOAT16, "},
        Broken{"4-bit integers", [](Model& m) { Weights(m).set_data_type(22); }, "data type INT4 is not supported"},
        Broken{"complex", [](Model& m) { Weights(m).set_data_type(14); }, "data type COMPLEX64 is not supported"},
        Broken{"unknown type", [](Model& m) { Weights(m).set_data_type(99); }, "data type 99"},
        Broken{"external data", [](Model& m) { Weights(m).set_data_location(onnx::TensorProto::EXTERNAL); },
               "its data lies in another file"},
        Broken{"external entries", [](Model& m) { Weights(m).add_external_data()->set_key("location"); },
               "names external data but has its own"},
        Broken{"segment", [](Model& m) { Weights(m).mutable_segment()->set_begin(1); }, "segments"},
        Broken{"integers as weights",
               [](Model& m) {
                 AddInitializer(m) = IntTensor64("i", {3}, {1, 2, 3});
                 ConvNode(m).set_input(2, "i");
               },
               "'i' is an integer tensor"}));

INSTANTIATE_TEST_SUITE_P(
    Operators, ImportRefuses,
    testing::Values(
        Broken{"unknown operator", Operator("Erf", {}), "node 'n': operator 'Erf' is not supported (supported: Add, "},
        Broken{"integer operator", Operator("QLinearConv", {}),
               "node 'n': operator 'QLinearConv' is not supported: export the model with QuantizeLinear and"},
        Broken{"integer product", Operator("MatMulInteger", {}), "or as floats"},
        Broken{"sub-graph", Operator("Loop", {}), "operator 'Loop' is not supported: it runs a sub-graph"},
        Broken{"classical", [](Model& m) { ReluNode(m).set_op_type("ZipMap"); ReluNode(m).set_domain("ai.onnx.ml"); },
               "'ai.onnx.ml.ZipMap' is not supported: it belongs to classical machine learning"},
        Broken{"optimised", [](Model& m) { ReluNode(m).set_domain("com.microsoft"); },
               "'com.microsoft.Relu' is not supported: export the model as it was before"},
        Broken{"foreign domain", [](Model& m) { ReluNode(m).set_domain("com.example"); }, "'com.example.Relu'"},
        Broken{"unknown attribute", With(IntAttribute("colour", 3)),
               "node 'conv' (Conv): attribute 'colour' is not supported"},
        Broken{"attribute twice",
               [](Model& m) {
                 *ConvNode(m).add_attribute() = IntAttribute("group", 1);
                 *ConvNode(m).add_attribute() = IntAttribute("group", 1);
               },
               "attribute 'group' is given twice"},
        Broken{"attribute type", With(FloatAttribute("group", 1)), "attribute 'group' has type FLOAT, needs INT"},
        Broken{"dilations", With(IntsAttribute("dilations", {2, 1})), "attribute 'dilations' = 2"},
        Broken{"kernel_shape", With(IntsAttribute("kernel_shape", {3, 2})), "contradicts the weights"},
        Broken{"strides", With(IntsAttribute("strides", {1, 1, 1})), "'strides' has 3 elements"},
        Broken{"zero stride", With(IntsAttribute("strides", {0, 1})), "'strides' = 0"},
        Broken{"huge stride", With(IntsAttribute("strides", {INT64_MAX, 1})), "outside [1, 2^31]"},
        Broken{"pads", With(IntsAttribute("pads", {1, 1})), "2 pads given"},
        Broken{"negative pads", With(IntsAttribute("pads", {1, 1, -1, 1})), "pad -1"},
        Broken{"auto_pad", With(StringAttribute("auto_pad", "SOME")), "auto_pad = 'SOME'"},
        Broken{"auto_pad and pads",
               [](Model& m) {
                 *ConvNode(m).add_attribute() = StringAttribute("auto_pad", "SAME_UPPER");
                 *ConvNode(m).add_attribute() = IntsAttribute("pads", {1, 1, 1, 1});
               },
               "both auto_pad"},
        Broken{"flat weights", [](Model& m) { ConvNode(m).set_input(1, "b"); }, "its weights 'b'"},
        Broken{"computed weights", [](Model& m) { ConvNode(m).set_input(1, "x"); }, "its weights 'x'"},
        Broken{"ceil_mode in the padding",
               Operator("MaxPool", {IntsAttribute("kernel_shape", {2, 2}), IntsAttribute("strides", {4, 4}),
                                    IntsAttribute("pads", {0, 0, 1, 1}), IntAttribute("ceil_mode", 1)}),
               "node 'n' (MaxPool): ceil_mode = 1 is not supported where a window starts in the padding"},
        Broken{"ceil_mode and counted padding",
               Operator("AveragePool", {IntsAttribute("kernel_shape", {3, 3}), IntsAttribute("strides", {2, 2}),
                                        IntsAttribute("pads", {1, 0, 0, 0}), IntAttribute("count_include_pad", 1),
                                        IntAttribute("ceil_mode", 1)}),
               "node 'n' (AveragePool): ceil_mode = 1 with counted padding"},
        Broken{"no kernel", Operator("MaxPool", {}), "'kernel_shape' is missing"},
        Broken{"training BN",
               [](Model& m) {
                 Replace(m, "BatchNormalization", {"c", "b", "b", "b", "b"}, {IntAttribute("training_mode", 1)});
               },
               "'training_mode' = 1"},
        Broken{"product",
               [](Model& m) {
                 Replace(m, "Mul", {"c", "x"});
               },
               "node 'n' (Mul): cannot broadcast"},
        Broken{"cube", OperatorWith("Pow", FloatTensor("k", {}, {3})), "exponent 3"},
        Broken{"computed exponent", [](Model& m) { Replace(m, "Pow", {"c", "c"}); },
               "must be a constant with one element"},
        Broken{"hard swish", Operator("HardSwish", {}), "node 'n' (HardSwish): is not in operator set 13"},
        Broken{"computed bound", [](Model& m) { Replace(m, "Clip", {"c", "c"}); }, "must be a constant with one element"},
        Broken{"clip", OperatorWith("Clip", FloatTensor("k", {2}, {1, 2})), "'k' must be a constant with one element"},
        Broken{"infinite bound", OperatorWith("Clip", FloatTensor("k", {}, {-INFINITY})), "min -inf and max"},
        Broken{"division", OperatorWith("Div", FloatTensor("k", {}, {0})), "node 'n' (Div): divides by zero"},
        Broken{"integer operand", OperatorWith("Sub", IntTensor64("k", {}, {1})), "'k' is an integer tensor"},
        Broken{"alpha", Operator("LeakyRelu", {FloatAttribute("alpha", INFINITY)}), "'alpha' is inf"},
        Broken{"sigmoid attribute", Operator("Sigmoid", {FloatAttribute("alpha", 1)}), "'alpha' is not supported"},
        Broken{"dropout ratio", OperatorWith("Dropout", FloatTensor("k", {}, {1})), "ratio 1 is not in [0, 1)"},
        Broken{"dropout mask",
               [](Model& m) {
                 Replace(m, "Relu", {"mask"});
                 AddNode(m, "Dropout", {"c"}, {"d", "mask"}).set_name("d");
               },
               "node 'n' (Relu): 'mask' is output 1 of node 'd' (Dropout), which is not computed"},
        Broken{"mask as output",
               [](Model& m) {
                 AddNode(m, "Dropout", {"c"}, {"d", "mask"}).set_name("d");
                 *m.mutable_graph()->add_output() = FloatValue("mask", {-1, 3, 4, 4});
               },
               "graph output 'mask': 'mask' is output 1 of node 'd'"},
        Broken{"mean axes", Operator("ReduceMean", {IntsAttribute("axes", {0, 1})}), "axis 0 is the batch"},
        Broken{"three maxima", [](Model& m) { Replace(m, "Max", {"c", "c", "c"}); }, "has 3 inputs, takes 2"},
        Broken{"flatten", Operator("Flatten", {IntAttribute("axis", 2)}), "axis 2 mixes"},
        Broken{"computed shape", [](Model& m) { Replace(m, "Reshape", {"c", "c"}); }, "constant vector of integers"},
        Broken{"allowzero", OperatorWith("Reshape", IntTensor64("k", {2}, {0, -1}), {IntAttribute("allowzero", 1)}),
               "allowzero"},
        Broken{"gather scalar", OperatorWith("Gather", IntTensor64("k", {}, {0}), {IntAttribute("axis", 1)}),
               "constant vector"},
        Broken{"gather computed", [](Model& m) { Replace(m, "Gather", {"c", "c"}, {IntAttribute("axis", 1)}); },
               "constant vector"},
        Broken{"gather the batch", OperatorWith("Gather", IntTensor64("k", {1}, {0})), "axis 0 is the batch"},
        Broken{"concat", Operator("Concat", {}), "'axis' is missing"},
        Broken{"dropout", [](Model& m) { Replace(m, "Dropout", {"c", "", "b"}); }, "must be a constant with one element"},
        Broken{"random dropout",
               [](Model& m) {
                 onnx::TensorProto& mode = AddInitializer(m);
                 mode = IntTensor64("k", {}, {1});
                 mode.set_data_type(onnx::TensorProto::BOOL);
                 mode.clear_int64_data();
                 mode.add_int32_data(1);
                 Replace(m, "Dropout", {"c", "", "k"});
               },
               "training_mode is not supported: the output would be random"},
        Broken{"empty constant", [](Model& m) { AddNode(m, "Constant", {}, {"k"}).set_name("k"); },
               "node 'k' (Constant): has no value"},
        Broken{"string constant",
               [](Model& m) { AddNode(m, "Constant", {}, {"k"}, {StringAttribute("value_string", "a")}); },
               "'value_string' is not supported"}));

INSTANTIATE_TEST_SUITE_P(
    Pads, ImportRefuses,
    testing::Values(
        Broken{
            "reflected",
            OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, 1, 1, 0, 0, 1, 1}), {StringAttribute("mode", "reflect")}),
            "mode 'reflect'"},
        Broken{"batch", OperatorWith("Pad", IntTensor64("k", {8}, {1, 0, 0, 0, 0, 0, 0, 0})), "pads the batch"},
        Broken{"cropping", OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, -1, 0, 0, 0, 0, 0})), "pad -1"},
        Broken{"count", OperatorWith("Pad", IntTensor64("k", {4}, {0, 0, 1, 1})), "4 pads for 4 dimensions"}));

}  // namespace
}  // namespace privdnn
