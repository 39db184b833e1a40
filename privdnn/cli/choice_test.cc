#include "privdnn/cli/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace privdnn {
namespace {

using ::testing::HasSubstr;

enum class Pace { kSlow = 1, kFast = 4 };
const std::map<std::string, Pace> kPaces = {{"slow", Pace::kSlow}, {"fast", Pace::kFast}};
const std::map<std::string, bool> kYesNo = {{"yes", true}, {"no", false}};

class Choice : public ::testing::Test {
 protected:
  Choice() {
    AddChoice(&app_, "--pace", pace_, "how fast", kPaces);
    AddChoice(&app_, "--once", once_, "how often", kYesNo);
    AddChoice(&app_, "--maybe", maybe_, "perhaps", kPaces);
  }
  // Empty, or what is wrong with the arguments.
  std::string Parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(arguments);
    } catch (const CLI::ParseError& e) {
      return e.what();
    }
    return "";
  }
  CLI::App app_;
  Pace pace_ = Pace::kFast;
  bool once_ = false;
  std::optional<Pace> maybe_;
};

TEST_F(Choice, TakesNames) {
  EXPECT_EQ(Parse({"--pace", "slow", "--once", "yes", "--maybe=fast"}), "");
  EXPECT_EQ(pace_, Pace::kSlow);
  EXPECT_TRUE(once_);
  EXPECT_EQ(maybe_, Pace::kFast);
}

TEST_F(Choice, LeavesWhatIsNotGiven) {
  EXPECT_EQ(Parse({}), "");
  EXPECT_EQ(pace_, Pace::kFast);
  EXPECT_FALSE(maybe_.has_value());
}

TEST_F(Choice, RefusesEverythingElse) {
  for (const std::string wrong : {"1", "4", "Slow", "true", ""}) {
    EXPECT_EQ(Parse({"--pace", wrong}), "--pace: " + wrong + " is not fast|slow");
  }
  EXPECT_EQ(Parse({"--once", "1"}), "--once: 1 is not no|yes");
  EXPECT_EQ(pace_, Pace::kFast);
}

TEST_F(Choice, HelpShowsNamesAndDefaults) {
  const std::string help = app_.help();
  EXPECT_THAT(help, HasSubstr("--pace fast|slow=fast "));
  EXPECT_THAT(help, HasSubstr("--once no|yes=no "));
  EXPECT_THAT(help, HasSubstr("--maybe fast|slow "));
}

}  // namespace
}  // namespace privdnn
