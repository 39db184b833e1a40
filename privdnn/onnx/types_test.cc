// Constants and values of every type that is read, and quantised models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using onnx::TensorProto;
using testing::ElementsAre;
using testing::HasSubstr;

TensorProto Typed(int type, const std::vector<int64_t>& shape) {
  TensorProto tensor;
  tensor.set_name("k");
  tensor.set_data_type(type);
  for (const int64_t d : shape) tensor.add_dims(d);
  return tensor;
}
template <typename T>
TensorProto Raw(int type, const std::vector<T>& values, std::vector<int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  TensorProto tensor = Typed(type, shape);
  tensor.set_raw_data(values.data(), values.size() * sizeof(T));
  return tensor;
}
// In the field that also holds smaller types.
TensorProto InInt32Data(int type, const std::vector<int32_t>& values) {
  TensorProto tensor = Typed(type, {static_cast<int64_t>(values.size())});
  for (const int32_t v : values) tensor.add_int32_data(v);
  return tensor;
}

// y = x + k for vectors.
onnx::ModelProto AddModel(const TensorProto& k) {
  onnx::ModelProto model = EmptyModel({k.dims(0)}, {k.dims(0)});
  *model.mutable_graph()->add_initializer() = k;
  AddNode(model, "Add", {"x", "k"}, {"y"}).set_name("add");
  return model;
}
std::vector<float> Floats(const TensorProto& k) {
  const auto graph = ImportModel(AddModel(k));
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? graph->initializers.at("k").values : std::vector<float>();
}

// 1, -2, the largest, the smallest normal and the smallest number of 16 bits.
const std::vector<uint16_t> kHalves = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000};
const std::vector<float> kHalfValues = {1, -2, 65504, 0x1p-14f, 0x1p-24f, -0.0f};

TEST(OnnxTypes, WidensHalfPrecision) {
  EXPECT_EQ(Floats(Raw(TensorProto::FLOAT16, kHalves)), kHalfValues);
  EXPECT_EQ(Floats(InInt32Data(TensorProto::FLOAT16, {kHalves.begin(), kHalves.end()})), kHalfValues);
  EXPECT_TRUE(std::signbit(Floats(Raw(TensorProto::FLOAT16, kHalves))[5]));
  EXPECT_THAT(Floats(Raw<uint16_t>(TensorProto::BFLOAT16, {0x3f80, 0xc040, 0x0001})), ElementsAre(1, -3, 0x1p-133f));
  EXPECT_THAT(Floats(InInt32Data(TensorProto::BFLOAT16, {0x3f80, 0xc040})), ElementsAre(1, -3));
}

TEST(OnnxTypes, NarrowsDoubles) {
  TensorProto typed = Typed(TensorProto::DOUBLE, {3});
  for (const double v : {0.1, -1e-60, 3e38}) typed.add_double_data(v);
  EXPECT_THAT(Floats(typed), ElementsAre(0.1f, -0.0f, 3e38f));
  EXPECT_THAT(Floats(Raw<double>(TensorProto::DOUBLE, {0.1, 2})), ElementsAre(0.1f, 2));
  EXPECT_EQ(Message(ImportModel(AddModel(Raw<double>(TensorProto::DOUBLE, {1, -1e39}))).status()),
            "test: tensor 'k': element 1 is -1e+39, beyond the range of 32-bit floats");
}

TEST(OnnxTypes, RefusesWhatIsNotANumber) {
  const auto refusal = [](const TensorProto& k) { return Message(ImportModel(AddModel(k)).status()); };
  EXPECT_THAT(refusal(Raw<uint16_t>(TensorProto::FLOAT16, {0x3c00, 0x7c00})), HasSubstr("element 1 is inf"));
  EXPECT_THAT(refusal(Raw<uint16_t>(TensorProto::FLOAT16, {0xfe00})), HasSubstr("element 0 is "));
  EXPECT_THAT(refusal(Raw<double>(TensorProto::DOUBLE, {std::nan("")})), HasSubstr("element 0 is nan"));
  EXPECT_THAT(refusal(InInt32Data(TensorProto::FLOAT16, {1, 0x10000})),
              HasSubstr("element 1 is 65536, which does not fit its type"));
  EXPECT_THAT(refusal(InInt32Data(TensorProto::INT8, {-129})), HasSubstr("element 0 is -129, which does not fit"));
  EXPECT_THAT(refusal(InInt32Data(TensorProto::UINT8, {1, -1})), HasSubstr("element 1 is -1"));
  EXPECT_THAT(refusal(Raw<uint8_t>(TensorProto::FLOAT16, {1, 2, 3}, {2})),
              HasSubstr("needs 4 bytes of data, it has 3"));
}

TEST(OnnxTypes, InputsOutputsAndCastsMayBeOfAnyFloat) {
  for (const int type : {TensorProto::FLOAT, TensorProto::FLOAT16, TensorProto::BFLOAT16, TensorProto::DOUBLE}) {
    onnx::ModelProto model = EmptyModel({2}, {2});
    for (auto* value : {model.mutable_graph()->mutable_input(0), model.mutable_graph()->mutable_output(0)}) {
      value->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    }
    *model.mutable_graph()->add_initializer() = Raw<double>(TensorProto::DOUBLE, {1, 2});
    AddNode(model, "Cast", {"x"}, {"c"}, {IntAttribute("to", TensorProto::FLOAT16)});
    AddNode(model, "Cast", {"k"}, {"d"}, {IntAttribute("to", type), IntAttribute("saturate", 1)});
    AddNode(model, "Add", {"c", "d"}, {"y"});
    const auto graph = ImportModel(model);
    ASSERT_TRUE(graph.ok()) << graph.status();
    ASSERT_EQ(graph->nodes.size(), 1u);
    EXPECT_EQ(graph->nodes[0].inputs, (std::vector<std::string>{"x", "k"}));
  }
}

// --- quantised models ---

// Adds initializers `name`_scale and `name`_zero, and a node that reads them besides `from`.
onnx::NodeProto& AddLinear(onnx::ModelProto& model, const std::string& op, const std::string& from,
                           const std::string& to, const TensorProto& scale, const TensorProto& zero) {
  const std::string prefix = op + "_" + to;
  for (const auto& [tensor, name] : {std::pair(&scale, prefix + "_scale"), std::pair(&zero, prefix + "_zero")}) {
    TensorProto& added = *model.mutable_graph()->add_initializer();
    added = *tensor;
    added.set_name(name);
  }
  return AddNode(model, op, {from, prefix + "_scale", prefix + "_zero"}, {to});
}
TensorProto Scalar(float value) { return FloatTensor("", {}, {value}); }
TensorProto ScalarOf(int type, int32_t value) {
  TensorProto tensor = InInt32Data(type, {value});
  tensor.clear_dims();
  return tensor;
}

// y = x W for quantised W of shape (2, 3).
onnx::ModelProto QuantizedWeights(const TensorProto& weights, const TensorProto& scale, const TensorProto& zero,
                                  int64_t axis) {
  onnx::ModelProto model = EmptyModel({2}, {3});
  *model.mutable_graph()->add_initializer() = weights;
  *AddLinear(model, "DequantizeLinear", "k", "w", scale, zero).add_attribute() = IntAttribute("axis", axis);
  AddNode(model, "MatMul", {"x", "w"}, {"y"});
  return model;
}

TEST(OnnxQuantized, FoldsWeights) {
  const auto weights = [](const onnx::ModelProto& model) {
    const auto graph = ImportModel(model);
    EXPECT_TRUE(graph.ok()) << graph.status();
    EXPECT_EQ(graph->initializers.size(), 1u);
    return graph->initializers.at("w");
  };
  const TensorProto int8 = Raw<int8_t>(TensorProto::INT8, {-128, 0, 1, 2, 127, -1}, {2, 3});
  EXPECT_EQ(weights(QuantizedWeights(int8, Scalar(0.5f), ScalarOf(TensorProto::INT8, -2), 1)),
            (Tensor{{2, 3}, {-63, 1, 1.5f, 2, 64.5f, 0.5f}}));
  EXPECT_EQ(weights(QuantizedWeights(int8, FloatTensor("", {2}, {1, 2}), InInt32Data(TensorProto::INT8, {0, 1}), 0)),
            (Tensor{{2, 3}, {-128, 0, 1, 2, 252, -4}}));
  const TensorProto uint8 = Raw<uint8_t>(TensorProto::UINT8, {0, 128, 255, 1, 2, 3}, {2, 3});
  EXPECT_EQ(weights(QuantizedWeights(uint8, FloatTensor("", {3}, {1, 2, 4}),
                                     InInt32Data(TensorProto::UINT8, {128, 128, 0}), -1)),
            (Tensor{{2, 3}, {-128, 0, 1020, -127, -252, 12}}));
  const TensorProto int32 = Raw<int32_t>(TensorProto::INT32, {1 << 30, -3, 0, 1, 2, 3}, {2, 3});
  EXPECT_EQ(weights(QuantizedWeights(int32, Scalar(0x1p-30f), ScalarOf(TensorProto::INT32, 0), 1)).values[0], 1);
}

// What training for quantised weights leaves: floats that are rounded in the model.
TEST(OnnxQuantized, RoundsFloatWeights) {
  onnx::ModelProto model = EmptyModel({2}, {3});
  *model.mutable_graph()->add_initializer() = FloatTensor("k", {2, 3}, {0.25f, 0.75f, -0.25f, 100, -100, 0.3f});
  const TensorProto zero = ScalarOf(TensorProto::INT8, 0);
  AddLinear(model, "QuantizeLinear", "k", "q", Scalar(0.5f), zero);
  AddLinear(model, "DequantizeLinear", "q", "w", Scalar(0.5f), zero);
  AddNode(model, "MatMul", {"x", "w"}, {"y"});
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->initializers.size(), 1u);
  EXPECT_EQ(graph->initializers.at("w"), (Tensor{{2, 3}, {0, 1, 0, 63.5f, -64, 0.5f}}));
}

// Quantisers write a node for each reader of a weight.
TEST(OnnxQuantized, SharedWeightsStayShared) {
  onnx::ModelProto model = EmptyModel({2}, {2});
  *model.mutable_graph()->add_initializer() = FloatTensor("k", {2, 2}, {1, 2, 3, 4});
  const TensorProto zero = ScalarOf(TensorProto::INT8, 0);
  AddLinear(model, "QuantizeLinear", "k", "q", Scalar(0.5f), zero);
  AddLinear(model, "DequantizeLinear", "q", "w", Scalar(0.5f), zero);
  AddNode(model, "QuantizeLinear", {"k", "QuantizeLinear_q_scale", "QuantizeLinear_q_zero"}, {"r"});
  AddNode(model, "DequantizeLinear", {"r", "DequantizeLinear_w_scale", "DequantizeLinear_w_zero"}, {"v"});
  AddLinear(model, "DequantizeLinear", "q", "u", Scalar(0.25f), zero);
  AddNode(model, "MatMul", {"x", "w"}, {"a"});
  AddNode(model, "MatMul", {"a", "v"}, {"b"});
  AddNode(model, "MatMul", {"b", "u"}, {"y"});
  const auto graph = ImportModel(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->nodes.size(), 3u);
  EXPECT_EQ(graph->nodes[1].inputs[1], "w");
  EXPECT_EQ(graph->initializers.at("u"), (Tensor{{2, 2}, {0.5f, 1, 1.5f, 2}}));
}

onnx::ModelProto QuantizedValues(int type, int32_t zero_point) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddLinear(model, "QuantizeLinear", "x", "q", Scalar(0.25f), ScalarOf(type, zero_point));
  AddLinear(model, "DequantizeLinear", "q", "d", Scalar(0.25f), ScalarOf(type, zero_point)).set_name("pair");
  AddNode(model, "Relu", {"d"}, {"y"});
  return model;
}

TEST(OnnxQuantized, TurnsAPairIntoOneOperator) {
  for (const auto& [type, zero] : {std::pair(TensorProto::INT8, -5), std::pair(TensorProto::UINT8, 130)}) {
    const auto graph = ImportModel(QuantizedValues(type, zero));
    ASSERT_TRUE(graph.ok()) << graph.status();
    ASSERT_EQ(graph->nodes.size(), 2u);
    EXPECT_EQ(graph->nodes[0], (Node{"pair", op::FakeQuantize{0.25f, zero, type == TensorProto::INT8}, {"x"}, "d"}));
    EXPECT_TRUE(graph->initializers.empty());
    EXPECT_EQ(ImportOnnx(ExportOnnx(*graph), "test").value(), *graph);
  }
}

TEST(OnnxQuantized, ZeroPointsMayBeLeftOut) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  *model.mutable_graph()->add_initializer() = FloatTensor("s", {1}, {0.25f});
  AddNode(model, "QuantizeLinear", {"x", "s"}, {"q"});
  AddNode(model, "DequantizeLinear", {"q", "s"}, {"y"});
  EXPECT_EQ(ImportModel(model).value().nodes.at(0).op, Op(op::FakeQuantize{0.25f, 0, false}));
  *model.mutable_graph()->mutable_node(0)->add_attribute() = IntAttribute("output_dtype", TensorProto::INT8);
  EXPECT_EQ(ImportModel(model).value().nodes.at(0).op, Op(op::FakeQuantize{0.25f, 0, true}));
}

TEST(OnnxQuantized, RefusesWhatItCannotEmulate) {
  const auto refusal = [](const std::function<void(onnx::ModelProto&)>& change) {
    onnx::ModelProto model = QuantizedValues(TensorProto::INT8, 1);
    change(model);
    return Message(ImportModel(model).status());
  };
  const auto initializer = [](onnx::ModelProto& m, int i) { return m.mutable_graph()->mutable_initializer(i); };
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 2)->set_float_data(0, 0.5f); }),
              HasSubstr("node 'pair' (DequantizeLinear): 'q' was quantised with another scale"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 3)->set_int32_data(0, 2); }), HasSubstr("another scale, zero"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 3)->set_data_type(TensorProto::UINT8); }), HasSubstr("or type"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 0)->set_float_data(0, 0); }),
              HasSubstr("scale 0 is not a positive"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 0)->set_float_data(0, INFINITY); }), HasSubstr("scale inf"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 1)->set_data_type(TensorProto::INT16); }),
              HasSubstr("quantises computed values to INT16 (supported: INT8, UINT8)"));
  EXPECT_THAT(refusal([&](auto& m) { initializer(m, 1)->set_data_type(TensorProto::BOOL); }),
              HasSubstr("quantised values of type BOOL are not supported"));
  EXPECT_THAT(refusal([&](auto& m) {
                *initializer(m, 0) = FloatTensor("QuantizeLinear_q_scale", {2}, {1, 2});
              }),
              HasSubstr("the zero point, must be a constant with 2 integers"));
  EXPECT_THAT(refusal([&](auto& m) {
                *initializer(m, 0) = FloatTensor("QuantizeLinear_q_scale", {2}, {1, 2});
                m.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
              }),
              HasSubstr("has 2 scales; computed values need one for all"));
  EXPECT_THAT(refusal([&](auto& m) { m.mutable_graph()->mutable_node(0)->set_input(1, "x"); }),
              HasSubstr("input 1, the scale, must be a constant"));
  EXPECT_THAT(refusal([&](auto& m) { m.mutable_graph()->mutable_node(2)->set_input(0, "q"); }),
              HasSubstr("'q' is quantised; only DequantizeLinear nodes may read it"));
  EXPECT_THAT(refusal([&](auto& m) { m.mutable_graph()->mutable_node(1)->set_input(0, "x"); }),
              HasSubstr("'x' is not quantised"));
  EXPECT_THAT(
      refusal([&](auto& m) { *m.mutable_graph()->mutable_node(1)->add_attribute() = IntAttribute("block_size", 2); }),
      HasSubstr("'block_size' = 2"));
  const TensorProto weights = Raw<int8_t>(TensorProto::INT8, {1, 2, 3, 4, 5, 6}, {2, 3});
  const TensorProto two_scales = FloatTensor("", {2}, {1, 2}), zeros = InInt32Data(TensorProto::INT8, {0, 0});
  EXPECT_THAT(Message(ImportModel(QuantizedWeights(weights, two_scales, zeros, 1)).status()),
              HasSubstr("2 scales for an axis of 3"));
  EXPECT_THAT(Message(ImportModel(QuantizedWeights(weights, two_scales, zeros, 2)).status()),
              HasSubstr("axis 2 lies outside [-2, 2)"));
  EXPECT_THAT(Message(ImportModel(QuantizedWeights(weights, Scalar(1), ScalarOf(TensorProto::UINT8, 0), 1)).status()),
              HasSubstr("its zero point is of type UINT8, 'k' of INT8"));
}

}  // namespace
}  // namespace privdnn
