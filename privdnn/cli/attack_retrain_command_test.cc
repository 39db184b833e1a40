// `attack scratch` and `attack recover`, in this process, with few epochs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/cli/attack_commands.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/images.h"
#include "privdnn/torch/train.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

class AttackRetrain : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  static absl::StatusOr<CommandOutput> Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "attack");
    arguments.insert(arguments.end(), {"--threads", "1"});
    return ParseAndRun(AddAttack, std::move(arguments));
  }
  static std::string Error(std::vector<std::string> arguments) { return Message(Run(std::move(arguments)).status()); }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(AttackRetrain, RecoverReportsBesideTheSelectionsAccuracies) {
  const auto output = Run({"recover", "--epochs", "12", "--out", Path("out.onnx")});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["attack"], "recover");
  EXPECT_EQ(json["samples"], 500);
  EXPECT_EQ(json["samples_held_out"], 0);
  EXPECT_EQ(json["test_images"], 500);
  EXPECT_EQ(json["weights"], 44426);
  EXPECT_EQ(json["weights_unknown"], 2 * 26 + 13 * 151 + 3 * 50);
  EXPECT_EQ(json["known_rate"], 0.1);
  EXPECT_GT(json["accuracy_original"], 98);
  EXPECT_GT(json["accuracy_separated"], 98);
  EXPECT_LT(json["accuracy_without_core"], 30);
  EXPECT_LT(json["accuracy_before_training"], 40);
  EXPECT_GT(json["accuracy_after_training"], 80);
  EXPECT_EQ(json["epochs"], 12);
  EXPECT_EQ(json["options"]["learning_rate"], 2e-3);
  EXPECT_EQ(json["options"]["rotation_degrees"], 0);
  EXPECT_THAT(output->text, HasSubstr("A_r, core neurons removed"));
  EXPECT_THAT(output->text, HasSubstr("A_rec"));
  EXPECT_THAT(output->text, HasSubstr("carries"));
  const ImageSet test = ImageInput().Load().value().Slice(500, 1000);
  EXPECT_EQ(json["accuracy_after_training"], Accuracy(LoadOnnx(Path("out.onnx")).value(), test).value());
}

TEST_F(AttackRetrain, FreezeAndKnowsCutChangeWhatIsTrained) {
  const auto frozen = Run({"recover", "--epochs", "1", "--freeze", "--knows-cut", "--out", Path("out.onnx")});
  ASSERT_TRUE(frozen.ok()) << frozen.status();
  EXPECT_EQ(frozen->json["known_rate"], 0);
  EXPECT_EQ(frozen->json["knows_cut"], true);
  EXPECT_EQ(frozen->json["weights_unknown"], 2 * 26 + 13 * 151);
  const Graph original = ModelInput().Load().value(), trained = LoadOnnx(Path("out.onnx")).value();
  for (const char* name : {"fc1.weight", "fc1.bias", "fc3.weight"}) {
    EXPECT_EQ(trained.initializers.at(name), original.initializers.at(name)) << name;
  }
  EXPECT_NE(trained.initializers.at("conv2.weight"), original.initializers.at("conv2.weight"));
}

TEST_F(AttackRetrain, ScratchNeedsNoSelection) {
  ASSERT_TRUE(SaveOnnx(ModelInput().Load().value(), Path("model.onnx")).ok());
  const auto output = Run({"scratch", Path("model.onnx"), "--samples", "60", "--epochs", "2", "--augmentation"});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["attack"], "scratch");
  EXPECT_EQ(json["samples"], 60);
  EXPECT_EQ(json["weights_unknown"], json["weights"]);
  EXPECT_FALSE(json.contains("accuracy_separated"));
  EXPECT_LT(json["accuracy_before_training"], 30);
  EXPECT_EQ(json["options"]["rotation_degrees"], 12);
  EXPECT_EQ(Run({"scratch", "--epochs", "1"})->json.contains("accuracy_separated"), true);
  EXPECT_THAT(Error({"recover", Path("model.onnx")}), HasSubstr("--selection is needed"));
}

TEST_F(AttackRetrain, PatienceHoldsOutATenth) {
  const auto output = Run({"recover", "--patience", "2", "--epochs", "200", "--learning-rate", "0.01"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["samples"], 500);
  EXPECT_EQ(output->json["samples_held_out"], 50);
  EXPECT_LT(output->json["epochs"], 100);
  EXPECT_GT(output->json["held_out_accuracy"], 70);
}

TEST_F(AttackRetrain, GoesOnFromACheckpoint) {
  const std::vector<std::string> command = {"recover", "--epochs", "2", "--samples", "100", "--checkpoint", Path("s")};
  const auto first = Run(command), second = Run(command);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->json["accuracy_after_training"], second->json["accuracy_after_training"]);
  auto other = command;
  other.insert(other.end(), {"--freeze"});
  EXPECT_THAT(Error(other), HasSubstr("another graph, data set or options"));
}

TEST_F(AttackRetrain, TakesSamplesAndJudgesFromSplitsOfADataSet) {
  PutMnistInTwoShades(Path("data"));
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"scratch", "--data", Path("data"), "--epochs", "1"});
    return Run(std::move(more));
  };
  const auto output = run({});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["samples"], 40);
  EXPECT_EQ(output->json["samples_from"], "mnist, train");
  EXPECT_EQ(output->json["test_images"], 10);
  EXPECT_EQ(run({"--split", "validation"})->json["samples"], 10);
  EXPECT_THAT(Message(run({"--samples", "41"}).status()), HasSubstr("mnist, train: 41 samples of 40"));
  EXPECT_THAT(Message(run({"--hold-out", "40"}).status()), HasSubstr("40 cannot be held out"));
  EXPECT_THAT(Message(run({"--split", "test-half"}).status()), HasSubstr("--split"));
}

}  // namespace
}  // namespace privdnn
