// Extraction against owners in processes of their own.
#include "process_test.h"

namespace privdnn::cli {
namespace {

using ::testing::HasSubstr;

const std::string kAssets = PRIVDNN_ASSETS "/lenet5-mnist";

class AttackExtract : public ProcessTest {
 protected:
  static Json Extract(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"attack", "extract", "--json", "--threads", "2"});
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return Json::parse(ended.out, nullptr, /*allow_exceptions=*/false);
  }
};

TEST_F(AttackExtract, FindsTheEmbeddedModelsKernelsExactlyFromAsManyImagesAsPredicted) {
  const Json json = Extract({});
  EXPECT_EQ(json["images_predicted"], 366);
  EXPECT_EQ(json["images_needed"], 366);
  EXPECT_EQ(json["kernel_mismatches"], 0);
  EXPECT_EQ(json["unknowns_per_output"], 5851);
  EXPECT_EQ(json["equations_per_image"], 16);
  EXPECT_EQ(json["outputs_attacked"], 13);
  EXPECT_EQ(json["check_mismatches"], 0);
  EXPECT_EQ(json["check_integers"], 8 * 13 * 16);
  EXPECT_EQ(json["clone_accuracy"], json["accuracy_separated"]);
  EXPECT_THAT(json["owner"].get<std::string>(), HasSubstr("process of its own on this machine"));
}

TEST_F(AttackExtract, FindsLinearSegmentsToo) {
  const Json json = Extract({"--selection", "4:0-9;5:0-4", "--check-images", "2"});
  EXPECT_EQ(json["images_needed"], json["images_predicted"]);
  EXPECT_EQ(json["kernel_mismatches"], 0);
  EXPECT_EQ(json["check_mismatches"], 0);
  ASSERT_EQ(json["segments"].size(), 2u);
  EXPECT_EQ(json["segments"][0]["images_needed"], 121);
  EXPECT_EQ(json["segments"][1]["images_needed"], 85);
}

TEST_F(AttackExtract, TakesAServedPackageUntilItsBudgetEnds) {
  const std::vector<std::string> encrypt = {"encrypt", "--selection", "4:0-9",  "--package", Path("m.privdnn"),
                                            "--key",   Path("m.key"), "--user", "user",      "--image-budget",
                                            "200"};
  ASSERT_EQ(Run(encrypt).exit_code, 0);
  const RunningOwner owner = StartOwner();
  const std::vector<std::string> target = {"--owner",   owner.address,
                                           "--package", Path("m.privdnn"),
                                           "--tls",     Path("tls"),
                                           "--images",  kAssets + "/t10k-1000-images-idx3-ubyte",
                                           "--labels",  kAssets + "/t10k-1000-labels-idx1-ubyte"};
  const Json json = Extract(target);
  EXPECT_EQ(json["images_needed"], 121);
  EXPECT_EQ(json["images_asked"], 121);
  EXPECT_EQ(json["kernel_mismatches"], nullptr);  // nobody here knows them
  EXPECT_EQ(json["check_mismatches"], 0);
  EXPECT_GT(json["clone_accuracy"], 95);
  EXPECT_THAT(json["owner"].get<std::string>(), HasSubstr(owner.address));
  // The same again is more than the owner answers.
  std::vector<std::string> again = {"attack", "extract"};
  again.insert(again.end(), target.begin(), target.end());
  ExpectFails(again, "64 of 121 unknowns found by 64 images");
}

}  // namespace
}  // namespace privdnn::cli
