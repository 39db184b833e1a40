#include "privdnn/report/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/report/test_results.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Sentence> Of(std::initializer_list<std::pair<const char*, Json>> steps) {
  return Verdict(TestResults(steps));
}

TEST(Verdict, SaysNothingWithoutResults) {
  Results results = TestResults({{"eval", nullptr}, {"recover", nullptr}, {"extract", nullptr}, {"plan", nullptr}});
  results.steps[2].reason = "12,001 unknowns";
  EXPECT_THAT(Verdict(results), IsEmpty());
  EXPECT_THAT(NotSaid(results), testing::Contains("extract: no result. 12,001 unknowns"));
}

TEST(Verdict, WhatThePackageIsWorthAlone) {
  EXPECT_THAT(Of({{"eval", TestEval(99.3, 99.2, 18.5)}}),
              ElementsAre(AllOf(Says(Tone::kProtects,
                                     "right for 18.5 % of 5000 test images (guessing among 10 classes: about "
                                     "10.0 %), with the owner for 99.2 %"),
                                Says(Tone::kProtects, "at most half as often"))));
  // 2.3 points are within the margin of 5000 images at 50 % (2.6), if not at 99.9 % (1.8).
  EXPECT_THAT(Of({{"eval", TestEval(99.9, 50, 47.7)}}),
              ElementsAre(Says(Tone::kExposes, "no difference"), Says(Tone::kNote, "costs authorised users")));
  EXPECT_THAT(Of({{"eval", TestEval(99.3, 99.2, 60)}}), ElementsAre(Says(Tone::kExposes, "a good part of the model")));
  EXPECT_THAT(Of({{"eval", TestEval(99.3, 99.2, 99)}}), ElementsAre(Says(Tone::kExposes, "no difference")));
  EXPECT_THAT(Of({{"eval", TestEval(99.3, 90, 10)}}),
              ElementsAre(Says(Tone::kProtects, ""), Says(Tone::kNote, "costs authorised users 9.3 points")));
}

TEST(Verdict, ComparesTrainingWithWhatTheImagesAreWorth) {
  const auto both = [](double alone, double reached) {
    return Of({{"scratch", TestTraining(alone)}, {"recover", TestTraining(reached)}});
  };
  EXPECT_THAT(both(92.1, 96.9),
              ElementsAre(AllOf(Says(Tone::kExposes, "4.8 points above"), Says(Tone::kExposes, "A_rec = 96.9 %"),
                                Says(Tone::kExposes, "A_t = 92.1 %"))));
  EXPECT_THAT(both(96.9, 92.1), ElementsAre(Says(Tone::kNote, "4.8 points below")));
  EXPECT_THAT(both(96.9, 97.0), ElementsAre(Says(Tone::kNote, "no difference that 5000 images could show")));
  EXPECT_THAT(Of({{"recover", TestTraining(96.9)}}), ElementsAre(Says(Tone::kNote, "was not measured")));
  EXPECT_THAT(Of({{"scratch", TestTraining(92.1)}}), ElementsAre(Says(Tone::kNote, "A_t = 92.1 %")));
}

TEST(Verdict, TakesTheBetterOfTwoAttackers) {
  EXPECT_THAT(Of({{"scratch", TestTraining(92)}, {"recover", TestTraining(80)}, {"recover-frozen", TestTraining(97)}}),
              ElementsAre(Says(Tone::kExposes, "A_rec = 97.0 %")));
}

TEST(Verdict, AccuraciesDifferAsFarAsTheImagesCanShow) {
  EXPECT_NEAR(DifferenceMargin(50, 50, 10000), 2.5758 * std::sqrt(0.5), 0.001);
  EXPECT_THAT(Of({{"scratch", TestTraining(92, 200)}, {"recover", TestTraining(96, 200)}}),
              ElementsAre(Says(Tone::kNote, "no difference that 200 images could show")));
}

TEST(Verdict, HoldsKernelsAgainstTheBudget) {
  const auto with = [](uint64_t budget) { return Of({{"plan", TestPlan(budget)}, {"extract", TestExtract(366)}}); };
  EXPECT_THAT(with(1000)[0], Says(Tone::kExposes, "The budget of 1000 images does not prevent it"));
  EXPECT_THAT(with(1000)[0], Says(Tone::kExposes,
                                  "366 images of a user's own determined every encrypted kernel exactly "
                                  "(0 coefficients differ"));
  EXPECT_THAT(with(1000)[0], Says(Tone::kExposes, "right for 98.6 % of 500 images that were not asked"));
  EXPECT_THAT(with(1000)[1], Says(Tone::kExposes, "Replies to 11 images"));
  EXPECT_THAT(with(1000)[1], Says(Tone::kExposes, "with the owner, on 500 images that were not asked"));
  EXPECT_THAT(with(365)[0], Says(Tone::kProtects, "365 images is below that"));
  // Below every point of the curve nothing was tried.
  EXPECT_THAT(with(10), ElementsAre(Says(Tone::kProtects, "10 images is below"), Says(Tone::kNote, "128 bits"),
                                    Says(Tone::kExposes, "about 6 images of the budget for the keys")));
}

TEST(Verdict, HoldsKeysAgainstTheBudget) {
  const auto with = [](uint64_t budget, uint64_t safe) {
    Json plan = TestPlan(budget);
    plan["images_that_keep_keys_safe"] = safe;
    return Of({{"plan", plan}});
  };
  EXPECT_THAT(with(6, 1).back(), Says(Tone::kExposes, "about 6 images of the budget for the keys"));
  EXPECT_THAT(with(6, 1).back(), Says(Tone::kExposes, "up to 1 image the keys keep 128 bits"));
  EXPECT_THAT(with(5, 1).back(), Says(Tone::kExposes, "below 128 bits with more than 1 image, within the budget"));
  EXPECT_THAT(with(5, 5), ElementsAre(Says(Tone::kNote, "of lattice security")));
}

// Two segments, of which the second takes more images.
Json ExtractOfTwo(const Json& first, const Json& second) {
  const bool all = !first.is_null() && !second.is_null();
  Json extract = TestExtract(all ? std::max(first, second) : Json(nullptr));
  extract["segments"] = {{{"segment", 0}, {"outputs", 13}, {"images_needed", first}},
                         {{"segment", 1}, {"outputs", 2}, {"images_needed", second}}};
  extract["curve"] = Json::array();
  return extract;
}

TEST(Verdict, ABudgetProtectsOnlyIfItIsBelowEverySegment) {
  const auto with = [](uint64_t budget) {
    return Of({{"plan", TestPlan(budget)}, {"extract", ExtractOfTwo(366, 40)}})[0];
  };
  EXPECT_THAT(with(39), Says(Tone::kProtects, "39 images is below that and prevents"));
  EXPECT_THAT(with(40), Says(Tone::kExposes,
                             "The budget of 40 images is below that, but lets a user determine the "
                             "kernels of 2 outputs of segment 1 by 40 images."));
  EXPECT_THAT(with(366), Says(Tone::kExposes, "does not prevent it"));
}

TEST(Verdict, SomeKernelsAreDetermined) {
  const std::string open = "384 images that were asked did not determine all kernels",
                    found = "They did determine the kernels of 13 outputs of segment 0 by 40 images";
  const auto with = [](uint64_t budget) {
    return Of({{"plan", TestPlan(budget)}, {"extract", ExtractOfTwo(40, nullptr)}})[0];
  };
  EXPECT_THAT(with(40), AllOf(Says(Tone::kExposes, open), Says(Tone::kExposes, found + "; the budget of 40 images does "
                                                                                       "not prevent that.")));
  EXPECT_THAT(with(39), Says(Tone::kNote, found + "; the budget of 39 images is below that."));
  EXPECT_THAT(Of({{"extract", ExtractOfTwo(40, nullptr)}})[0], Says(Tone::kExposes, found + "."));
}

TEST(Verdict, ClonesThatReachLittleAreSaidToo) {
  Json extract = TestExtract(366);
  for (Json& point : extract["curve"]) point["clone_accuracy"] = 30.0;
  EXPECT_THAT(Of({{"extract", extract}}), ElementsAre(Says(Tone::kExposes, "determined"),
                                                      Says(Tone::kNote, "the one with most images (37) reached 30.0")));
}

TEST(Verdict, KernelsThatStayOpen) {
  Json extract = TestExtract(nullptr);
  extract["kernel_mismatches"] = nullptr;
  const auto verdict = Of({{"extract", extract}});
  ASSERT_EQ(verdict.size(), 2u);
  EXPECT_THAT(verdict[0], Says(Tone::kNote, "384 images that were asked did not determine all kernels"));
}

TEST(Verdict, ImagesFromQueries) {
  EXPECT_THAT(Of({{"invert", TestInvert(true, true)}}),
              ElementsAre(Says(Tone::kProtects, "found nothing"), Says(Tone::kNote, "masks (features by decoder)")));
  EXPECT_THAT(Of({{"invert", TestInvert(true, false)}}),
              ElementsAre(AllOf(Says(Tone::kNote, "24 images; decoder; 99 %"),
                                Says(Tone::kNote, "found nothing in the clear either, so this run can't tell"))));
  EXPECT_THAT(Of({{"invert", TestInvert(false, false)}}), ElementsAre(Says(Tone::kExposes, "differed")));
}

TEST(Verdict, SaysWhatWasCalculatedOnly) {
  Json safe = TestPlan(5);
  safe["images_that_keep_keys_safe"] = 5;
  EXPECT_THAT(Of({{"plan", safe}}), ElementsAre(Says(Tone::kNote, "not tried")));
  for (const Sentence& s : Of({{"plan", TestPlan(1000)}})) EXPECT_THAT(s.text, HasSubstr("not tried"));
}

}  // namespace
}  // namespace privdnn
