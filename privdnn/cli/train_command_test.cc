// The command `train`, in this process, on a few images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/graph/preprocess.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/images.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

class TrainCommand : public testing::Test {
 protected:
  void SetUp() override { PutMnistInTwoShades(Path("data")); }
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  // `privdnn train` with the data above and these arguments; an error if they are refused.
  absl::StatusOr<CommandOutput> Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"train", "--data", Path("data"), "--threads", "1"});
    return ParseAndRun(AddTrain, std::move(arguments));
  }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(TrainCommand, ReportsOnHalvesOfTheTestImages) {
  const auto output = Run({"--epochs", "20", "--batch", "8", "--averaging", "0", "--no-augmentation", "--optimizer",
                           "adam", "--learning-rate", "0.005", "--out", Path("model.onnx")});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["data_set"], "mnist");
  EXPECT_EQ(json["training_images"], 40);
  EXPECT_EQ(json["validation_images"], 10);
  EXPECT_EQ(json["test_images"], 10);
  EXPECT_EQ(json["epochs"], 20);
  EXPECT_EQ(json["test_accuracy"], 100);
  EXPECT_EQ(json["test_top5_accuracy"], 100);
  EXPECT_THAT(output->text, HasSubstr("100.00 % of 10 test images right"));
  EXPECT_TRUE(LoadOnnx(Path("model.onnx")).ok());
}

TEST_F(TrainCommand, HoldsTrainingImagesOut) {
  const auto output = Run({"--epochs", "1", "--hold-out", "15", "--out", Path("model.onnx")});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["training_images"], 25);
  EXPECT_EQ(output->json["validation_images"], 15);
  EXPECT_EQ(output->json["test_images"], 20);
  EXPECT_THAT(Message(Run({"--hold-out", "40", "--out", Path("x")}).status()), HasSubstr("40 cannot be held out"));
}

TEST_F(TrainCommand, GoesOnFromAModel) {
  ASSERT_TRUE(Run({"--epochs", "1", "--out", Path("first.onnx")}).ok());
  const auto second = Run({"--init", Path("first.onnx"), "--epochs", "1", "--learning-rate", "1e-12", "--averaging",
                           "0", "--out", Path("second.onnx")});
  ASSERT_TRUE(second.ok()) << second.status();
  const Graph a = LoadOnnx(Path("first.onnx")).value(), b = LoadOnnx(Path("second.onnx")).value();
  for (const auto& [name, tensor] : a.initializers) {
    const std::vector<float>& same = b.initializers.at(name).values;
    for (size_t i = 0; i < same.size(); ++i) ASSERT_NEAR(same[i], tensor.values[i], 1e-4) << name;
  }
}

// What comes of it reads what every command gives, and is what training judged.
TEST_F(TrainCommand, GoesOnFromAModelOfPreparedInputs) {
  ASSERT_TRUE(Run({"--epochs", "1", "--out", Path("first.onnx")}).ok());
  Graph graph = LoadOnnx(Path("first.onnx")).value();
  graph.metadata["privdnn.scale"] = "1/51";
  graph.metadata["privdnn.mean"] = "0.4";
  graph.metadata["privdnn.std"] = "0.3";
  ASSERT_TRUE(SaveOnnx(graph, Path("prepared.onnx")).ok());
  const auto second = Run({"--init", Path("prepared.onnx"), "--epochs", "1", "--learning-rate", "1e-12", "--averaging",
                           "0", "--out", Path("second.onnx")});
  ASSERT_TRUE(second.ok()) << second.status();
  const Graph saved = LoadOnnx(Path("second.onnx")).value();
  EXPECT_EQ(FindPreprocessing(saved).value(), Preprocessing{});
  const ImageSet test = LoadDataSet("mnist", Path("data"), Split::kTestHalf).value();
  const auto scores = [&](const std::string& name) {
    const Graph loaded = ModelInput{.path = Path(name)}.Load().value();
    const Executor executor = Executor::Create(loaded).value();
    return executor.Run({{loaded.inputs[0].name, test.Batch(0, test.count)}}).value().at(loaded.outputs[0].name);
  };
  const Tensor before = scores("prepared.onnx"), after = scores("second.onnx");
  for (size_t i = 0; i < before.values.size(); ++i) ASSERT_NEAR(after.values[i], before.values[i], 1e-3);
  int right = 0;
  const std::vector<int32_t> labels = Argmax(after);
  for (size_t i = 0; i < labels.size(); ++i) right += labels[i] == test.labels[i];
  EXPECT_NEAR(second->json["test_accuracy"].get<double>(), 100.0 * right / static_cast<double>(test.count), 1e-9);
}

TEST_F(TrainCommand, ReportsEvenIfTheModelCannotBeWritten) {
  const auto output = OnAFullDisk([&] { return Run({"--epochs", "1", "--out", Path("model.onnx")}); });
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["test_images"], 10);
  EXPECT_THAT(Message(output->not_written), HasSubstr("model.onnx"));
  EXPECT_FALSE(std::filesystem::exists(Path("model.onnx")));
}

TEST_F(TrainCommand, SaysWhatIsWrong) {
  const auto error = [&](const std::vector<std::string>& arguments) { return Message(Run(arguments).status()); };
  EXPECT_THAT(error({"--epochs", "1"}), HasSubstr("--out"));
  EXPECT_THAT(error({"--optimizer", "newton", "--out", "x"}), HasSubstr("newton"));
  EXPECT_THAT(error({"--flip", "2", "--out", "x"}), HasSubstr("--flip"));
  EXPECT_THAT(error({"--data-set", "cifar10", "--out", Path("x")}), HasSubstr("data_batch_1.bin"));
  EXPECT_THAT(error({"--arch", "vgg16-cifar10", "--data-set", "mnist", "--out", Path("x")}),
              HasSubstr("images have shape (-1, 1, 28, 28)"));
  EXPECT_THAT(error({"--init", Path("nothing.onnx"), "--out", Path("x")}), HasSubstr("nothing.onnx"));
  EXPECT_FALSE(std::filesystem::exists(Path("x")));
}

}  // namespace
}  // namespace privdnn
