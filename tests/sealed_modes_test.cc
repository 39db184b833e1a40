// The sealed mode as people run it: two processes, TLS, real digits.
#include <csignal>

#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

const std::string kModel = PRIVDNN_ASSETS "/relu-mnist/model.onnx";
const std::string kImages = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte";
const std::string kLabels = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-labels-idx1-ubyte";

class SealedTest : public ProcessTest {
 protected:
  static void SetUpTestSuite() {
    ProcessTest::SetUpTestSuite();
    const Ended made = Encrypt("m", {});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const Json json = Json::parse(made.out);
    EXPECT_EQ(json["mode"], "sealed");
    EXPECT_NEAR(json["simulation"]["accuracy_simulated"].get<double>(),
                json["simulation"]["accuracy_original"].get<double>(), 0.5);
    EXPECT_EQ(json["simulation"]["overflows"], 0);
    ASSERT_EQ(Encrypt("scores", {"--reveal", "scores"}).exit_code, 0);
  }
  static Ended Encrypt(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"encrypt",     kModel,
                                        "--sealed",    "--selection",
                                        "2:all;3:all", "--images",
                                        kImages,       "--labels",
                                        kLabels,       "--limit",
                                        "200",         "--user",
                                        "user",        "--image-budget",
                                        "50",          "--json",
                                        "--package",   Path(name + ".privdnn"),
                                        "--key",       Path(name + ".key")};
    command.insert(command.end(), more.begin(), more.end());
    return Run(command);
  }
  static std::vector<std::string> Ask(const std::string& address, std::vector<std::string> more,
                                      const std::string& package = "m.privdnn") {
    for (const std::string& argument : {std::string("--images"), kImages, std::string("--labels"), kLabels}) {
      more.push_back(argument);
    }
    return Infer(address, more, package);
  }
};

TEST_F(SealedTest, OnlyTheAnswerComes) {
  RunningOwner owner = StartOwner();
  const Ended user = Run(Ask(owner.address, {"--skip", "200", "--limit", "20", "--batch", "7", "--json"}));
  ASSERT_EQ(user.exit_code, 0) << user.err;
  const Json json = Json::parse(user.out);
  EXPECT_EQ(json["mode"], "sealed");
  EXPECT_EQ(json["reveal"], "label");
  EXPECT_EQ(json["predictions"].size(), 20u);
  EXPECT_GE(json["accuracy"], 90);
  EXPECT_EQ(json["images_remaining"], 30);
  EXPECT_EQ(Remaining(owner), 30u);
  // More than is left: refused, and nothing is taken.
  const Ended more = Run(Ask(owner.address, {"--limit", "31", "--batch", "31"}));
  EXPECT_EQ(more.exit_code, 1);
  EXPECT_THAT(more.err, HasSubstr("20 of the 50 images allowed are used"));
  EXPECT_EQ(Remaining(owner), 30u);
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--offline"}, {"--repeats", "2"}, {"--outputs", Path("o")}, {"--resume", Path("r")}}) {
    ExpectWrongUsage(Ask(owner.address, option), "a sealed package goes without");
  }
  ExpectFails(Ask(owner.address, {"--scores", Path("s.csv"), "--limit", "1"}), "the owner reveals labels alone");
}

TEST_F(SealedTest, ScoresComeIfTheOwnerRevealsThem) {
  RunningOwner owner = StartOwner("scores.key");
  const Ended user = Run(Ask(owner.address, {"--limit", "3", "--scores", Path("s.json"), "--json"}, "scores.privdnn"));
  ASSERT_EQ(user.exit_code, 0) << user.err;
  const Json scores = Json::parse(*ReadTextFile(Path("s.json"), 1 << 20)), json = Json::parse(user.out);
  const Ended eval = Run({"eval", kModel, "--images", kImages, "--limit", "3", "--outputs", Path("e.json")});
  const Json plain = Json::parse(*ReadTextFile(Path("e.json"), 1 << 20)).front()["values"];
  ASSERT_EQ(scores.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const auto row = scores[i].get<std::vector<double>>();
    EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), json["predictions"][i].get<int>());
    for (size_t c = 0; c < 10; ++c) EXPECT_NEAR(row[c], plain[10 * i + c].get<double>(), 0.2);
  }
}

// Budgets are taken with the answer; whoever goes before, on either side, leaves the other in order.
TEST_F(SealedTest, APeerThatIsKilledIsNoticed) {
  RunningOwner owner = StartOwner();
  const uint64_t before = Remaining(owner);
  {
    auto user = *ChildProcess::Start(Command(Ask(owner.address, {"--limit", "20", "--batch", "20"})), Log());
    while (Remaining(owner) == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    user.Signal(SIGKILL);
    EXPECT_EQ(user.Wait(kPatience)->signal, SIGKILL);
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (Remaining(owner) != before && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(Remaining(owner), before);  // it was given back
  const std::string log = Log();
  auto user = *ChildProcess::Start(Command(Ask(owner.address, {"--limit", "20", "--batch", "20"})), log);
  while (Remaining(owner) == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  owner.process.Signal(SIGKILL);
  const auto ended = user.Wait(kPatience);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->exit_code, 1);
  EXPECT_THAT(*ReadTextFile(log, 1 << 20), HasSubstr("went away"));
}

TEST_F(SealedTest, OptionsOfTheOpenModeAreRefused) {
  ExpectWrongUsage({"encrypt", kModel, "--sealed", "--selection", "1:all", "--package", Path("x"), "--key", Path("y")},
                   "--sealed needs --images");
  ExpectWrongUsage(
      {"encrypt", kModel, "--reveal", "scores", "--selection", "1:all", "--package", Path("x"), "--key", Path("y")},
      "--reveal requires --sealed");
  ExpectWrongUsage({"encrypt", "--sealed", "--input-bits", "9", "--package", Path("x"), "--key", Path("y")},
                   "--sealed");
}

}  // namespace
}  // namespace privdnn
