// `obfuscate` and `attack transplant`, in this process, on the network and the images that the program carries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/cli/attack_commands.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/images.h"

namespace privdnn {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ObfuscateCommand : public testing::Test {
 protected:
  void SetUp() override {
    const ImageSet images = ImageInput().Load().value();
    for (const auto& [prefix, set] : {std::pair("train", images.Head(600)), {"t10k", images.Slice(600, 1000)}}) {
      const std::string stem = Path("data") + "/mnist/" + prefix;
      PutFile(stem + "-images-idx3-ubyte", WriteIdxImages(set));
      PutFile(stem + "-labels-idx1-ubyte", WriteIdxLabels(set));
    }
  }
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  absl::StatusOr<CommandOutput> Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"obfuscate", "--data", Path("data"), "--threads", "1"});
    return ParseAndRun(AddObfuscate, std::move(arguments));
  }
  std::string Error(std::vector<std::string> arguments) const { return Message(Run(std::move(arguments)).status()); }
  // A network of `user`'s, in the file of that name.
  absl::StatusOr<CommandOutput> For(const std::string& user, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--user", user, "--out", Path(user)});
    return Run(std::move(more));
  }
  Graph Network(const std::string& user) const { return LoadOnnx(Path(user)).value(); }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(ObfuscateCommand, GivesUsersNetworksThatDoNotShareNeurons) {
  for (const char* user : {"alice", "bob"}) {
    const auto output =
        For(user, {"--seed", "1", "--epochs", "30", "--batch", "50", "--max-loss", "9", "--kernel", "3"});
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_FALSE(output->failed) << output->text;
    const Json& json = output->json;
    EXPECT_EQ(json["user"], user);
    EXPECT_EQ(json["training_images"], 600);
    EXPECT_EQ(json["validation_images"], 200);
    EXPECT_EQ(json["epochs"], 30);
    EXPECT_EQ(json["kept"], true);
    ASSERT_EQ(json["layers"].size(), 1u);
    EXPECT_EQ(json["layers"][0]["layer"], 2);
    EXPECT_EQ(json["layers"][0]["secret_numbers"], 13 * 13 * 9);
    EXPECT_EQ(json["layers"][0]["kernel_after"], (std::vector<int>{7, 7}));
    EXPECT_EQ(json["weights_renewed"], 257 * 120);
    EXPECT_LT(json["validation_accuracy_before_training"], 50);
    EXPECT_GT(json["test_accuracy"], 88);
    EXPECT_THAT(output->text, HasSubstr("kernel 7x7 instead of 5x5"));
  }
  const Graph original = ModelInput().Load().value(), alice = Network("alice");
  EXPECT_EQ(alice.initializers.at("conv1.weight"), original.initializers.at("conv1.weight"));
  EXPECT_NE(alice.initializers.at("fc3.weight"), original.initializers.at("fc3.weight"));

  const auto transplant = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"attack", "transplant"});
    arguments.insert(arguments.end(), {"--threads", "1"});
    return ParseAndRun(AddAttack, std::move(arguments));
  };
  const std::string selection = "1:3,4;2:0,1,2,4,5,7-9,11-15";
  const auto stolen = transplant({Path("alice"), Path("bob"), "--selection", selection});
  ASSERT_TRUE(stolen.ok()) << stolen.status();
  EXPECT_EQ(stolen->json["attack"], "transplant");
  EXPECT_GT(stolen->json["accuracy_original"], 88);
  EXPECT_GT(stolen->json["accuracy_original_from"], 88);
  EXPECT_EQ(stolen->json["accuracy_original"], stolen->json["accuracy_separated"]);
  EXPECT_LT(stolen->json["accuracy_before_training"], 50);
  EXPECT_FALSE(stolen->json.contains("accuracy_after_training"));
  EXPECT_FALSE(stolen->json.contains("samples"));
  EXPECT_EQ(stolen->json["test_images"], 500);
  EXPECT_THAT(stolen->text, StartsWith(Path("bob") + " with core neurons of " + Path("alice")));
  EXPECT_THAT(stolen->text, HasSubstr("with the stolen core neurons"));
  EXPECT_THAT(stolen->text, Not(HasSubstr("the attacker's images")));
  for (const std::string option : {"--epochs", "--patience"}) {
    EXPECT_THAT(Message(transplant({Path("alice"), Path("bob"), "--selection", selection, option, "3"}).status()),
                HasSubstr(option + " requires --samples"));
  }
  const auto own = transplant({Path("bob"), Path("bob"), "--selection", selection});
  EXPECT_EQ(own->json["accuracy_before_training"], own->json["accuracy_original"]);
  const auto trained = transplant(
      {Path("alice"), Path("bob"), "--selection", selection, "--samples", "200", "--epochs", "20", "--freeze"});
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_GT(trained->json["accuracy_after_training"].get<double>(),
            stolen->json["accuracy_before_training"].get<double>() + 10);
  EXPECT_THAT(Message(transplant({Path("alice"), "--selection", selection}).status()), HasSubstr("conv2.weight"));
}

TEST_F(ObfuscateCommand, KernelsAreSecretUnlessSeeded) {
  const std::vector<std::string> quick = {"--samples", "50", "--epochs", "1", "--max-loss", "100"};
  auto seeded = quick;
  seeded.insert(seeded.end(), {"--seed", "7"});
  ASSERT_TRUE(For("alice", seeded).ok());
  const Graph first = Network("alice");
  ASSERT_TRUE(For("alice", seeded).ok());
  EXPECT_EQ(Network("alice"), first);
  ASSERT_TRUE(For("bob", seeded).ok());
  EXPECT_NE(Network("bob").initializers.at("conv2.weight"), first.initializers.at("conv2.weight"));
  ASSERT_TRUE(For("alice", quick).ok());
  const Graph secret = Network("alice");
  ASSERT_TRUE(For("alice", quick).ok());
  EXPECT_NE(Network("alice").initializers.at("conv2.weight"), secret.initializers.at("conv2.weight"));
}

TEST_F(ObfuscateCommand, GoesOnFromACheckpointWithTheKernelsItDrew) {
  const std::vector<std::string> command = {"--samples",  "50",  "--epochs",     "2",
                                            "--max-loss", "100", "--checkpoint", Path("state")};
  ASSERT_TRUE(For("alice", command).ok());
  const Graph first = Network("alice");
  ASSERT_TRUE(For("alice", command).ok());
  EXPECT_EQ(Network("alice"), first);
  // Another user draws kernels of its own, for which that state is of no use.
  EXPECT_THAT(Message(For("bob", command).status()), HasSubstr("another graph, data set or options"));
  auto other = command;
  other.insert(other.end(), {"--kernel", "3"});
  EXPECT_THAT(Message(For("alice", other).status()), HasSubstr("another graph, data set or options"));
}

TEST_F(ObfuscateCommand, ReportsEvenIfTheModelCannotBeWritten) {
  const auto output = OnAFullDisk([&] { return For("alice", {"--samples", "20", "--epochs", "1"}); });
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["epochs"], 1);
  EXPECT_TRUE(output->json.contains("test_accuracy"));
  EXPECT_THAT(Message(output->not_written), HasSubstr(Path("alice")));
}

TEST_F(ObfuscateCommand, SaysWhetherAccuracyWasKept) {
  const auto output = For("alice", {"--samples", "20", "--epochs", "1", "--learning-rate", "1e-9"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->failed);
  EXPECT_EQ(output->json["kept"], false);
  EXPECT_GT(output->json["loss"], 20);
  EXPECT_THAT(output->text, HasSubstr("more than --max-loss 0.5"));
}

TEST_F(ObfuscateCommand, RefusesWrongUsage) {
  EXPECT_THAT(Error({"--out", Path("x")}), HasSubstr("--user"));
  EXPECT_THAT(Error({"--user", "alice"}), HasSubstr("--out"));
  EXPECT_THAT(Message(For("al/ice").status()), HasSubstr("al/ice"));
  EXPECT_THAT(Message(For("alice", {"--kernel", "2"}).status()), HasSubstr("side 2"));
  EXPECT_THAT(Message(For("alice", {"--kernel", "0"}).status()), HasSubstr("usage"));
  EXPECT_THAT(Message(For("alice", {"--samples", "601"}).status()), HasSubstr("601 samples of 600"));
  EXPECT_THAT(Message(For("alice", {"--selection", "5:all"}).status()), HasSubstr("no layer behind it"));
}

}  // namespace
}  // namespace privdnn
