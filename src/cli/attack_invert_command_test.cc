// `attack invert`, in this process, with few steps and images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "cli/attack_commands.h"
#include "cli/test_command.h"

namespace privdnn::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<CommandOutput> RunInvert(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"attack", "invert"});
  arguments.insert(arguments.end(), {"--threads", "1"});
  return ParseAndRun(AddAttack, std::move(arguments));
}

TEST(AttackInvert, ReportsEveryViewAndDrawsThem) {
  const TemporaryDirectory directory = TemporaryDirectory::Create().value();
  const std::string png = (directory.path() / "out.png").string();
  const auto output = RunInvert({"--attacked", "12", "--count", "2", "--steps", "150", "--out", png});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["attack"], "invert");
  EXPECT_EQ(json["images"], 12);
  EXPECT_EQ(json["attackers_images"], 200);
  std::vector<std::string> names;
  for (const Json& view : json["views"]) {
    names.push_back(view["view"]);
    EXPECT_EQ(view["psnr"].size(), 12u);
    EXPECT_EQ(view["ssim"].size(), 12u);
    EXPECT_EQ(view["better_than_blind_guess"], view["view"] != "query") << view.dump();
  }
  EXPECT_THAT(names, ElementsAre("features", "scaled", "encrypted", "query"));
  EXPECT_GT(json["views"][0]["psnr_mean"].get<double>(), json["blind_guess"]["psnr_mean"].get<double>() + 2);
  EXPECT_EQ(json["views"][3]["equals_guess"], true);
  EXPECT_EQ(json["query_equals_guess"], true);
  EXPECT_FALSE(output->failed);
  EXPECT_THAT(output->text, HasSubstr("says nothing of the image"));

  const auto bytes = ReadFile(png, 1 << 20);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_GT(bytes->size(), 24u);
  EXPECT_EQ(AsStringView(std::span(*bytes).subspan(1, 3)), "PNG");
  // Width and height: 5 pictures of 112 pixels across, 2 down, lines of 4 between them.
  EXPECT_EQ((*bytes)[18] * 256 + (*bytes)[19], 5 * 116 - 4);
  EXPECT_EQ((*bytes)[22] * 256 + (*bytes)[23], 2 * 116 - 4);
}

TEST(AttackInvert, RefusesWhatCannotBeDone) {
  EXPECT_THAT(Message(RunInvert({"--count", "5", "--attacked", "4"}).status()), HasSubstr("--count 5"));
  EXPECT_THAT(Message(RunInvert({"--attacked", "24", "--limit", "24"}).status()), HasSubstr("needs one more"));
  EXPECT_THAT(Message(RunInvert({"--attacked", "1"}).status()), HasSubstr("usage"));
  EXPECT_THAT(Message(RunInvert({"--steps", "0"}).status()), HasSubstr("usage"));
}

}  // namespace
}  // namespace privdnn::cli
