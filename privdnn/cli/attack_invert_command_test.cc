// `attack invert`, in this process, with few steps and images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/cli/attack_commands.h"
#include "privdnn/cli/test_command.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<CommandOutput> RunInvert(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"attack", "invert"});
  arguments.insert(arguments.end(), {"--threads", "1"});
  return ParseAndRun(AddAttack, std::move(arguments));
}

TEST(AttackInvert, ReportsEveryViewByEveryMethodAndDrawsThem) {
  const TemporaryDirectory directory = TemporaryDirectory::Create().value();
  const std::string png = (directory.path() / "out.png").string();
  const auto output =
      RunInvert({"--count", "2", "--steps", "200", "--samples", "300", "--decoder-epochs", "6", "--out", png});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["attack"], "invert");
  EXPECT_EQ(json["images"], 24);
  EXPECT_EQ(json["attackers_images"], 300);
  std::vector<std::string> names;
  for (const Json& r : json["reconstructions"]) {
    names.push_back(r["view"].get<std::string>() + " " + r["method"].get<std::string>());
    EXPECT_EQ(r["psnr"].size(), 24u);
    EXPECT_EQ(r["ssim"].size(), 24u);
    const bool query = r["view"] == "query";
    if (query || r["method"] == "decoder") {
      EXPECT_EQ(r["better_than_blind_guess"], !query) << r.dump();
    }
    EXPECT_EQ(r["over_mean_image"]["ssim"]["low"].get<double>() > 0.05, !query) << r.dump();
    EXPECT_EQ(r.contains("over_other_queries"), query);
    EXPECT_EQ(r.value("equals_guess", false), query) << r.dump();
    const double over_mean = r["over_mean_image"]["psnr"]["mean"];
    EXPECT_NEAR(over_mean, r["psnr_mean"].get<double>() - json["mean_image"]["psnr_mean"].get<double>(), 1e-9);
  }
  EXPECT_THAT(names, ElementsAre("features gradient", "features decoder", "scaled gradient", "scaled decoder",
                                 "encrypted gradient", "encrypted decoder", "query gradient", "query decoder"));
  EXPECT_EQ(json["query_equals_guess"], true);
  EXPECT_NEAR(json["confidence_of_queries"].get<double>(), 0.9975, 1e-12);  // four intervals
  EXPECT_FALSE(output->failed);
  EXPECT_THAT(output->text, HasSubstr("says nothing of the image"));

  const auto bytes = ReadFile(png, 1 << 20);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_GT(bytes->size(), 24u);
  EXPECT_EQ(AsStringView(std::span(*bytes).subspan(1, 3)), "PNG");
  // Width and height: 5 pictures of 112 pixels across, 2 for each of 2 images down, lines of 4 between them.
  EXPECT_EQ((*bytes)[18] * 256 + (*bytes)[19], 5 * 116 - 4);
  EXPECT_EQ((*bytes)[22] * 256 + (*bytes)[23], 4 * 116 - 4);
}

TEST(AttackInvert, OneMethodAlone) {
  const auto output = RunInvert({"--method", "decoder", "--attacked", "4", "--samples", "20", "--decoder-epochs", "1"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["reconstructions"].size(), 4u);
  for (const Json& r : output->json["reconstructions"]) EXPECT_EQ(r["method"], "decoder");
  EXPECT_NEAR(output->json["confidence_of_queries"].get<double>(), 0.995, 1e-12);
}

TEST(AttackInvert, RefusesWhatCannotBeDone) {
  EXPECT_THAT(Message(RunInvert({"--count", "5", "--attacked", "4"}).status()), HasSubstr("--count 5"));
  EXPECT_THAT(Message(RunInvert({"--attacked", "24", "--limit", "24"}).status()), HasSubstr("needs 2 more"));
  EXPECT_THAT(Message(RunInvert({"--samples", "977"}).status()), HasSubstr("needs 977 more"));
  EXPECT_THAT(Message(RunInvert({"--attacked", "1"}).status()), HasSubstr("usage"));
  EXPECT_THAT(Message(RunInvert({"--steps", "0"}).status()), HasSubstr("usage"));
}

}  // namespace
}  // namespace privdnn
