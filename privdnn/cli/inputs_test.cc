// Models as commands take them.
#include "privdnn/cli/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

class ModelInputTest : public testing::Test {
 protected:
  void SetUp() override {
    onnx::ModelProto open = EmptyModel({1, -1, -1}, {1, 1, 1});
    AddNode(open, "GlobalAveragePool", {"x"}, {"y"});
    ASSERT_TRUE(WriteTextFile(Path("open.onnx"), open.SerializeAsString()).ok());
    onnx::ModelProto two = EmptyModel({4}, {4});
    *two.mutable_graph()->add_input() = FloatValue("mask", {-1, 4});
    AddNode(two, "Relu", {"x"}, {"y"});
    ASSERT_TRUE(WriteTextFile(Path("two.onnx"), two.SerializeAsString()).ok());
  }
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  // What a command with these arguments loads; an error that begins with "usage" if they are refused.
  static absl::StatusOr<Graph> Load(std::vector<std::string> arguments) {
    CLI::App app;
    ModelInput model;
    model.AddPositional(&app);
    std::reverse(arguments.begin(), arguments.end());
    try {
      app.parse(arguments);
    } catch (const CLI::ParseError& e) {
      return InvalidArgument("usage: {}", e.what());
    }
    return model.Load();
  }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(ModelInputTest, TakesTheInputsShape) {
  const std::vector<int64_t> expected = {-1, 1, 8, 9};
  EXPECT_EQ(Load({"--input-shape", "1,8,9", Path("open.onnx")}).value().inputs[0].shape, expected);
  EXPECT_EQ(Load({Path("open.onnx"), "--input-shape=1,8,9"}).value().inputs[0].shape, expected);
}

TEST_F(ModelInputTest, NamesTheOptionThatGivesTheShape) {
  EXPECT_EQ(Message(Load({Path("open.onnx")}).status()),
            Path("open.onnx") +
                ": graph input 'x': dimension 2 ('batch') is not a positive number; an input shape must "
                "be given (--input-shape, such as 3,32,32)");
}

// Whatever else a model puts out, and needs for it alone.
TEST_F(ModelInputTest, OfSeveralOutputsTheFirstCounts) {
  onnx::ModelProto model = EmptyModel({4}, {3});
  AddNode(model, "Relu", {"x"}, {"features"});
  *model.mutable_graph()->add_initializer() = FloatTensor("w", {4, 3}, std::vector<float>(12, 0.5f));
  AddNode(model, "MatMul", {"features", "w"}, {"y"});
  AddNode(model, "Neg", {"features"}, {"other"});
  *model.mutable_graph()->add_output() = FloatValue("other", {-1, 4});
  ASSERT_TRUE(WriteTextFile(Path("outputs.onnx"), model.SerializeAsString()).ok());
  const Graph graph = Load({Path("outputs.onnx")}).value();
  EXPECT_EQ(graph.outputs.size(), 1u);
  EXPECT_EQ(graph.outputs[0].name, "y");
  EXPECT_EQ(graph.nodes.size(), 2u);
  const ModelInput input{.path = Path("outputs.onnx")};
  EXPECT_TRUE(input.LoadClasses().ok());
  EXPECT_EQ(input.LoadWithOwnOutputs()->outputs.size(), 2u);
  const ModelInput labels{.path = Path("outputs.onnx"), .output = OutputKind::kMultiLabel};
  EXPECT_THAT(Message(labels.LoadClasses().status()), HasSubstr("outputs.onnx: the network's outputs are multi-label"));
}

TEST_F(ModelInputTest, RefusesOtherShapes) {
  for (const char* shape : {"0,8,9", "-1,8,9", "1,8,b", "1,8,9223372036854775808"}) {
    EXPECT_THAT(Message(Load({Path("open.onnx"), "--input-shape", shape}).status()), HasSubstr("usage: ")) << shape;
  }
  EXPECT_THAT(Message(Load({"--input-shape", "1,8,9"}).status()), HasSubstr("usage: --input-shape requires model"));
}

TEST_F(ModelInputTest, NamesTheInputsOfAModelThatHasSeveral) {
  EXPECT_EQ(Message(Load({Path("two.onnx")}).status()),
            Path("two.onnx") + ": the network has 2 inputs, needs 1: 'x', 'mask' (not read)");
}

}  // namespace
}  // namespace privdnn
