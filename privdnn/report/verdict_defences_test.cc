#include "privdnn/report/verdict_defences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/report/test_results.h"
#include "privdnn/report/verdict.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::vector<Sentence> Noise(const Json& levels, uint64_t budget = 1000) {
  return NoiseVerdict(TestResults({{"plan", TestPlan(budget)}, {"extract", TestNoise(levels)}}));
}

TEST(NoiseVerdict, NothingWithoutLevelsAndTheirControl) {
  EXPECT_THAT(NoiseVerdict(TestResults({{"plan", TestPlan(1000)}})), IsEmpty());
  EXPECT_THAT(NoiseVerdict(TestResults({{"extract", TestExtract(366)}})), IsEmpty());
  EXPECT_THAT(Noise(Json::array({TestNoiseLevel(0, 98.5, 24, 24)})), IsEmpty());
  EXPECT_THAT(Noise({TestNoiseLevel(0.1, 98.5, 24, 24), TestNoiseLevel(1, 70, 24, 24)}), IsEmpty());
}

TEST(NoiseVerdict, TakesTheMostThatItsUserHardlyNotices) {
  const auto verdict = NoiseVerdict(TestResults({{"plan", TestPlan(1000)}, {"extract", TestNoise()}}));
  ASSERT_THAT(verdict, SizeIs(1));
  EXPECT_THAT(verdict[0], AllOf(Says(Tone::kExposes,
                                     "errors of 10 % of the outputs' deviation to outputs, the most of those tried "
                                     "that cost the user at most 1 point (98.3 % right), a clone within 1 point of "
                                     "a user without errors would take 30 images, 24 without errors (on 500"),
                                Says(Tone::kExposes,
                                     "The least that more than doubled the clone's images, 31.6 % of the outputs' "
                                     "deviation, left the user right for 96.5 % instead of 98.5 % (120 images, 24"),
                                Says(Tone::kExposes, "The budget of 1000 images does not prevent it.")));
  EXPECT_EQ(verdict[0].section, "noise");
}

TEST(NoiseVerdict, IsHeldAgainstTheBudget) {
  const Json levels = {TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 98.0, 120, 120)};
  EXPECT_THAT(Noise(levels, 120), ElementsAre(Says(Tone::kExposes, "does not prevent it")));
  EXPECT_THAT(Noise(levels, 119), ElementsAre(Says(Tone::kProtects, "The budget of 119 images is below that.")));
  EXPECT_THAT(Noise(levels, 24), ElementsAre(Says(Tone::kProtects, "below that")));
  EXPECT_THAT(Noise(levels, 23), ElementsAre(Says(Tone::kNote, "The budget of 23 images is below both.")));
  // The level that counts for the user is the one that counts for the clone: it is said once.
  EXPECT_THAT(Noise(levels, 120)[0].text, Not(HasSubstr("more than doubled")));
}

// Images of a clone differ from run to run by a factor of two.
TEST(NoiseVerdict, ADifferenceThatMayBeChanceProtectsNothing) {
  const Json near = {TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 98.0, 30, 30)};
  EXPECT_THAT(Noise(near, 29), ElementsAre(Says(Tone::kNote, "differ from run to run")));
  EXPECT_THAT(Noise(near, 30), ElementsAre(Says(Tone::kExposes, "does not prevent it")));
  const Json fewer = {TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 98.0, 20, 20)};
  EXPECT_THAT(Noise(fewer, 22), ElementsAre(Says(Tone::kExposes, "does not prevent it")));
  EXPECT_THAT(Noise(fewer, 19), ElementsAre(Says(Tone::kNote, "below both")));
}

TEST(NoiseVerdict, MoreImagesThanWereTriedProtectWithinThem) {
  const Json levels = {TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 98.0, nullptr, nullptr)};
  EXPECT_THAT(Noise(levels, 500), ElementsAre(Says(Tone::kProtects, "would take more than 500 images")));
  EXPECT_THAT(Noise(levels, 501), ElementsAre(Says(Tone::kNote, "More images were not tried.")));
}

TEST(NoiseVerdict, LevelsThatNobodyCanUse) {
  EXPECT_THAT(Noise({TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 72.2, nullptr, 12)}),
              ElementsAre(AllOf(Says(Tone::kNote, "cost the user more than 1 point at every level tried"),
                                Says(Tone::kNote, "left the user right for 72.2 %"))));
  EXPECT_THAT(Noise({TestNoiseLevel(0, 98.5, nullptr, nullptr), TestNoiseLevel(0.1, 98.5, nullptr, nullptr)}),
              ElementsAre(Says(Tone::kNote, "can't be told from this run")));
  // Twice as many may be chance.
  EXPECT_THAT(Noise({TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(1, 72.2, 48, 12)})[0].text,
              Not(HasSubstr("doubled")));
}

TEST(NoiseVerdict, WithoutAPlanNoBudgetStopsAnything) {
  const auto verdict = NoiseVerdict(TestResults({{"extract", TestNoise()}}));
  EXPECT_THAT(verdict, ElementsAre(Says(Tone::kExposes, "30 images")));
  EXPECT_THAT(verdict[0].text, Not(HasSubstr("budget")));
}

std::vector<Sentence> Stolen(const Json& transplant, const Json& anew = nullptr, bool kept = true) {
  return ObfuscationVerdict(TestResults({{"obfuscate-alice", TestObfuscated(99.1, kept)},
                                         {"obfuscate-bob", TestObfuscated(99.0, true)},
                                         {"transplant", transplant},
                                         {"recover-bob", anew}}));
}

TEST(ObfuscationVerdict, NothingWithoutBothNetworks) {
  EXPECT_THAT(ObfuscationVerdict(TestResults({{"obfuscate-alice", TestObfuscated(99.1, true)}})), IsEmpty());
}

TEST(ObfuscationVerdict, WhatItCostsAndWhatStolenNeuronsAreWorth) {
  EXPECT_THAT(Stolen(TestTransplant(28.4, 94)),
              ElementsAre(AllOf(Says(Tone::kNote,
                                     "60000 images, 20 epochs) are right for 99.1 and 99.0 % of 5000 test "
                                     "images, the original for 99.3 %"),
                                Says(Tone::kNote, "both stayed within the 0.5 points of validation accuracy")),
                          AllOf(Says(Tone::kProtects, "right for 28.4 %, 27.6 % without any, 99.1 % with its own"),
                                Says(Tone::kProtects, "no difference that 5000 images could show from none"))));
  EXPECT_THAT(Stolen(TestTransplant(20.5, 94))[1], Says(Tone::kProtects, "worse than none"));
  EXPECT_THAT(Stolen(TestTransplant(40, 94))[1], Says(Tone::kNote, "worth something"));
  EXPECT_THAT(Stolen(TestTransplant(50, 94))[1], Says(Tone::kExposes, "they work there, too"));
  // 2.3 points are within the margin of 5000 images, but not of 10000 (1.7).
  EXPECT_THAT(Stolen(TestTransplant(29.9, 94))[1], Says(Tone::kProtects, "no difference"));
  EXPECT_THAT(Stolen(TestTransplant(29.9, 94, 10000))[1], Says(Tone::kNote, "worth something"));
}

// One or two core neurons: the rest works by itself.
TEST(ObfuscationVerdict, ANetworkThatWorksAloneIsNoControl) {
  const auto verdict = [](double before) {
    Json stolen = TestTransplant(before, 94);
    stolen["accuracy_without_core"] = 85;
    return Stolen(stolen)[1];
  };
  EXPECT_THAT(verdict(80), AllOf(Says(Tone::kNote, "worse than none"), Says(Tone::kNote, "works without any")));
  EXPECT_THAT(verdict(85), AllOf(Says(Tone::kNote, "no difference"), Says(Tone::kNote, "works without any")));
  EXPECT_THAT(verdict(95), Says(Tone::kExposes, "they work there, too"));
}

TEST(ObfuscationVerdict, NetworksThatLostTooMuchShowNothing) {
  const auto verdict = Stolen(TestTransplant(20.5, 94), TestTraining(94), /*kept=*/false);
  EXPECT_THAT(verdict[0], Says(Tone::kNote, "more was lost than the 0.5 points"));
  EXPECT_THAT(verdict[1], Says(Tone::kNote, "lost too much for this to count"));
  EXPECT_THAT(Stolen(TestTransplant(60, 94), nullptr, false)[1], Says(Tone::kExposes, "they work there, too"));
}

TEST(ObfuscationVerdict, ComparesTrainingFromStolenAndFromRandomNeurons) {
  EXPECT_THAT(Stolen(TestTransplant(20.5, 97), TestTraining(94)),
              Contains(Says(Tone::kExposes,
                            "reached 97.0 %, from random neurons A_rec = 94.0 %: the stolen neurons "
                            "were worth 3.0 points to training")));
  EXPECT_THAT(Stolen(TestTransplant(20.5, 94), TestTraining(97)), Contains(Says(Tone::kNote, "of no use to this")));
  EXPECT_THAT(Stolen(TestTransplant(20.5, 94.2), TestTraining(94)),
              Contains(Says(Tone::kNote, "no difference that 5000 images could show")));
}

TEST(ObfuscationVerdict, OneImageThatIsEnoughIsNotSaidToBeTried) {
  const auto about = HasSubstr("the replies to one image are enough");
  EXPECT_THAT(NotSaid(TestResults({{"transplant", TestTransplant(20, 94)}})), Contains(about));
  EXPECT_THAT(NotSaid(TestResults({{"transplant", nullptr}})), Not(Contains(about)));
}

}  // namespace
}  // namespace privdnn
