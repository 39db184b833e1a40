#include "report/privacy_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/csv.h"
#include "report/test_results.h"

namespace privdnn::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Results Everything() {
  Results results = TestResults({{"plan", TestPlan(1000)},
                                 {"eval", TestEval(99.3, 99.2, 18.5)},
                                 {"extract", TestExtract(366)},
                                 {"invert", TestInvert(true, true)},
                                 {"scratch", TestTraining(92.1)},
                                 {"recover", TestTraining(96.9)},
                                 {"recover-frozen", TestTraining(96.6)}});
  results.steps[3].picture = {1, 2, 3};
  return results;
}

std::vector<std::string> FigureNames(const Document& document) {
  std::vector<std::string> names;
  for (const Section& s : document.sections) {
    for (const Figure& f : s.figures) names.push_back(f.id);
  }
  return names;
}

const Section& Find(const Document& document, const std::string& id) {
  return *std::ranges::find(document.sections, id, &Section::id);
}

TEST(PrivacyReport, HasAFigureOfEachStep) {
  const Document document = Describe(Everything());
  EXPECT_THAT(FigureNames(document), ElementsAre("encrypted", "accuracy", "extraction", "layers-0", "inversion", "bits",
                                                 "budget", "bytes", "times"));
  EXPECT_TRUE(Find(document, "inversion").figures[0].image.has_value());
  EXPECT_EQ(RenderCsv(Find(document, "extraction").figures[0].table),
            "images asked,\"clone, %\",\"A_s, %\",\"A_r, %\",kernels\n11,95.0,98.5,22.6,approximate\n"
            "37,97.8,98.5,22.6,approximate\n366,98.6,98.5,22.6,exact\n");
  EXPECT_EQ(RenderCsv(Find(document, "accuracy").figures[0].table),
            "network,\"accuracy, %\",test images,attacker's images,epochs\n\"A_o, original\",99.3,5000,,\n"
            "\"A_s, authorised user\",99.2,5000,,\n\"A_r, package alone\",18.5,5000,,\n"
            "\"A_t, images alone\",92.1,5000,1000,64\n\"A_rec, all trained\",96.9,5000,1000,64\n"
            "\"A_rec, known weights kept\",96.6,5000,1000,64\n");
}

TEST(PrivacyReport, EveryFigureStandsBesideTheCommandThatMadeIt) {
  for (const Section& s : Describe(Everything()).sections) {
    ASSERT_FALSE(s.made_by.empty()) << s.id;
    for (const Provenance& p : s.made_by) EXPECT_THAT(p.command, HasSubstr("privdnn ")) << s.id;
  }
}

TEST(PrivacyReport, AllKernelsAreThoseOfTheSegmentThatTakesMostImages) {
  Results results = Everything();
  Json& plan = results.steps[0].result;
  plan["segments"].push_back(plan["segments"][0]);
  plan["segments"][1]["images_to_reconstruct"] = 4000;
  EXPECT_EQ(ImagesForAllKernels(plan), 4000u);
  EXPECT_THAT(RenderCsv(Find(Describe(results), "security").figures[1].table),
              HasSubstr("determine all kernels,4000\ndetermine the first,366\n"));
}

TEST(PrivacyReport, ClonesStandBesideTheImagesThatJudgeThem) {
  EXPECT_THAT(Find(Describe(Everything()), "extraction").figures[0].caption,
              HasSubstr("Percent of 500 images that were not asked"));
}

TEST(PrivacyReport, SaysWhyAStepHasNoResult) {
  Results results = Everything();
  results.steps[2].result = nullptr;
  results.steps[2].reason = "12,001 unknowns are too many";
  const Document document = Describe(results);
  EXPECT_THAT(Find(document, "extraction").figures, IsEmpty());
  EXPECT_EQ(Find(document, "extraction").made_by.at(0).reason, "12,001 unknowns are too many");
  EXPECT_THAT(document.not_said[0], HasSubstr("12,001 unknowns"));
}

TEST(PrivacyReport, ClonesWithoutLabelsHaveNoCurve) {
  Results results = Everything();
  Json& extract = results.steps[2].result;
  extract["clone_accuracy"] = nullptr;
  for (Json& point : extract["curve"]) point["clone_accuracy"] = nullptr;
  extract.erase("layers");
  EXPECT_THAT(Find(Describe(results), "extraction").figures, IsEmpty());
}

TEST(PrivacyReport, ResultsWithoutTheirFieldsAreAnError) {
  Results results = Everything();
  results.steps[0].result.erase("image_budget");
  EXPECT_THROW(Describe(results), Json::exception);
}

}  // namespace
}  // namespace privdnn::report
