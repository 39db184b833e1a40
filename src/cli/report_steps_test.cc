#include "cli/report_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace privdnn::cli {
namespace {

using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;

std::vector<std::string> ExtractWith(uint64_t budget) {
  const Json plan = {{"image_budget", budget},
                     {"images_to_reconstruct", 100},
                     {"segments", {{{"images_to_reconstruct", 100}}, {{"images_to_reconstruct", 1000}}}}};
  const report::Results before{"", {}, {{"plan", "plan", "", 0, plan}}};
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

}  // namespace
}  // namespace privdnn::cli
