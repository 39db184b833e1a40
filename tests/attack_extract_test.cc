// Extraction against owners in processes of their own.
#include <algorithm>

#include "process_test.h"

namespace privdnn {
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
  const Json json = Extract({"--layers"});
  EXPECT_EQ(json["images_predicted"], 366);
  EXPECT_EQ(json["images_needed"], 366);
  EXPECT_EQ(json["kernel_mismatches"], 0);
  EXPECT_EQ(json["unknowns_per_output"], 5851);
  EXPECT_EQ(json["equations_per_image"], 16);
  EXPECT_EQ(json["outputs_attacked"], 13);
  EXPECT_EQ(json["check_mismatches"], 0);
  EXPECT_EQ(json["check_integers"], 8 * 13 * 16);
  EXPECT_EQ(json["clone_accuracy"], json["accuracy_separated"]);
  EXPECT_EQ(json["clone_images"], 1000);
  EXPECT_THAT(json["owner"].get<std::string>(), HasSubstr("process of its own on this machine"));
  ASSERT_EQ(json["layers"].size(), 1u);
  const Json layers = json["layers"][0];
  EXPECT_EQ(layers["neurons_in_plaintext"], 4);
  EXPECT_EQ(layers["known_neurons"].size(), 4);
  EXPECT_LT(std::ranges::max(layers["first_layer_errors"].get<std::vector<double>>()), 1e-3);
  EXPECT_LT(std::ranges::max(layers["second_layer_errors"].get<std::vector<double>>()), 1e-2);
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

TEST_F(AttackExtract, SaysWhatRaisesTheLimitOfUnknowns) {
  ExpectFails({"attack", "extract", "--max-unknowns", "5850"}, "; max_unknowns raises that limit, up to 30000");
}

// Where no plaintext neuron reads the first layer, a package doesn't hold it, and nothing is known of it beforehand.
TEST_F(AttackExtract, KnowsNoLayerThatThePackageDoesNotHold) {
  const Json layers = Extract({"--selection", "2:all", "--layers", "--check-images", "0"})["layers"][0];
  EXPECT_EQ(layers["neurons"], 6);
  EXPECT_EQ(layers["neurons_in_plaintext"], 0);
  EXPECT_EQ(layers["known_neurons"], Json::array());
  EXPECT_EQ(layers["neurons_missing"], 0);
  for (const double error : layers["first_layer_errors"]) {
    EXPECT_GT(error, 1e-6);  // found, not known
    EXPECT_LT(error, 1e-2);
  }
  EXPECT_LT(std::ranges::max(layers["second_layer_errors"].get<std::vector<double>>()), 5e-2);
}

// Noise on outputs ends exact extraction. It costs the user accuracy, and a clone averages it out over its images.
TEST_F(AttackExtract, NoiseOnOutputsDoesNotKeepClonesAway) {
  const Json json = Extract({"--selection", "4:all", "--inputs", "images", "--limit", "400", "--output-noise", "0,10"});
  EXPECT_LT(json["accuracy_without_core"], 30);
  ASSERT_EQ(json["noise"].size(), 2u);
  const Json exact = json["noise"][0], noisy = json["noise"][1];
  EXPECT_NEAR(exact["user_accuracy"].get<double>(), json["accuracy_separated"].get<double>(), 1);
  EXPECT_TRUE(exact["images_to_exact_accuracy"].is_number()) << exact;
  EXPECT_EQ(noisy["output_noise"], 10.0);
  EXPECT_EQ(noisy["images_needed"], nullptr);
  EXPECT_GT(noisy["shares_of_deviation"][0], 0.5);
  EXPECT_LT(noisy["user_accuracy"], exact["user_accuracy"].get<double>() - 1);
  EXPECT_TRUE(noisy["images_to_noisy_accuracy"].is_number()) << noisy;
  for (const Json& level : {exact, noisy}) {
    for (const Json& clone : level["clones"]) {
      const bool within = clone["clone_accuracy"].get<double>() >= level["user_accuracy"].get<double>() - 1;
      if (clone["images_used"] == level["images_to_noisy_accuracy"]) {
        EXPECT_TRUE(within) << clone;
      }
    }
  }
}

TEST_F(AttackExtract, FitsAnAnnouncedlyNoisyOwnersOutputsAndClaimsNoKernels) {
  ASSERT_EQ(
      Run({"encrypt", "--selection", "4:0-9", "--package", Path("n.privdnn"), "--key", Path("n.key"), "--user", "user"})
          .exit_code,
      0);
  const RunningOwner owner = StartOwner("n.key", "0.5");
  const Json json = Extract({"--owner", owner.address, "--package", Path("n.privdnn"), "--tls", Path("tls"), "--images",
                             kAssets + "/t10k-1000-images-idx3-ubyte", "--labels",
                             kAssets + "/t10k-1000-labels-idx1-ubyte", "--inputs", "images"});
  EXPECT_EQ(json["owner_output_noise"], 0.5);
  EXPECT_EQ(json["images_needed"], nullptr);
  EXPECT_EQ(json["kernel_mismatches"], nullptr);
  EXPECT_EQ(json["check_integers"], 0);
  EXPECT_EQ(json["images_asked"], 500);
  EXPECT_EQ(json["clone_images"], 500);
  EXPECT_GT(json["clone_accuracy"], 95);
}

TEST_F(AttackExtract, RefusesNoiseThatIsNone) {
  EXPECT_EQ(Run({"attack", "extract", "--output-noise", "1"}).exit_code, 2);  // asks for random inputs
  EXPECT_EQ(Run({"attack", "extract", "--noise-shares", "1"}).exit_code, 2);
  EXPECT_EQ(Run({"attack", "extract", "--inputs", "images", "--output-noise", "0,-1"}).exit_code, 2);
  EXPECT_EQ(Run({"attack", "extract", "--inputs", "images", "--output-noise", "nan"}).exit_code, 2);
  ExpectFails({"attack", "extract", "--inputs", "images", "--output-noise", "0,1e9"},
              "a quarter of the plaintext modulus");
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
}  // namespace privdnn
