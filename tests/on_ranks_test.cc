// The program under mpirun: the same answers as one process, and what is said when a rank fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class OnRanks : public ProcessTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(PRIVDNN_MPIRUN)) GTEST_SKIP() << "mpirun is not here (package openmpi-bin)";
  }
  // `arguments` behind the program; each rank runs all of them.
  static std::vector<std::string> On(int ranks, const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {
        PRIVDNN_MPIRUN, "-n", std::to_string(ranks), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"};
    for (const std::string& argument : Command(arguments)) all.push_back(argument);
    return all;
  }
  static Ended RunOn(int ranks, const std::vector<std::string>& arguments) {
    const std::string log = Log();
    auto child = ChildProcess::Start(On(ranks, arguments), log);
    if (!child.ok()) return {-1, "", Message(child.status())};
    const auto end = child->Wait(kPatience);
    if (!end.ok()) return {-1, "", Message(end.status())};
    return {end->exit_code, end->output, *ReadTextFile(log, 1 << 24)};
  }
};

TEST_F(OnRanks, InferenceGivesTheSamePredictionsAndIntegers) {
  ASSERT_EQ(
      Run({"encrypt", "--selection", "1:0;2:0,5", "--package", Path("m.privdnn"), "--key", Path("m.key")}).exit_code,
      0);
  RunningOwner owner = StartOwner();
  const auto arguments = [&](const std::string& outputs) {
    return Infer(owner.address, {"--limit", "203", "--batch", "16", "--json", "--outputs", Path(outputs)});
  };
  const Ended one = Run(arguments("one"));
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const Json expected = Json::parse(one.out);
  for (const int n : {2, 4}) {
    const Ended ended = RunOn(n, arguments("several"));
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    const Json json = Json::parse(ended.out);
    for (const char* field : {"predictions", "accuracy", "images", "bytes_up", "bytes_down", "batch"}) {
      EXPECT_EQ(json[field], expected[field]) << field;
    }
    EXPECT_TRUE(*ReadFile(Path("several"), 1 << 24) == *ReadFile(Path("one"), 1 << 24));
    ASSERT_EQ(json["ranks"].size(), static_cast<size_t>(n));
    int64_t images = 0;
    for (const Json& rank : json["ranks"]) images += rank["images"].get<int64_t>();
    EXPECT_EQ(images, 203);
  }
  const Ended refused = RunOn(2, Infer(owner.address, {"--limit", "4", "--user", "nobody"}));
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("nobody"));
}

// Each rank's pieces count as far as they came.
TEST_F(OnRanks, ABudgetThatEndsOnTheWayKeepsWhatWasAnswered) {
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;2:0,5", "--image-budget", "1000", "--package", Path("shared.privdnn"),
                 "--key", Path("shared.key")})
                .exit_code,
            0);
  const RunningOwner owner = StartOwner("shared.key");
  const std::string log = Log();
  const auto infer = Infer(owner.address, {"--batch", "1", "--json"}, "shared.privdnn");
  ChildProcess user = StartAndWait(owner, On(2, infer), log);
  UseUpTheRest("shared.key", 1000);
  const auto end = user.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_THAT(*ReadTextFile(log, 1 << 20), HasSubstr("of 1000 images have a prediction"));
  const Json json = Json::parse(end->output);
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("rank "));
  const auto answered = json["images_answered"].get<ptrdiff_t>();
  EXPECT_GT(answered, 0);
  EXPECT_LT(answered, 1000);
  EXPECT_EQ(json["predictions"].size(), 1000u);
  EXPECT_EQ(std::ranges::count_if(json["predictions"], [](const Json& p) { return !p.is_null(); }), answered);
  EXPECT_GT(json["accuracy"].get<double>(), 80);
}

TEST_F(OnRanks, SelectFindsTheSame) {
  const std::vector<std::string> select = {"select", "--method", "swap", "--counts",  "2,3",
                                           "--json", "--limit",  "300",  "--threads", "1"};
  const Ended one = Run(select);
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const Json expected = Json::parse(one.out);
  auto checkpointed = select;
  checkpointed.insert(checkpointed.end(), {"--checkpoint", Path("journal")});
  const Ended ended = RunOn(2, checkpointed);
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const Json json = Json::parse(ended.out);
  for (const char* field : {"selection", "score", "accuracy_separated", "labels", "candidates", "image_evaluations"}) {
    EXPECT_EQ(json[field], expected[field]) << field;
  }
  EXPECT_EQ(json["rank_evaluations"].size(), 2u);
  const Ended again = RunOn(2, checkpointed);
  EXPECT_NE(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("--resume goes on with it"));
  checkpointed.push_back("--resume");
  const Ended resumed = RunOn(2, checkpointed);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(Json::parse(resumed.out)["selection"], expected["selection"]);
}

TEST_F(OnRanks, AnExhaustiveSearchAnnouncesTheTimeOfAll) {
  const Ended ended =
      RunOn(2, {"select", "--method", "exhaustive", "--counts", "1,1", "--limit", "100", "--threads", "1"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr(" for all of them, if 2 ranks are as fast as this one"));
}

}  // namespace
}  // namespace privdnn
