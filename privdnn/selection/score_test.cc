#include "privdnn/selection/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace privdnn {
namespace {

using ::testing::HasSubstr;

double Score(const std::string& text, const Accuracies& accuracies) { return (*ParseScore(text))(accuracies); }

TEST(ParseScore, PaperHasItsEquation) {
  // sig(x) = 1 / (1 + e^-x): sig(0) = 0.5, sig(ln 3) = 0.75, sig(ln 4) = 0.8.
  EXPECT_DOUBLE_EQ(Score("paper", {90, 90, 90}), 0);
  EXPECT_DOUBLE_EQ(Score("paper", {90, 90, 90 - 5 * std::log(3)}), 0.75 - 0.5);
  EXPECT_NEAR(Score("paper", {90 + std::log(4), 90, 90 - 5 * std::log(3)}), 0.75 - 0.8, 1e-14);
  EXPECT_NEAR(Score("paper:10,0.5", {90 + 0.5 * std::log(4), 90, 90 - 10 * std::log(3)}), 0.75 - 0.8, 1e-14);
}

TEST(ParseScore, DifferenceCountsLossOnly) {
  EXPECT_DOUBLE_EQ(Score("difference", {98, 95, 20}), 75 - 3);
  EXPECT_DOUBLE_EQ(Score("difference:2.5", {98, 95, 20}), 75 - 7.5);
  EXPECT_DOUBLE_EQ(Score("difference:2.5", {94, 95, 20}), 75);
}

TEST(ParseScore, RisesWithTheAuthorisedAndFallsWithTheUnauthorised) {
  for (const char* text : {"paper", "paper:2,3", "difference", "difference:0.1"}) {
    EXPECT_LT(Score(text, {90, 80, 20}), Score(text, {90, 81, 20})) << text;
    EXPECT_GT(Score(text, {90, 80, 20}), Score(text, {90, 80, 21})) << text;
  }
}

TEST(ParseScore, RefusesWhatIsNoScore) {
  for (const char* text : {"", "papers", "best", "Paper"}) {
    EXPECT_THAT(Message(ParseScore(text).status()), HasSubstr("is not known; there are 'paper'")) << text;
  }
  for (const char* text : {"paper:", "paper:,1", "paper:5,", "paper:0,1", "paper:5,-1", "paper:x,1", "paper:5,1e999",
                           "paper:nan,1", "difference:inf", "difference:1 "}) {
    EXPECT_THAT(Message(ParseScore(text).status()), HasSubstr("is not a positive number")) << text;
  }
  EXPECT_THAT(Message(ParseScore("paper:5").status()), HasSubstr("score 'paper:5': 1 parameters; 'paper' takes 2"));
  EXPECT_THAT(Message(ParseScore("difference:1,2").status()), HasSubstr("2 parameters; 'difference' takes 1"));
}

}  // namespace
}  // namespace privdnn
