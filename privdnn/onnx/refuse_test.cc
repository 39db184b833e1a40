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
        Broken{"unknown operator", Operator("Einsum", {}), "node 'n': operator 'Einsum' is not supported (supported: Abs, "},
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
        Broken{"dilations", With(IntsAttribute("dilations", {3, 1})), "kernel side 7 exceeds the padded input side 6"},
        Broken{"zero dilation", With(IntsAttribute("dilations", {0, 1})), "attribute 'dilations' = 0"},
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
        Broken{"no maxima", [](Model& m) { Replace(m, "Max", {}); }, "node 'n' (Max): has no inputs"},
        Broken{"flatten", Operator("Flatten", {IntAttribute("axis", 2)}), "axis 2 mixes"},
        Broken{"computed shape", [](Model& m) { Replace(m, "Reshape", {"c", "c"}); }, "constant vector of integers"},
        Broken{"allowzero", OperatorWith("Reshape", IntTensor64("k", {2}, {0, -1}), {IntAttribute("allowzero", 1)}),
               "allowzero"},
        Broken{"gather computed", [](Model& m) { Replace(m, "Gather", {"c", "c"}, {IntAttribute("axis", 1)}); },
               "constant of integers"},
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
        Broken{"mode",
               OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, 1, 1, 0, 0, 1, 1}), {StringAttribute("mode", "odd")}),
               "mode 'odd' is not supported (supported: constant, edge, reflect, wrap)"},
        Broken{
            "reflected too far",
            OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, 4, 0, 0, 0, 0, 0}), {StringAttribute("mode", "reflect")}),
            "pads 4 and 0 of a side of 4"},
        Broken{"endless edge",
               OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, INT64_MAX, 0, 0, 0, 0, 0}),
                            {StringAttribute("mode", "edge")}),
               "of a side of 4"},
        Broken{"batch", OperatorWith("Pad", IntTensor64("k", {8}, {1, 0, 0, 0, 0, 0, 0, 0})), "pads the batch"},
        Broken{"cropping", OperatorWith("Pad", IntTensor64("k", {8}, {0, 0, -1, 0, 0, 0, 0, 0})), "pad -1"},
        Broken{"count", OperatorWith("Pad", IntTensor64("k", {4}, {0, 0, 1, 1})), "4 pads for 4 dimensions"}));

// Operators of plaintext parts. c is (3, 4, 4).
INSTANTIATE_TEST_SUITE_P(
    PlaintextOperators, ImportRefuses,
    testing::Values(
        Broken{"permutation", Operator("Transpose", {IntsAttribute("perm", {0, 1, 2, 2})}), "is not one of 4 dimensions"},
        Broken{"short permutation", Operator("Transpose", {IntsAttribute("perm", {0, 1})}), "is not one of 4 dimensions"},
        Broken{"reversal", Operator("Transpose", {}), "the batch of 'y' stands in dimension 3; only Transpose,"},
        Broken{"fewer than none", OperatorWith("Expand", IntTensor64("k", {4}, {1, 3, INT64_MIN, 4})), "repeats a dimension -9223372036854775808 times"},
        Broken{"moved batch", [](Model& m) {
                 Replace(m, "Relu", {"t"});
                 AddNode(m, "Transpose", {"c"}, {"t"}, {IntsAttribute("perm", {1, 0, 2, 3})}); },
               "node 'n' (Relu): the batch of 't' stands in dimension 1;"},
        Broken{"gathered batch", [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {1}, {0});
                 Replace(m, "Gather", {"t", "k"}, {IntAttribute("axis", 1)});
                 AddNode(m, "Transpose", {"c"}, {"t"}, {IntsAttribute("perm", {1, 0, 2, 3})}); },
               "node 'n' (Gather): axis 1 is the batch"},
        Broken{"squeezed", [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {1}, {0});
                 Replace(m, "Squeeze", {"t", "k"});
                 AddNode(m, "Transpose", {"c"}, {"t"}, {IntsAttribute("perm", {1, 0, 2, 3})}); },
               "node 'n' (Squeeze): a dimension of 3 can not be squeezed"},
        Broken{"constant permutation",
               [](Model& m) { Replace(m, "Transpose", {"w"}, {IntsAttribute("perm", {0, 0, 1, 2})}); },
               "permutation (0, 0, 1, 2) is not one of 4 dimensions"},
        Broken{"gelu", [](Model& m) { m.mutable_opset_import(0)->set_version(20);
                 Replace(m, "Gelu", {"c"}, {StringAttribute("approximate", "some")}); },
               "approximate 'some' is not supported"},
        Broken{"floor", Operator("Floor", {}), "node 'n' (Floor): is supported for constants only"},
        Broken{"slopes", OperatorWith("PRelu", FloatTensor("k", {1, 3, 1, 2}, std::vector<float>(6, 1))),
               "node 'n' (PRelu): cannot broadcast"},
        Broken{"wide slopes", [](Model& m) {
                 AddInitializer(m) = IntTensor64("axes", {2}, {2, 3});
                 AddInitializer(m) = FloatTensor("k", {3, 4, 4}, std::vector<float>(48, 1));
                 Replace(m, "PRelu", {"r", "k"});
                 AddNode(m, "ReduceSum", {"c", "axes"}, {"r"});
                 m.mutable_graph()->mutable_node()->SwapElements(1, 2); },
               "slopes of shape (3, 4, 4) for (1, 3, 1, 1)"},
        Broken{"computed slopes", [](Model& m) { Replace(m, "PRelu", {"c", "c"}); }, "input 1 must be an initializer"},
        Broken{"slice of the batch", [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {1}, {0});
                 AddInitializer(m) = IntTensor64("l", {1}, {1});
                 Replace(m, "Slice", {"c", "k", "l"}); }, "axis 0 is the batch"},
        Broken{"empty slice", [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {1}, {2});
                 AddInitializer(m) = IntTensor64("a", {1}, {2});
                 Replace(m, "Slice", {"c", "k", "k", "a"}); }, "2 to 2 is not a part of the 4 of axis 2"},
        Broken{"step",
               [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {1}, {0});
                 AddInitializer(m) = IntTensor64("a", {1}, {2});
                 Replace(m, "Slice", {"c", "k", "a", "a", "k"});
               },
               "node 'n' (Slice): step 0"},
        Broken{"split of the batch", Operator("Split", {}), "node 'n' (Split): axis 0 is the batch"},
        Broken{"split sizes", OperatorWith("Split", IntTensor64("k", {1}, {2}), {IntAttribute("axis", 1)}),
               "1 parts (2) do not make up 3"},
        Broken{"huge split", OperatorWith("Split", IntTensor64("k", {2}, {INT64_MAX, INT64_MAX}), {IntAttribute("axis", 1)}),
               "do not make up 3"},
        Broken{"classes elsewhere", [](Model& m) {
                 Replace(m, "Relu", {"i"});
                 AddNode(m, "ArgMax", {"c"}, {"i"}, {IntAttribute("axis", 1)});
                 m.mutable_graph()->mutable_node()->SwapElements(1, 2); }, "reads 'i', which ArgMax computes: only a graph output may be"},
        Broken{"classes of rows", Operator("ArgMax", {IntAttribute("axis", 2)}), "axis 2 of (1, 3, 4, 4) is not that of"},
        Broken{"condition", Operator("If", {}), "its condition is not a constant"},
        Broken{"no branch", [](Model& m) {
                 AddInitializer(m) = IntTensor64("k", {}, {1});
                 Replace(m, "If", {"k"}); }, "node 'n' (If): has no then_branch"},
        Broken{"layer norm", OperatorWith("LayerNormalization", FloatTensor("k", {3}, {1, 2, 3})),
               "input 1 has shape (3), needs (4)"},
        Broken{"groups", [](Model& m) {
                 m.mutable_opset_import(0)->set_version(21);
                 Replace(m, "GroupNormalization", {"c", "b", "b"}, {IntAttribute("num_groups", 2)}); },
               "group 2 does not divide the 3 input channels"},
        Broken{"lrn", Operator("LRN", {IntAttribute("size", 0)}), "size 0 lies outside"},
        Broken{"huge lrn", Operator("LRN", {IntAttribute("size", int64_t{1} << 31)}), "elements"},
        Broken{"joined", [](Model& m) {
                 AddInitializer(m) = FloatTensor("k", {2, 3, 4, 4}, std::vector<float>(96, 1));
                 Replace(m, "Concat", {"c", "k"}, {IntAttribute("axis", 1)}); }, "cannot concatenate"},
        Broken{"blocks", Operator("DepthToSpace", {IntAttribute("blocksize", 2)}), "blocks of 2 do not divide"},
        Broken{"huge blocks", Operator("SpaceToDepth", {IntAttribute("blocksize", INT64_MIN)}), "do not divide"},
        Broken{"expanded batch", OperatorWith("Expand", IntTensor64("k", {4}, {3, 3, 4, 4})), "repeat the batch"},
        Broken{"huge expansion", OperatorWith("Expand", IntTensor64("k", {5}, {1, 1, 3, 4, 4})), "would move"}));

INSTANTIATE_TEST_SUITE_P(
    Resizes, ImportRefuses,
    testing::Values(Broken{"cubic",
                           [](Model& m) {
                             Replace(m, "Resize", {"c", "", "b"}, {StringAttribute("mode", "cubic")});
                           },
                           "3 scales for 4 axes"},
                    Broken{"mode",
                           [](Model& m) {
                             AddInitializer(m) = FloatTensor("k", {4}, {1, 1, 2, 2});
                             Replace(m, "Resize", {"c", "", "k"}, {StringAttribute("mode", "cubic")});
                           },
                           "mode 'cubic' is not supported (supported: bilinear, linear, nearest)"},
                    Broken{"batch",
                           [](Model& m) {
                             AddInitializer(m) = FloatTensor("k", {4}, {2, 1, 1, 1});
                             Replace(m, "Resize", {"c", "", "k"});
                           },
                           "scale 2 of the batch is not 1"},
                    Broken{"endless",
                           [](Model& m) {
                             AddInitializer(m) = FloatTensor("k", {4}, {1, 1, 1e9f, 1});
                             Replace(m, "Resize", {"c", "", "k"});
                           },
                           "scale 1000000000 of a side of 4"},
                    Broken{"large",
                           [](Model& m) {
                             AddInitializer(m) = FloatTensor("k", {4}, {1, 1, 1e8f, 1});
                             Replace(m, "Resize", {"c", "", "k"});
                           },
                           "size 400000000 lies outside [1, 2^20]"},
                    Broken{"nothing",
                           [](Model& m) {
                             AddInitializer(m) = FloatTensor("k", {4}, {1, 1, 0.1f, 1});
                             Replace(m, "Resize", {"c", "", "k"});
                           },
                           "scale 0.1 of a side of 4"},
                    Broken{"computed",
                           [](Model& m) {
                             Replace(m, "Resize", {"c", "", "c"});
                           },
                           "must be a constant vector"},
                    Broken{"negative size",
                           [](Model& m) {
                             AddInitializer(m) = IntTensor64("k", {4}, {1, 3, -4, 4});
                             Replace(m, "Resize", {"c", "", "", "k"});
                           },
                           "size -4 lies outside"}));

INSTANTIATE_TEST_SUITE_P(
    TransposedConvolutions, ImportRefuses,
    testing::Values(
        Broken{"channels", OperatorWith("ConvTranspose", FloatTensor("k", {2, 1, 1, 1}, {1, 2})), "input 1 has shape"},
        Broken{"padding",
               OperatorWith("ConvTranspose", FloatTensor("k", {3, 1, 1, 1}, {1, 2, 3}),
                            {IntsAttribute("output_padding", {1, 0})}),
               "output padding 1 is not below"},
        Broken{"cropped",
               OperatorWith("ConvTranspose", FloatTensor("k", {3, 1, 1, 1}, {1, 2, 3}),
                            {IntsAttribute("pads", {2, 0, 2, 0})}),
               "leave nothing of the output side 4"},
        Broken{"stride",
               OperatorWith("ConvTranspose", FloatTensor("k", {3, 1, 1, 1}, {1, 2, 3}),
                            {IntsAttribute("strides", {int64_t{1} << 31, 1})}),
               "an output side exceeds 2^31"},
        Broken{"dilation",
               OperatorWith("ConvTranspose", FloatTensor("k", {3, 1, 2, 1}, std::vector<float>(6, 1)),
                            {IntsAttribute("dilations", {1 << 30, 1}), IntsAttribute("pads", {1 << 30, 0, 0, 0})}),
               "elements"},
        Broken{"shape",
               OperatorWith("ConvTranspose", FloatTensor("k", {3, 1, 1, 1}, {1, 2, 3}),
                            {IntsAttribute("output_shape", {9, 9})}),
               "an output side of 4 can't be 9"}));

std::function<void(Model&)> Metadata(const std::string& key, const std::string& value) {
  return [key, value](Model& m) {
    onnx::StringStringEntryProto& entry = *m.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  };
}

INSTANTIATE_TEST_SUITE_P(
    MetadataThatControlsATerminal, ImportRefuses,
    testing::Values(Broken{"value", Metadata("privdnn.note", "a\x1b[2J"),
                           "metadata entry 0 (privdnn.*): byte 1 of its value is a control character"},
                    Broken{"name", Metadata("privdnn.\n", "a"),
                           "metadata entry 0 (privdnn.*): byte 8 of its name is a control character"},
                    Broken{"delete", Metadata("privdnn.note", "\x7f"), "byte 0 of its value is a control character"}));

}  // namespace
}  // namespace privdnn
