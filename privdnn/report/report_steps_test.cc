#include "privdnn/report/report_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace privdnn {
namespace {

using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;

std::vector<std::string> ExtractWith(uint64_t budget) {
  const Json plan = {{"image_budget", budget},
                     {"images_to_reconstruct", 100},
                     {"segments", {{{"images_to_reconstruct", 100}}, {{"images_to_reconstruct", 1000}}}}};
  const Results before{"", {}, {{"plan", "plan", "", 0, plan}}};
  ReportInput input;
  input.data_set = "mnist";
  input.effort = Efforts().at("quick");
  return std::ranges::find(ReportSteps(), "extract", &ReportStep::name)->arguments(input, before);
}

TEST(ReportSteps, ExtractAsksForTheKernelsOfEverySegment) {
  // Half of the images are asked, 1.1 * 1000 + 20.
  EXPECT_THAT(ExtractWith(500), IsSupersetOf({"--limit", "2240", "--images-used", "500"}));
  EXPECT_THAT(ExtractWith(999), IsSupersetOf({"--images-used", "999"}));
  EXPECT_THAT(ExtractWith(1000), Not(Contains("--images-used")));
}

ReportInput OfADataSet() {
  ReportInput input;
  input.compact_selection = "1:0";
  input.data_set = "mnist";
  input.effort = Efforts().at("quick");
  input.files = "work/networks";
  return input;
}

std::vector<std::string> Arguments(const std::string& step, const ReportInput& input) {
  return std::ranges::find(ReportSteps(), step, &ReportStep::name)->arguments(input, {});
}

TEST(ReportSteps, UsersNetworksHaveSecretNumbersUnlessASeedIsGiven) {
  ReportInput input = OfADataSet();
  const auto alice = Arguments("obfuscate-alice", input);
  EXPECT_THAT(alice, IsSupersetOf({"--user", "alice", "--samples", "4000", "--out", "work/networks/alice.onnx"}));
  EXPECT_THAT(alice, Not(Contains("--seed")));
  input.seed = 7;
  EXPECT_THAT(Arguments("obfuscate-bob", input), IsSupersetOf({"bob", "--seed", "7"}));
  input.effort = Efforts().at("normal");
  EXPECT_THAT(Arguments("obfuscate-bob", input), Not(Contains("--samples")));
}

TEST(ReportSteps, StolenAndRandomNeuronsAreTrainedAlike) {
  const auto stolen = Arguments("transplant", OfADataSet()), random = Arguments("recover-bob", OfADataSet());
  ASSERT_GT(stolen.size(), 4u);
  EXPECT_EQ(stolen[2], "work/networks/alice.onnx");
  EXPECT_EQ(std::vector(stolen.begin() + 3, stolen.end()), std::vector(random.begin() + 2, random.end()));
  EXPECT_THAT(random, IsSupersetOf({"work/networks/bob.onnx", "--selection", "1:0", "--freeze", "--epochs", "32"}));
}

TEST(ReportSteps, StepsThatReadTheModelTakeItsDescription) {
  ReportInput input = OfADataSet();
  input.model = "model.onnx";
  input.model_options = {"--input-shape", "3,8,8", "--mean", "0.5"};
  for (const char* step : {"eval", "invert", "scratch", "recover", "obfuscate-bob"}) {
    EXPECT_THAT(Arguments(step, input), IsSupersetOf({"model.onnx", "--input-shape", "3,8,8", "--mean", "0.5"}))
        << step;
  }
  EXPECT_THAT(Arguments("transplant", input), Not(Contains("--input-shape")));
}

TEST(ReportSteps, WhatAStepTakesAnEarlierOneMakes) {
  std::vector<std::string> made;
  for (const ReportStep& step : ReportSteps()) {
    for (const std::string& file : step.takes) EXPECT_THAT(made, Contains(file)) << step.name;
    if (!step.makes.empty()) made.push_back(step.makes);
    EXPECT_FALSE(step.part.empty()) << step.name;
  }
}

}  // namespace
}  // namespace privdnn
