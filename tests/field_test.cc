// Models and inputs that gave wrong answers without a word in comparable software, or here: owner and user as two
// processes. tests/field/README.md says where each file comes from.
#include <nlohmann/json.hpp>

#include "privdnn/data/dataset.h"
#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kField = PRIVDNN_FIELD "/";
const std::string kDigits = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte";
const std::string kDigitLabels = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-labels-idx1-ubyte";

class Field : public ProcessTest {
 protected:
  using Arguments = std::vector<std::string>;
  static Arguments Join(Arguments first, const Arguments& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
  // Encrypts, serves and infers; `calibration` and `inputs` are options. Returns what infer prints as JSON.
  static Json Answer(const std::string& model, const std::string& selection, const Arguments& calibration,
                     const Arguments& inputs, std::string* warnings = nullptr) {
    const std::string name = "p" + std::to_string(++packages_);
    const Ended made = Run(Join({"encrypt", kField + model, "--selection", selection, "--package",
                                 Path(name + ".privdnn"), "--key", Path(name + ".key"), "--image-budget", "5000"},
                                calibration));
    EXPECT_EQ(made.exit_code, 0) << made.err;
    if (made.exit_code != 0) return {};
    RunningOwner owner = StartOwner(name + ".key");
    const Ended asked = Run(Infer(owner.address, Join({"--json"}, inputs), name + ".privdnn"));
    EXPECT_EQ(asked.exit_code, 0) << asked.err;
    if (warnings) *warnings = asked.err;
    owner.process.Signal(SIGTERM);
    EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
    return asked.exit_code == 0 ? Json::parse(asked.out) : Json();
  }
  static inline int packages_ = 0;
};

// Trained on (x - mean) / std: 46 % as torch has it, 13 % if nobody says so.
TEST_F(Field, NormalisedModels) {
  const Arguments images = {"--images", kField + "cifar-60.idx", "--labels", kField + "cifar-60.labels"};
  const Arguments prepared = {"--mean", "0.4914,0.4822,0.4465", "--std", "0.247,0.2435,0.2616"};
  const Ended plain = Run(Join({"eval", kField + "cifar_plain.onnx", "--json"}, images));
  EXPECT_LT(Json::parse(plain.out)["accuracy_original"], 15);
  EXPECT_THAT(plain.err, AllOf(HasSubstr("near chance"), HasSubstr("--mean")));
  const Ended told = Run(Join(Join({"eval", kField + "cifar_plain.onnx", "--json"}, images), prepared));
  const double accuracy = Json::parse(told.out)["accuracy_original"];
  EXPECT_NEAR(accuracy, 46, 6);
  EXPECT_THAT(told.err, Not(HasSubstr("near chance")));
  // The user says nothing of it.
  const Json answer =
      Answer("cifar_plain.onnx", "1:0-7;3:all", Join(prepared, {"--images", kField + "cifar-60.idx"}), images);
  EXPECT_NEAR(answer["accuracy"], accuracy, 3.5);  // two images of 60
  ExpectWrongUsage({"eval", "--mean", "0.5"}, "for a model of your own");
  ExpectFails(Join({"eval", kField + "cifar_plain.onnx", "--mean", "0.5,0.5"}, images), "2 numbers for the mean");
}

// One sigmoid: right for 98.5 % of the images, not 91.5 %, the share of those that are no zeros.
TEST_F(Field, BinaryOutputs) {
  const Arguments images = {"--images", kDigits, "--labels", kField + "is_zero.labels"};
  ExpectFails(Join({"eval", kField + "is_zero.onnx"}, images), "1000 images");
  Arguments first = {"--images", Path("digits.idx"), "--labels", kField + "is_zero.labels"};
  ImageSet digits = LoadInputs(kDigits)->Head(200);
  ASSERT_TRUE(WriteFile(Path("digits.idx"), WriteIdxImages(digits)).ok());
  const Ended whole = Run(Join({"eval", kField + "is_zero.onnx", "--json"}, first));
  EXPECT_NEAR(Json::parse(whole.out)["accuracy_original"], 98.5, 0.01) << whole.err;
  first.insert(first.end(), {"--scores", Path("scores.csv")});
  const Json answer = Answer("is_zero.onnx", "1:0-2;2:all", {"--images", Path("digits.idx")}, first);
  EXPECT_NEAR(answer["accuracy"], 98.5, 0.6);
  EXPECT_EQ(answer["outputs"], "classes");
  const Json& scores = answer["scores"];
  ASSERT_EQ(scores.size(), 200u);
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(scores[i][0].get<double>() + scores[i][1].get<double>(), 1, 1e-6);
    EXPECT_EQ(answer["predictions"][i], scores[i][1] > scores[i][0] ? 1 : 0);
  }
  const auto table = ReadTextFile(Path("scores.csv"), 1 << 20);
  EXPECT_EQ(std::ranges::count(*table, '\n'), 200);
}

// Calibrated on images ten times darker: the user is told, with numbers.
TEST_F(Field, CalibrationOnOtherImages) {
  const Arguments images = {"--images", kDigits, "--labels", kDigitLabels, "--limit", "200"};
  std::string dim_words, normal_words;
  const Json dim = Answer("relu.onnx", "1:0-3;2:all;3:all", {"--images", kField + "calib-dim.idx"}, images, &dim_words);
  const Json normal =
      Answer("relu.onnx", "1:0-3;2:all;3:all", {"--images", kField + "calib-normal.idx"}, images, &normal_words);
  EXPECT_LT(dim["accuracy"], normal["accuracy"]);
  EXPECT_THAT(dim_words, AllOf(HasSubstr("beyond the range"), HasSubstr("segment 1")));
  EXPECT_THAT(normal_words, Not(HasSubstr("beyond the range")));
  EXPECT_GT(dim["clamping"][1]["clamped"], 1000);
  EXPECT_EQ(dim["clamping"][1]["images_clamped"], 200);
  EXPECT_EQ(dim["clamping"][0]["clamped"], 0);
  // The owner sees it before anything is served, on images with labels.
  const Ended plan = Run({"plan", kField + "relu.onnx", "--selection", "1:0-3;2:all;3:all", "--images", kDigits,
                          "--labels", kDigitLabels, "--limit", "200", "--json"});
  EXPECT_NEAR(Json::parse(plan.out)["simulation"]["accuracy_quantised"], normal["accuracy"], 1.1);
}

// Rows of numbers, from any of the files that hold them; the layout of dimensions doesn't matter.
TEST_F(Field, RowsOfNumbers) {
  Json first;
  for (const char* file : {"tab2d.idx", "tab3d.idx", "tab4d.idx"}) {
    SCOPED_TRACE(file);
    const Json answer = Answer("logreg.onnx", "1:all", {"--input-min", "0", "--input-max", "1"},
                               {"--images", kField + file, "--scores", Path("scores.npy")});
    ASSERT_EQ(answer["scores"].size(), 20u);
    EXPECT_NEAR(answer["scores"][0][0].get<double>() + answer["scores"][0][1].get<double>() +
                    answer["scores"][0][2].get<double>(),
                1, 1e-5);
    EXPECT_EQ(LoadInputs(Path("scores.npy"))->Shape(), (std::vector<int64_t>{3}));
  }
  // The same rows as text, with values of their own: encrypted for their range.
  std::string text = "a,b,c,d,e,f,g,h,i,j,k,l,m\n";
  for (int row = 0; row < 6; ++row) {
    for (int i = 0; i < 13; ++i) text += fmt::format("{}{}", 0.07 * i * (row - 2), i < 12 ? "," : "\n");
  }
  ASSERT_TRUE(WriteTextFile(Path("rows.csv"), text).ok());
  std::string words;
  const Json rows =
      Answer("tabular.onnx", "1:all;2:0-3", {"--images", Path("rows.csv")}, {"--images", Path("rows.csv")}, &words);
  EXPECT_EQ(rows["predictions"].size(), 6u);
  EXPECT_THAT(words, Not(HasSubstr("beyond the range")));
  ExpectFails({"plan", kField + "logreg.onnx", "--selection", "1:all", "--images", kDigits}, "the network reads 13");
  // Rows may have any range.
  for (const char* command : {"plan", "encrypt"}) {
    Arguments arguments = {command, kField + "logreg.onnx", "--selection", "1:all"};
    if (arguments[0] == "encrypt") {
      arguments = Join(arguments, {"--package", Path("no.privdnn"), "--key", Path("no.key")});
    }
    ExpectFails(arguments, "of shape 13, which is no picture and may have any range");
  }
}

TEST_F(Field, OutputsThatAreNoRow) {
  const Json answer =
      Answer("out4d.onnx", "1:0-2", {"--images", kDigits, "--limit", "20"}, {"--images", kDigits, "--limit", "20"});
  EXPECT_EQ(answer["predictions"].size(), 20u);
  for (const char* command : {"plan", "encrypt"}) {
    Arguments map = {command, kField + "segm.onnx", "--selection", "1:0-2"};
    if (map[0] == "encrypt") map.insert(map.end(), {"--package", Path("m.privdnn"), "--key", Path("m.key")});
    ExpectFails(map, "holds a map for each image");
  }
  // It is still evaluated.
  EXPECT_EQ(
      Run({"eval", kField + "segm.onnx", "--images", kDigits, "--limit", "2", "--outputs", Path("map.json")}).exit_code,
      0);
}

// Convolutions over (N, C, L).
TEST_F(Field, RowsOfChannels) {
  std::string text;
  for (int row = 0; row < 4; ++row) {
    for (int i = 0; i < 384; ++i) text += fmt::format("{}{}", (i * 37 + row * 11) % 101 / 101.0, i < 383 ? "," : "\n");
  }
  ASSERT_TRUE(WriteTextFile(Path("rows.csv"), text).ok());
  const Arguments rows = {"--images", Path("rows.csv")};
  const Json answer =
      Answer("cnn1d.onnx", "1:all;2:0-1", rows, {"--images", Path("rows.csv"), "--scores", Path("scores.csv")});
  ASSERT_EQ(answer["scores"].size(), 4u);
  // As the whole network has it in floats.
  const Ended whole = Run(Join({"eval", kField + "cnn1d.onnx", "--outputs", Path("whole.json")}, rows));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const Json outputs = Json::parse(*ReadTextFile(Path("whole.json"), 1 << 20));
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(answer["scores"][i / 5][i % 5], outputs["logits"]["values"][i], 0.02);
  }
}

TEST_F(Field, InspectSaysWhatFilesHold) {
  const auto inspect = [&](const std::string& file) {
    const Ended ended = Run({"inspect", file, "--json"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return Json::parse(ended.out);
  };
  const Json model = inspect(kField + "relu.onnx");
  EXPECT_EQ(model["output_kind"], "classes");
  ASSERT_EQ(model["layers"].size(), 3u);
  for (const Json& layer : model["layers"]) EXPECT_EQ(layer["can_be_encrypted"], true);
  EXPECT_EQ(model["layers"][2]["operator"], "Gemm");
  EXPECT_EQ(model["layers"][2]["neurons"], 10);
  ASSERT_EQ(Run({"encrypt", kField + "relu.onnx", "--selection", "1:0-3", "--package", Path("i.privdnn"), "--key",
                 Path("i.key"), "--user", "alice@example.org", "--image-budget", "77"})
                .exit_code,
            0);
  const Json package = inspect(Path("i.privdnn")), key = inspect(Path("i.key"));
  EXPECT_EQ(package["kind"], "package");
  EXPECT_EQ(package["image_budget"], 77);
  EXPECT_EQ(package["input"], Json::parse("[1, 28, 28]"));
  EXPECT_EQ(key["user"], "alice@example.org");
  EXPECT_EQ(key["package_id"], package["package_id"]);
  EXPECT_EQ(inspect(kDigits)["count"], 1000);
  const Ended text = Run({"inspect", kField + "relu.onnx"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("layer 3"), HasSubstr("can be encrypted")));
  ExpectFails({"inspect", kField + "README.md"}, "README.md");
}

TEST_F(Field, RangesThatChangeNothingAreRefused) {
  ExpectFails({"plan", kField + "relu.onnx", "--selection", "2:0-3", "--images", kDigits, "--input-max", "2"},
              "no effect");
}

}  // namespace
}  // namespace privdnn
