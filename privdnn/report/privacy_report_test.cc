#include "privdnn/report/privacy_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/report/csv.h"
#include "privdnn/report/test_results.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Results Everything() {
  Results results = TestResults({{"plan", TestPlan(1000)},
                                 {"eval", TestEval(99.3, 99.2, 18.5)},
                                 {"extract", TestNoise()},
                                 {"invert", TestInvert(true, true)},
                                 {"scratch", TestTraining(92.1)},
                                 {"recover", TestTraining(96.9)},
                                 {"recover-frozen", TestTraining(96.6)},
                                 {"obfuscate-alice", TestObfuscated(99.1, true)},
                                 {"obfuscate-bob", TestObfuscated(99.0, true)},
                                 {"transplant", TestTransplant(20.5, 94)},
                                 {"recover-bob", TestTraining(95.7)}});
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
  EXPECT_THAT(FigureNames(document),
              ElementsAre("encrypted", "accuracy", "extraction", "layers-0", "noise", "noise-images", "obfuscation",
                          "inversion", "bits", "budget", "bytes", "times"));
  EXPECT_TRUE(Find(document, "inversion").figures[0].image.has_value());
  const auto& layers = Find(document, "extraction").figures[1].table.rows;
  EXPECT_EQ(layers.at(0).at(0), "neuron 0");
  EXPECT_EQ(layers.at(1).at(0), "neuron 1, in plaintext");
  EXPECT_EQ(RenderCsv(Find(document, "extraction").figures[0].table),
            "images asked,\"clone, %\",\"A_s, %\",\"A_r, %\",kernels\n11,95.0,98.5,22.6,approximate\n"
            "37,97.8,98.5,22.6,approximate\n366,98.6,98.5,22.6,exact\n");
  EXPECT_EQ(RenderCsv(Find(document, "accuracy").figures[0].table),
            "network,\"accuracy, %\",test images,attacker's images,epochs\n\"A_o, original\",99.3,5000,,\n"
            "\"A_s, authorised user\",99.2,5000,,\n\"A_r, package alone\",18.5,5000,,\n"
            "\"A_t, images alone\",92.1,5000,1000,64\n\"A_rec, all trained\",96.9,5000,1000,64\n"
            "\"A_rec, known weights kept\",96.6,5000,1000,64\n");
}

TEST(PrivacyReport, HasTheDefencesThatWereTried) {
  const Document document = Describe(Everything());
  const Section& noise = Find(document, "noise");
  // The segment with most counts.
  EXPECT_EQ(RenderCsv(noise.figures[0].table),
            "\"error, % of the outputs' deviation\",\"user, %\",\"A_s, %\",\"A_r, %\",\"images, to A_s\",\"images, to "
            "the user\",\"images, exact\",images tried,--output-noise\n0.0,98.5,98.5,22.6,24,24,366,500,0.0\n"
            "10.0,98.3,98.5,22.6,30,30,,500,0.2\n31.6,96.5,98.5,22.6,120,24,,500,0.632\n"
            "100.0,72.2,98.5,22.6,,12,,500,2.0\n");
  EXPECT_EQ(RenderCsv(noise.figures[1].table),
            "error,as good as without errors,as good as the user under errors,tried\n0 %,24,24,500\n10 %,30,30,500\n"
            "31.6 %,120,24,500\n100 %,,12,500\n");
  EXPECT_THAT(RenderCsv(Find(document, "obfuscation").figures[0].table),
              AllOf(HasSubstr("original,99.3,5000,,,\nalice's network,99.1,5000,0.2,60000,20\n"),
                    HasSubstr("\"bob's, alice's neurons\",20.5,5000,,,\n\"the same, trained\",94.0,5000,,1000,64\n"
                              "\"bob's, random neurons, trained\",95.7,5000,,1000,64\n")));
}

TEST(PrivacyReport, ErrorsThatRepliesHaveNoRoomForAreNamed) {
  Results results = Everything();
  results.steps[2].result["noise_left_out"] = {{{"output_noise", 12.5}, {"reason", "too large"}}};
  EXPECT_THAT(Find(Describe(results), "noise").paragraphs, Contains("Errors of 12.5 were left out: too large"));
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
}  // namespace privdnn
