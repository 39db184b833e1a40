#include "privdnn/onnx/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include "privdnn/base/file.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Graph MustImport(const onnx::ModelProto& model) {
  auto graph = ImportModel(model);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *std::move(graph) : Graph();
}

TEST(Onnx, ImportUndoesExport) {
  for (const Graph& graph : {EveryOperatorGraph(), BuildArchitecture("lenet5-mnist", 3).value()}) {
    const auto imported = ImportOnnx(ExportOnnx(graph), "test");
    ASSERT_TRUE(imported.ok()) << imported.status();
    EXPECT_EQ(*imported, graph);
  }
}

TEST(Onnx, ExportIsDeterministicAndDependsOnTheGraph) {
  Graph graph = EveryOperatorGraph();
  const Bytes first = ExportOnnx(graph);
  EXPECT_EQ(first, ExportOnnx(EveryOperatorGraph()));
  graph.initializers["b1"].values[0] += 1;
  EXPECT_NE(first, ExportOnnx(graph));
}

TEST(Onnx, ExportKeepsNamesApart) {
  Graph graph = EveryOperatorGraph();
  graph.initializers["reshape_shape"] = PatternTensor({2}, 1);
  graph.initializers["gather_indices"] = PatternTensor({2}, 1);
  const auto imported = ImportOnnx(ExportOnnx(graph), "test");
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(*imported, graph);
}

TEST(Onnx, SavesAndLoads) {
  const auto directory = TemporaryDirectory::Create().value();
  const auto path = directory.path() / "model.onnx";
  ASSERT_TRUE(SaveOnnx(EveryOperatorGraph(), path).ok());
  EXPECT_EQ(LoadOnnx(path).value(), EveryOperatorGraph());
  EXPECT_THAT(Message(LoadOnnx(directory.path() / "none.onnx").status()), HasSubstr("none.onnx"));
  Graph broken = EveryOperatorGraph();
  broken.outputs.clear();
  EXPECT_THAT(Message(SaveOnnx(broken, path)), HasSubstr("model.onnx"));
  EXPECT_EQ(LoadOnnx(path).value(), EveryOperatorGraph());
}

// What PyTorch writes: see testdata/export_torch_model.py.
TEST(Onnx, ReadsPyTorchExport) {
  const auto graph = LoadOnnx(std::filesystem::path(PRIVDNN_TESTDATA) / "torch_export.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<std::string> ops;
  for (const Node& node : graph->nodes) ops.push_back(OpName(node.op));
  EXPECT_THAT(ops, ElementsAre("Conv", "BatchNormalization", "Square", "AveragePool", "Conv", "Relu", "Add", "MaxPool",
                               "Square", "Gather", "Concat", "Gather", "AveragePool", "Reshape", "Gemm", "Relu",
                               "MatMul", "Softmax"));
  const auto& padded = std::get<op::AveragePool>(graph->nodes[3].op);
  EXPECT_EQ(padded.window, (Window{{3, 3}, {2, 2}, {1, 1, 1, 1}}));
  EXPECT_TRUE(padded.count_include_pad);
  EXPECT_EQ(ImportOnnx(ExportOnnx(*graph), "test").value(), *graph);
}

TEST(OnnxImport, FoldsConstantsAndIdentities) {
  onnx::ModelProto model = EmptyModel({1, 4, 4}, {1, 4, 4});
  AddNode(model, "Constant", {}, {"two"}, {TensorAttribute("value", FloatTensor("", {}, {2}))});
  AddNode(model, "Constant", {}, {"weights"}, {TensorAttribute("value", FloatTensor("", {1, 1, 1, 1}, {3}))});
  AddNode(model, "Identity", {"weights"}, {"same_weights"});
  AddNode(model, "Identity", {"x"}, {"x2"});
  AddNode(model, "Pow", {"x2", "two"}, {"s"});
  AddNode(model, "Conv", {"s", "same_weights", ""}, {"c"});
  AddNode(model, "Identity", {"c"}, {"c2"});
  AddNode(model, "Identity", {"c2"}, {"y"});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0], (Node{"Pow_0", op::Square{}, {"x"}, "s"}));
  EXPECT_EQ(graph.nodes[1], (Node{"Conv_1", op::Conv{}, {"s", "weights"}, "y"}));
  EXPECT_EQ(graph.initializers.size(), 1u);
  EXPECT_TRUE(graph.initializers.contains("weights"));
}

// The constants of folded nodes go, other initializers stay, whether or not they are read.
TEST(OnnxImport, KeepsInitializersThatItDoesNotFold) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  *model.mutable_graph()->add_initializer() = FloatTensor("two", {1}, {2});
  *model.mutable_graph()->add_initializer() = FloatTensor("b", {4}, {1, 2, 3, 4});
  *model.mutable_graph()->add_initializer() = FloatTensor("unused", {1}, {5});
  AddNode(model, "Pow", {"x", "two"}, {"s"});
  AddNode(model, "Add", {"s", "b"}, {"y"});
  const Graph graph = MustImport(model);
  EXPECT_FALSE(graph.initializers.contains("two"));
  EXPECT_TRUE(graph.initializers.contains("b"));
  EXPECT_TRUE(graph.initializers.contains("unused"));
}

TEST(OnnxImport, ReadsConstantsOfEveryKind) {
  const std::vector<onnx::AttributeProto> exponents = {
      FloatAttribute("value_float", 2), IntAttribute("value_int", 2), IntsAttribute("value_ints", {2}),
      FloatsAttribute("value_floats", {2}), TensorAttribute("value", IntTensor64("", {}, {2}))};
  for (const auto& exponent : exponents) {
    onnx::ModelProto model = EmptyModel({4}, {4});
    AddNode(model, "Constant", {}, {"two"}, {exponent});
    AddNode(model, "Pow", {"x", "two"}, {"y"});
    EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::Square{})) << exponent.name();
  }
}

TEST(OnnxImport, ReadsTypedAndRawData) {
  onnx::ModelProto typed = EmptyModel({2}, {2});
  *typed.mutable_graph()->add_initializer() = FloatTensor("b", {2}, {1.5f, -2});
  AddNode(typed, "Add", {"x", "b"}, {"y"});
  onnx::ModelProto raw = typed;
  onnx::TensorProto& tensor = *raw.mutable_graph()->mutable_initializer(0);
  const float values[] = {1.5f, -2};
  tensor.clear_float_data();
  tensor.set_raw_data(values, sizeof(values));
  EXPECT_EQ(MustImport(typed), MustImport(raw));
  EXPECT_EQ(MustImport(raw).initializers.at("b"), (Tensor{{2}, {1.5f, -2}}));
}

TEST(OnnxImport, InitializersMayBeListedAsInputs) {
  onnx::ModelProto model = EmptyModel({2}, {2});
  *model.mutable_graph()->add_initializer() = FloatTensor("b", {2}, {1, 2});
  *model.mutable_graph()->add_input() = FloatValue("b", {2});
  AddNode(model, "Add", {"x", "b"}, {"y"});
  EXPECT_EQ(MustImport(model).inputs.size(), 1u);
}

TEST(OnnxImport, FoldsPadsIntoConvolutionsAndAveragePools) {
  for (const int opset : {9, 10, 11, 13, 17}) {
    onnx::ModelProto model = EmptyModel({1, 5, 5}, {1, 8, 6}, opset);
    *model.mutable_graph()->add_initializer() = FloatTensor("w", {1, 1, 2, 2}, {1, 2, 3, 4});
    if (opset < 11) {
      AddNode(model, "Pad", {"x"}, {"p"},
              {IntsAttribute("pads", {0, 0, 1, 0, 0, 0, 2, 1}), FloatAttribute("value", 0)});
    } else {
      *model.mutable_graph()->add_initializer() = IntTensor64("pads", {8}, {0, 0, 1, 0, 0, 0, 2, 1});
      *model.mutable_graph()->add_initializer() = FloatTensor("zero", {}, {0});
      AddNode(model, "Pad", {"x", "pads", "zero"}, {"p"}, {StringAttribute("mode", "constant")});
    }
    AddNode(model, "Conv", {"p", "w"}, {"y"}, {IntsAttribute("pads", {1, 0, 0, 1})});
    const Graph graph = MustImport(model);
    ASSERT_EQ(graph.nodes.size(), 1u);
    EXPECT_EQ(std::get<op::Conv>(graph.nodes[0].op).window, (Window{{2, 2}, {1, 1}, {2, 0, 2, 2}}));
    EXPECT_EQ(graph.initializers.size(), 1u);

    model.mutable_graph()->mutable_node()->RemoveLast();
    AddNode(model, "AveragePool", {"p"}, {"y"},
            {IntsAttribute("kernel_shape", {1, 2}), IntAttribute("count_include_pad", 1),
             IntsAttribute("pads", {0, 0, 0, 1})});
    const Graph pooled = MustImport(model);
    EXPECT_EQ(std::get<op::AveragePool>(pooled.nodes[0].op), (op::AveragePool{{{1, 2}, {1, 1}, {1, 0, 2, 2}}, true}));
  }
}

// Others read a node of its own, which is written once.
TEST(OnnxImport, KeepsPadsThatOthersRead) {
  onnx::ModelProto model = EmptyModel({1, 4, 4}, {1, 3, 3});
  model.mutable_graph()->add_initializer()->CopyFrom(IntTensor64("pads", {8}, {0, 0, 1, 0, 0, 0, 1, 2}));
  model.mutable_graph()->add_initializer()->CopyFrom(FloatTensor("w", {1, 1, 4, 4}, std::vector<float>(16, 1)));
  AddNode(model, "Pad", {"x", "pads"}, {"p"}).set_name("pad");
  AddNode(model, "Conv", {"p", "w"}, {"c"});
  AddNode(model, "MaxPool", {"p"}, {"m"}, {IntsAttribute("kernel_shape", {4, 4})});
  AddNode(model, "AveragePool", {"p"}, {"a"},
          {IntsAttribute("kernel_shape", {6, 6}), IntsAttribute("pads", {1, 1, 1, 1})});
  AddNode(model, "Add", {"c", "m"}, {"s"});
  AddNode(model, "Add", {"s", "a"}, {"y"});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 6u);
  EXPECT_EQ(std::get<op::Conv>(graph.nodes[0].op).window.pads, (std::array<int64_t, 4>{1, 0, 1, 2}));
  EXPECT_EQ(graph.nodes[0].inputs[0], "x");
  EXPECT_EQ(graph.nodes[1], (Node{"pad", op::Pad{{0, 0, 1, 0, 0, 0, 1, 2}, 0}, {"x"}, "p"}));
  EXPECT_EQ(graph.nodes[2].inputs[0], "p");
  EXPECT_EQ(graph.nodes[3].inputs[0], "p");
  EXPECT_EQ(ImportOnnx(ExportOnnx(graph), "test").value(), graph);
}

TEST(OnnxImport, AddsPadsOfPads) {
  onnx::ModelProto model = EmptyModel({1, 4, 4}, {1, 6, 5});
  model.mutable_graph()->add_initializer()->CopyFrom(IntTensor64("a", {8}, {0, 0, 1, 0, 0, 0, 0, 0}));
  model.mutable_graph()->add_initializer()->CopyFrom(IntTensor64("b", {8}, {0, 0, 0, 1, 0, 0, 1, 0}));
  AddNode(model, "Pad", {"x", "a"}, {"p"});
  AddNode(model, "Pad", {"p", "b"}, {"y"});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, Op(op::Pad{{0, 0, 1, 1, 0, 0, 1, 0}, 0}));
  EXPECT_EQ(ImportOnnx(ExportOnnx(graph), "test").value(), graph);
}

// Two graph outputs, one a copy of what the other pads.
TEST(OnnxImport, RenamesWhatIsPadded) {
  onnx::ModelProto model = EmptyModel({1, 4, 4}, {1, 4, 4});
  model.mutable_graph()->add_initializer()->CopyFrom(IntTensor64("pads", {8}, {0, 0, 1, 0, 0, 0, 0, 0}));
  AddNode(model, "Relu", {"x"}, {"r"});
  AddNode(model, "Pad", {"r", "pads"}, {"p"});
  AddNode(model, "Identity", {"r"}, {"y"});
  AddNode(model, "Identity", {"p"}, {"z"});
  *model.mutable_graph()->add_output() = FloatValue("z", {-1, 1, 5, 4});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].output, "y");
  EXPECT_EQ(graph.nodes[1].inputs[0], "y");
  EXPECT_EQ(graph.nodes[1].output, "z");
  *model.mutable_graph()->add_output() = FloatValue("p", {-1, 1, 5, 4});
  EXPECT_THAT(Message(ImportModel(model).status()), HasSubstr("graph output 'p'"));
}

TEST(OnnxImport, ReadsDropoutOfEveryOpset) {
  for (const int opset : {9, 11, 12, 17}) {
    onnx::ModelProto model = EmptyModel({4}, {4}, opset);
    if (opset < 12) {
      AddNode(model, "Dropout", {"x"}, {"y", "mask"}, {FloatAttribute("ratio", 0.25f)});
    } else {
      AddNode(model, "Constant", {}, {"ratio"}, {FloatAttribute("value_float", 0.25f)});
      AddNode(model, "Dropout", {"x", "ratio"}, {"y", "mask"}, {IntAttribute("seed", 3)});
    }
    EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::Dropout{0.25f})) << opset;
    EXPECT_TRUE(MustImport(model).initializers.empty()) << opset;
    model.mutable_graph()->mutable_node()->rbegin()->clear_attribute();
    while (model.mutable_graph()->mutable_node()->rbegin()->input_size() > 1)
      model.mutable_graph()->mutable_node()->rbegin()->mutable_input()->RemoveLast();
    EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::Dropout{0.5f})) << opset;
  }
}

TEST(OnnxImport, ReadsClipOfEveryOpset) {
  onnx::ModelProto attributes = EmptyModel({4}, {4}, 10);
  AddNode(attributes, "Clip", {"x"}, {"y"}, {FloatAttribute("min", 0), FloatAttribute("max", 6)});
  EXPECT_EQ(MustImport(attributes).nodes.at(0).op, Op(op::Clip{0, 6}));
  for (const int opset : {11, 12, 13}) {
    onnx::ModelProto model = EmptyModel({4}, {4}, opset);
    *model.mutable_graph()->add_initializer() = FloatTensor("six", {}, {6});
    auto& clip = AddNode(model, "Clip", {"x", "", "six"}, {"y"});
    EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::Clip{op::Clip().min, 6})) << opset;
    clip.mutable_input()->RemoveLast();
    EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::Clip{})) << opset;
    *clip.add_attribute() = FloatAttribute("min", 0);
    EXPECT_THAT(Message(ImportModel(model).status()), HasSubstr("attribute 'min' is not supported"));
  }
}

TEST(OnnxImport, ZeroPadsAreNothing) {
  onnx::ModelProto model = EmptyModel({1, 4, 4}, {1, 2, 2});
  *model.mutable_graph()->add_initializer() = IntTensor64("pads", {8}, std::vector<int64_t>(8, 0));
  AddNode(model, "Pad", {"x", "pads"}, {"p"});
  AddNode(model, "MaxPool", {"p"}, {"y"}, {IntsAttribute("kernel_shape", {2, 2}), IntsAttribute("strides", {2, 2})});
  EXPECT_EQ(MustImport(model).nodes.size(), 1u);
}

TEST(OnnxImport, ResolvesAutomaticPads) {
  struct Case {
    const char* mode;
    std::vector<int64_t> output;
    std::array<int64_t, 4> pads;
  };
  // 7x8 under 4x3, strides 2 and 3: SAME needs (4-1)*2+4-7 = 3 and (3-1)*3+3-8 = 1 zeros.
  for (const auto& [mode, output, pads] :
       {Case{"SAME_UPPER", {1, 4, 3}, {1, 0, 2, 1}}, Case{"SAME_LOWER", {1, 4, 3}, {2, 1, 1, 0}},
        Case{"VALID", {1, 2, 2}, {}}, Case{"NOTSET", {1, 2, 2}, {}}}) {
    onnx::ModelProto model = EmptyModel({1, 7, 8}, output);
    AddNode(
        model, "MaxPool", {"x"}, {"y"},
        {IntsAttribute("kernel_shape", {4, 3}), IntsAttribute("strides", {2, 3}), StringAttribute("auto_pad", mode)});
    EXPECT_EQ(std::get<op::MaxPool>(MustImport(model).nodes.at(0).op).window.pads, pads) << mode;
  }
}

// 5x6 under 2x2 with stride 2: rounding up adds a row of windows that are cut off.
TEST(OnnxImport, TurnsCeilModeIntoPads) {
  const auto attributes = [](const std::vector<int64_t>& pads) {
    return std::vector{IntsAttribute("kernel_shape", {2, 2}), IntsAttribute("strides", {2, 2}),
                       IntsAttribute("pads", pads), IntAttribute("ceil_mode", 1)};
  };
  onnx::ModelProto max = EmptyModel({3, 5, 6}, {3, 3, 3});
  AddNode(max, "MaxPool", {"x"}, {"y"}, attributes({0, 0, 0, 0}));
  EXPECT_EQ(MustImport(max).nodes.at(0).op, Op(op::MaxPool{{{2, 2}, {2, 2}, {0, 0, 1, 0}}}));
  for (const int64_t include : {0, 1}) {
    onnx::ModelProto average = EmptyModel({3, 5, 6}, {3, 3, 3});
    *AddNode(average, "AveragePool", {"x"}, {"y"}, attributes({0, 0, 0, 0})).add_attribute() =
        IntAttribute("count_include_pad", include);
    EXPECT_EQ(MustImport(average).nodes.at(0).op, Op(op::AveragePool{{{2, 2}, {2, 2}, {0, 0, 1, 0}}, false}));
  }
  onnx::ModelProto even = EmptyModel({3, 5, 6}, {3, 3, 3});
  *AddNode(even, "AveragePool", {"x"}, {"y"}, attributes({1, 0, 0, 0})).add_attribute() =
      IntAttribute("count_include_pad", 1);
  EXPECT_EQ(MustImport(even).nodes.at(0).op, Op(op::AveragePool{{{2, 2}, {2, 2}, {1, 0, 0, 0}}, true}));
}

TEST(OnnxImport, ReadsPowersAndTruthValues) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  *model.mutable_graph()->add_initializer() = FloatTensor("half", {}, {0.5f});
  *model.mutable_graph()->add_initializer() = FloatTensor("one", {}, {1});
  onnx::TensorProto mode = IntTensor64("", {}, {});
  mode.set_data_type(onnx::TensorProto::BOOL);
  mode.set_raw_data(std::string(1, '\0'));
  AddNode(model, "Constant", {}, {"mode"}, {TensorAttribute("value", mode)});
  AddNode(model, "Pow", {"x", "one"}, {"same"});
  AddNode(model, "Pow", {"same", "half"}, {"root"});
  AddNode(model, "Dropout", {"root", "half", "mode"}, {"y"});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op, Op(op::Sqrt{}));
  EXPECT_EQ(graph.nodes[0].inputs[0], "x");
  EXPECT_EQ(graph.nodes[1].op, Op(op::Dropout{0.5f}));
}

TEST(OnnxImport, TurnsGlobalIntoOrdinaryAveragePools) {
  onnx::ModelProto model = EmptyModel({3, 5, 4}, {3, 1, 1});
  AddNode(model, "GlobalAveragePool", {"x"}, {"y"});
  EXPECT_EQ(MustImport(model).nodes.at(0).op, Op(op::AveragePool{{{5, 4}, {1, 1}, {}}, false}));
}

// A model exported for two images takes any number.
TEST(OnnxImport, MakesAFixedBatchDynamic) {
  onnx::ModelProto model = EmptyModel({4, 3}, {12});
  for (auto* value : {model.mutable_graph()->mutable_input(0), model.mutable_graph()->mutable_output(0)}) {
    value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(2);
  }
  *model.mutable_graph()->add_initializer() = IntTensor64("shape", {2}, {2, -1});
  AddNode(model, "Reshape", {"x", "shape"}, {"y"});
  const Graph graph = MustImport(model);
  EXPECT_EQ(graph.inputs[0].shape, (std::vector<int64_t>{-1, 4, 3}));
  EXPECT_EQ(std::get<op::Reshape>(graph.nodes.at(0).op).shape, (std::vector<int64_t>{0, -1}));
  EXPECT_EQ(InferShapes(graph, 9)->at("y"), (std::vector<int64_t>{9, 12}));
}

TEST(OnnxImport, OutputShapesMayBeLeftOut) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddNode(model, "Relu", {"x"}, {"y"});
  model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_EQ(MustImport(model).outputs[0].shape, (std::vector<int64_t>{-1, 4}));
}

TEST(OnnxImport, OldSoftmaxRunsOverAllLaterDimensions) {
  onnx::ModelProto flat = EmptyModel({4}, {4}, 11);
  AddNode(flat, "Softmax", {"x"}, {"y"});
  EXPECT_EQ(MustImport(flat).nodes.at(0).op, Op(op::Softmax{1}));
  onnx::ModelProto maps = EmptyModel({2, 4}, {2, 4}, 11);
  AddNode(maps, "Softmax", {"x"}, {"y"});
  const Graph rows = MustImport(maps);
  ASSERT_EQ(rows.nodes.size(), 3u);
  EXPECT_EQ(rows.nodes[0].op, Op(op::Reshape{{0, -1}}));
  EXPECT_EQ(rows.nodes[1].op, Op(op::Softmax{-1}));
  EXPECT_EQ(rows.nodes[2].op, Op(op::Reshape{{0, 2, 4}}));
  maps.mutable_opset_import(0)->set_version(13);
  EXPECT_EQ(MustImport(maps).nodes.at(0).op, Op(op::Softmax{-1}));
  onnx::ModelProto pixels = EmptyModel({4, 1, 1}, {4, 1, 1}, 11);
  AddNode(pixels, "Softmax", {"x"}, {"y"});
  EXPECT_EQ(MustImport(pixels).nodes.at(0).op, Op(op::Softmax{1}));
}

// Counted zeros, and cells behind them that don't count.
TEST(OnnxImport, GivesCountedPaddingANodeOfItsOwn) {
  onnx::ModelProto model = EmptyModel({3, 6, 5}, {3, 3, 3});
  AddNode(model, "AveragePool", {"x"}, {"y"},
          {IntsAttribute("kernel_shape", {3, 3}), IntsAttribute("strides", {2, 2}), IntsAttribute("pads", {1, 1, 0, 0}),
           IntAttribute("count_include_pad", 1), IntAttribute("ceil_mode", 1)});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op, Op(op::Pad{{0, 0, 1, 1, 0, 0, 0, 0}, 0}));
  EXPECT_EQ(graph.nodes[1].op, Op(op::AveragePool{{{3, 3}, {2, 2}, {0, 0, 0, 1}}, false}));
}

// A chain of convolutions over one dimension is one of maps: one Reshape before it, none behind it.
TEST(OnnxImport, ReadsRowsAsMaps) {
  onnx::ModelProto model = EmptyModel({2, 8}, {4});
  *model.mutable_graph()->add_initializer() = FloatTensor("w1", {3, 2, 3}, std::vector<float>(18, 1));
  *model.mutable_graph()->add_initializer() = FloatTensor("w2", {4, 3, 2}, std::vector<float>(24, 1));
  *model.mutable_graph()->add_initializer() = FloatTensor("k", {3, 1}, {1, 2, 3});
  AddNode(model, "Conv", {"x", "w1"}, {"c"}, {IntsAttribute("pads", {2, 0}), IntsAttribute("dilations", {2})});
  AddNode(model, "Mul", {"c", "k"}, {"m"});
  AddNode(model, "Relu", {"m"}, {"r"});
  AddNode(model, "Conv", {"r", "w2"}, {"d"});
  AddNode(model, "GlobalMaxPool", {"d"}, {"p"});
  AddNode(model, "Flatten", {"p"}, {"y"});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 7u);
  EXPECT_EQ(graph.nodes[0].op, Op(op::Reshape{{0, 2, 1, 8}}));
  EXPECT_EQ(graph.nodes[1].op, Op(op::Conv{{{1, 3}, {1, 1}, {0, 2, 0, 0}, {1, 2}}, 1}));
  EXPECT_EQ(graph.initializers.at(graph.nodes[2].inputs[1]).shape, (std::vector<int64_t>{3, 1, 1}));
  EXPECT_EQ(graph.nodes[5].op, Op(op::MaxPool{{{1, 5}, {1, 1}, {}}}));
  EXPECT_EQ(graph.nodes[6].op, Op(op::Flatten{1}));
  EXPECT_FALSE(graph.initializers.contains("w1"));
  // What needs three dimensions gets them.
  model.mutable_graph()->mutable_node(4)->set_op_type("Softmax");
  *model.mutable_graph()->mutable_output(0) = FloatValue("y", {-1, 20});
  const Graph row = MustImport(model);
  ASSERT_EQ(row.nodes.size(), 8u);
  EXPECT_EQ(row.nodes[5], (Node{"d.row", op::Reshape{{0, 4, 5}}, {"d.map"}, "d"}));
  EXPECT_EQ(ImportOnnx(ExportOnnx(row), "test").value(), row);
}

// The scores are the output, once.
TEST(OnnxImport, DropsALastArgMax) {
  onnx::ModelProto model = EmptyModel({4}, {4});
  AddNode(model, "Relu", {"x"}, {"scores"});
  AddNode(model, "ArgMax", {"scores"}, {"i"}, {IntAttribute("axis", 1), IntAttribute("keepdims", 0)});
  AddNode(model, "Cast", {"i"}, {"y"}, {IntAttribute("to", onnx::TensorProto::INT32)});
  model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(6);
  EXPECT_EQ(MustImport(model).outputs, (std::vector<ValueInfo>{{"y", {-1, 4}}}));
  *model.mutable_graph()->add_output() = FloatValue("scores", {-1, 4});
  EXPECT_EQ(MustImport(model).outputs, (std::vector<ValueInfo>{{"scores", {-1, 4}}}));
}

// The branch that a constant chooses stands in place of the If; of the other one nothing is read.
TEST(OnnxImport, ReadsOneBranch) {
  onnx::ModelProto model = EmptyModel({4, 1}, {4});
  *model.mutable_graph()->add_initializer() = IntTensor64("one", {1}, {1});
  AddNode(model, "Shape", {"x"}, {"shape"});
  AddNode(model, "Gather", {"shape", "two"}, {"side"});
  AddNode(model, "Equal", {"side", "one"}, {"is_one"});
  onnx::NodeProto& node = AddNode(model, "If", {"is_one"}, {"y"});
  for (const auto& [name, op] : {std::pair("then_branch", "Squeeze"), {"else_branch", "Unknown"}}) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::GRAPH);
    onnx::NodeProto& inner = *attribute.mutable_g()->add_node();
    inner.set_op_type(op);
    inner.add_input("x");
    inner.add_input("two");
    inner.add_output(std::string("inner ") + name);
    attribute.mutable_g()->add_output()->set_name(inner.output(0));
  }
  *model.mutable_graph()->add_initializer() = IntTensor64("two", {1}, {2});
  const Graph graph = MustImport(model);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, Op(op::Reshape{{0, 4}}));
  EXPECT_EQ(graph.nodes[0].output, "y");
}

}  // namespace
}  // namespace privdnn
