// The command `select`, in this process, on the embedded model and few of its images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/data/arrays.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/selection/selection.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SelectCommandTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  // `privdnn select` with these arguments; an error if they are refused, which begins with "usage".
  static absl::StatusOr<CommandOutput> Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "select");
    return ParseAndRun(AddSelect, std::move(arguments));
  }
  // On 100 of the images, with one thread.
  static absl::StatusOr<CommandOutput> Quick(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--limit", "100", "--threads", "1"});
    return Run(std::move(arguments));
  }
  static std::string Error(std::vector<std::string> arguments) { return Message(Quick(std::move(arguments)).status()); }
  static Graph Embedded() { return *ModelInput().Load(); }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(SelectCommandTest, OrdersOfGreedyDiffer) {
  const auto in_turn = Quick({"--method", "greedy", "--counts", "2,2"});
  const auto layers = Quick({"--method", "greedy", "--counts", "2,2", "--order", "layers"});
  ASSERT_TRUE(in_turn.ok() && layers.ok());
  EXPECT_EQ(in_turn->json["options"]["order"], "in-turn");
  EXPECT_EQ(layers->json["options"]["order"], "layers");
  EXPECT_NE(in_turn->json["selection"], layers->json["selection"]);
}

// What is in the report is what EvaluateSelection finds of the selection, label by label too.
TEST_F(SelectCommandTest, EveryMethodReportsWhatItsSelectionIsWorth) {
  const Graph graph = Embedded();
  ImageInput input;
  input.limit = 100;
  const ImageSet images = *input.Load();
  for (const std::string method : {"random", "greedy", "exhaustive", "norm", "fpgm", "hrank", "greedy-forward",
                                   "norm+greedy", "fpgm+greedy", "swap"}) {
    SCOPED_TRACE(method);
    const auto output = Quick({"--method", method, "--counts", "1,2", "--tries", "5", "--no-racing"});
    ASSERT_TRUE(output.ok()) << output.status();
    const Json& json = output->json;
    EXPECT_EQ(json["method"], method);
    EXPECT_EQ(json["images"], 100);
    EXPECT_EQ(json["options"]["counts"], (Json{1, 2}));
    const auto selection = ParseSelection(json.dump(), graph);
    ASSERT_TRUE(selection.ok()) << selection.status();
    ASSERT_EQ(selection->layers.at(1).size(), 1u);
    ASSERT_EQ(selection->layers.at(2).size(), 2u);
    const auto expected = *EvaluateSelection(graph, *selection, images);
    EXPECT_EQ(json["accuracy_original"], expected.original);
    EXPECT_EQ(json["accuracy_separated"], expected.separated);
    EXPECT_EQ(json["accuracy_without_core"], expected.removed);
    int64_t counted = 0;
    double separated = 0;
    std::vector<int> worse;
    for (const Json& label : json["labels"]) {
      counted += label["images"].get<int64_t>();
      separated += label["images"].get<double>() * label["accuracy_separated"].get<double>();
      if (label["accuracy_separated"] < label["accuracy_original"]) worse.push_back(label["label"].get<int>());
    }
    EXPECT_EQ(counted, 100);
    EXPECT_NEAR(separated / 100, expected.separated, 1e-9);
    EXPECT_EQ(json["labels_worse"], Json(worse));
    EXPECT_GE(json["image_evaluations"].get<int64_t>(), 100);
    EXPECT_THAT(output->text, AllOf(HasSubstr("by " + method), HasSubstr("A_s"), HasSubstr("labels that got worse")));
  }
}

TEST_F(SelectCommandTest, ExhaustiveSearchWritesEveryCandidate) {
  const auto output = Quick(
      {"--method", "exhaustive", "--counts", "1,1", "--all-results", Path("all.csv"), "--out", Path("selection.json")});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["candidates"], 6 * 16);
  std::ifstream file(Path("all.csv"));
  std::string line, best;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_EQ(line, "first,second,accuracy_separated,accuracy_without_core,score");
  int rows = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  while (std::getline(file, line)) {
    EXPECT_EQ(line.substr(0, line.find(',', line.find(',') + 1)), fmt::format("{},{}", rows / 16, rows % 16));
    const double score = std::stod(line.substr(line.rfind(',') + 1));
    if (score > best_score) best = line;
    best_score = std::max(best_score, score);
    ++rows;
  }
  EXPECT_EQ(rows, 6 * 16);
  EXPECT_NEAR(output->json["score"].get<double>(), best_score, 1e-12);
  const auto written = ParseSelection(*ReadTextFile(Path("selection.json"), 1000), Embedded());
  EXPECT_EQ(fmt::format("{},{}", written->layers.at(1)[0], written->layers.at(2)[0]) + ",",
            best.substr(0, best.find(',', best.find(',') + 1) + 1));
}

// What is logged while this lives.
class Logged {
 public:
  Logged() { sinks().push_back(std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_)); }
  ~Logged() { sinks().pop_back(); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  std::string text() const { return stream_.str(); }

 private:
  static std::vector<spdlog::sink_ptr>& sinks() { return spdlog::default_logger()->sinks(); }
  std::ostringstream stream_;
};

TEST_F(SelectCommandTest, AnExhaustiveSearchAnnouncesWhatIsLeft) {
  const auto log = [&](const std::string& method, const std::string& counts, bool resume = true) {
    std::vector<std::string> arguments = {"--method", method, "--counts", counts, "--checkpoint", Path("journal")};
    if (resume) arguments.emplace_back("--resume");
    const Logged logged;
    const auto output = Quick(arguments);
    EXPECT_TRUE(output.ok()) << output.status();
    return logged.text();
  };
  log("norm", "1,1", false);  // one of 96
  EXPECT_THAT(log("exhaustive", "1,1"),
              AllOf(HasSubstr("96 combinations"), HasSubstr(" for the 95 that are not in " + Path("journal"))));
  EXPECT_THAT(log("exhaustive", "1,1"), HasSubstr("all of them are in " + Path("journal")));
  EXPECT_THAT(log("exhaustive", "0,1"), testing::ContainsRegex("about [0-9:]+ for all of them\n"));
}

TEST_F(SelectCommandTest, CountsComeInSeveralForms) {
  const auto counts = [](std::vector<std::string> arguments) {
    const auto output = Quick(std::move(arguments));
    EXPECT_TRUE(output.ok()) << output.status();
    return output.ok() ? output->json["options"]["counts"] : Json();
  };
  EXPECT_EQ(counts({"--percent", "50"}), (Json{3, 8}));
  EXPECT_EQ(counts({"--percent", "1"}), (Json{1, 1}));
  EXPECT_EQ(counts({"--percent", "100"}), (Json{6, 16}));
  EXPECT_EQ(counts({"--count1", "2", "--add", "3"}), (Json{2, 5}));
  EXPECT_EQ(counts({"--count1", "2", "--multiply", "4"}), (Json{2, 8}));
  EXPECT_EQ(counts({"--counts", "0,3"}), (Json{0, 3}));
  EXPECT_EQ(counts({"--layers", "1", "--first-layer", "4", "--counts", "7"}), (Json{0, 7}));
  EXPECT_EQ(counts({"--layers", "1", "--first-layer", "4", "--percent", "10"}), (Json{0, 8}));
}

TEST_F(SelectCommandTest, AmendsASelection) {
  const auto output = Quick({"--amend", "1:2;2:3,7", "--counts", "2,4"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["method"], "greedy");
  const auto selection = *ParseSelection(output->json.dump(), Embedded());
  EXPECT_THAT(selection.layers.at(1), AllOf(testing::SizeIs(2), testing::Contains(2)));
  EXPECT_THAT(selection.layers.at(2), AllOf(testing::SizeIs(4), testing::Contains(3), testing::Contains(7)));
  EXPECT_THAT(Error({"--amend", "1:2;2:3,7", "--counts", "2,1"}),
              HasSubstr("has 2 core neurons already, 1 were asked"));
  EXPECT_THAT(Error({"--amend", "3:1", "--counts", "2,1"}), HasSubstr("layer 3 is not one of those"));
}

TEST_F(SelectCommandTest, SearchesForATarget) {
  const auto output = Quick({"--target-without-owner", "40", "--max-loss", "3"});
  ASSERT_TRUE(output.ok()) << output.status();
  const Json& json = output->json;
  EXPECT_EQ(json["method"], "target");
  EXPECT_LE(json["accuracy_without_core"].get<double>(), 40);
  EXPECT_LE(json["accuracy_original"].get<double>() - json["accuracy_separated"].get<double>(), 3);
  EXPECT_FALSE(json["options"].contains("counts"));
}

TEST_F(SelectCommandTest, DrawsImagesAtRandom) {
  const auto run = [](const std::string& seed) {
    return *Run({"--counts", "2,4", "--eval-images", "200", "--seed", seed, "--threads", "1"});
  };
  const Json first = run("1").json;
  EXPECT_EQ(first["images"], 200);
  EXPECT_EQ(run("1").json["labels"], first["labels"]);
  EXPECT_NE(run("2").json["labels"], first["labels"]);  // other images of each label
  EXPECT_NE(Run({"--counts", "2,4", "--limit", "200"})->json["labels"], first["labels"]);
  EXPECT_THAT(Error({"--counts", "2,4", "--eval-images", "101"}), HasSubstr("--eval-images 101: there are 100 images"));
}

TEST_F(SelectCommandTest, RefusesOptionsThatDoNotGoTogether) {
  const auto refused = [](std::vector<std::string> arguments, const std::string& with) {
    EXPECT_THAT(Error(std::move(arguments)), AllOf(testing::StartsWith("usage: "), HasSubstr(with)));
  };
  refused({}, "how many neurons?");
  refused({"--counts", "1,1", "--percent", "50"}, "how many neurons?");
  refused({"--percent", "0"}, "not in range 1 to 100");
  refused({"--percent", "101"}, "not in range 1 to 100");
  refused({"--counts", "1"}, "of two layers are two numbers");
  refused({"--counts", "1,0"}, "'1,0' is not N1,N2");
  refused({"--counts", "1,x"}, "'1,x' is not N1,N2");
  refused({"--counts=-1,2"}, "'-1,2' is not N1,N2");
  refused({"--counts", "1,2", "--layers", "1", "--first-layer", "3"}, "of one layer is one number");
  refused({"--counts", "3", "--layers", "1"}, "needs --first-layer");
  refused({"--count1", "2"}, "needs --add or --multiply");
  refused({"--add", "2"}, "--count1");
  refused({"--counts", "1,1", "--method", "best"}, "--method");
  refused({"--counts", "1,1", "--score", "paper:0,1"}, "--score");
  refused({"--counts", "1,1", "--method", "exhaustive", "--racing"}, "--racing");
  refused({"--counts", "1,1", "--method", "swap", "--amend", "1:0"}, "needs a greedy method");
  refused({"--counts", "1,1", "--method", "swap", "--order", "layers"}, "needs a greedy method");
  refused({"--counts", "1,1", "--method", "greedy", "--order", "down"}, "--order");
  refused({"--counts", "1,1", "--method", "norm+greedy", "--pool", "2:0"}, "--pool");
  refused({"--counts", "1,1", "--all-results", "x.csv"}, "needs --method exhaustive");
  refused({"--target-without-owner", "20", "--method", "swap"}, "excludes --method");
  refused({"--counts", "1,1", "--max-loss", "1"}, "--target-without-owner");
  refused({"--counts", "1,1", "--resume"}, "--checkpoint");
  refused({"--counts", "2,4", "--method", "swap", "--beam", "2", "--greedy-step", "2"}, "excludes --greedy-step");
  EXPECT_TRUE(Quick({"--counts", "2,4", "--method", "swap", "--beam", "2", "--greedy-step", "1"}).ok());
  EXPECT_TRUE(Quick({"--counts", "2,4", "--method", "swap", "--greedy-step", "2"}).ok());
}

TEST_F(SelectCommandTest, SaysWhatItCannotChoose) {
  EXPECT_THAT(Error({"--counts", "7,16"}), HasSubstr("7 neurons of layer 1; it has 6"));
  EXPECT_THAT(Error({"--counts", "1,17"}), HasSubstr("17 neurons of layer 2; it has 16"));
  EXPECT_THAT(Error({"--counts", "6,3"}), HasSubstr("nothing to read"));
  EXPECT_THAT(Error({"--counts", "1,3", "--method", "greedy", "--pool", "2:0,1"}),
              HasSubstr("layer 2: a pool of 2 neurons is smaller than the 3 to choose"));
  EXPECT_THAT(Error({"--counts", "3,8", "--method", "exhaustive", "--max-combinations", "257399"}),
              HasSubstr("257400 combinations are more than the 257399 of --max-combinations"));
  EXPECT_THAT(Error({"--counts", "1,1", "--top-k", "11"}), HasSubstr("top 11 of 10 classes"));
  EXPECT_THAT(Error({"--counts", "1,1", "--first-layer", "9"}), HasSubstr("layers 1 to 5, 9 is not among them"));
  EXPECT_THAT(Error({"--counts", "1,1", "--out", "/dev/null/selection.json"}), HasSubstr("/dev/null"));
  // No export writes a weight that is not a number: one of a good file is overwritten.
  ASSERT_TRUE(SaveOnnx(Embedded(), Path("nan.onnx")).ok());
  std::string bytes = *ReadTextFile(Path("nan.onnx"), 1 << 20);
  const float weight = Embedded().initializers.at("conv1.weight").values[0],
              nan = std::numeric_limits<float>::quiet_NaN();
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&weight), sizeof weight));
  ASSERT_NE(at, std::string::npos);
  std::memcpy(bytes.data() + at, &nan, sizeof nan);
  ASSERT_TRUE(WriteTextFile(Path("nan.onnx"), bytes).ok());
  EXPECT_THAT(Error({Path("nan.onnx"), "--counts", "1,1"}), HasSubstr("conv1.weight"));
}

TEST_F(SelectCommandTest, ReportsEvenIfAllResultsCannotBeWritten) {
  const auto output = OnAFullDisk([&] {
    return Quick(
        {"--method", "exhaustive", "--counts", "2,2", "--all-results", Path("all.csv"), "--out", Path("s.json")});
  });
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["candidates"], 15 * 120);
  EXPECT_THAT(Message(output->not_written), HasSubstr("all.csv"));
  EXPECT_FALSE(std::filesystem::exists(Path("all.csv")));
  EXPECT_TRUE(std::filesystem::exists(Path("s.json")));
}

TEST_F(SelectCommandTest, CheckpointsAreNotOverwritten) {
  const std::string file = Path("journal");
  const std::vector<std::string> arguments = {"--method", "greedy", "--counts", "1,1", "--checkpoint", file};
  auto resumed = arguments;
  resumed.emplace_back("--resume");
  const auto first = Quick(arguments);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Error(arguments), AllOf(HasSubstr(file), HasSubstr("--resume goes on with it")));
  const auto again = Quick(resumed);
  ASSERT_TRUE(again.ok()) << again.status();
  Json a = first->json, b = again->json;
  a.erase("seconds");
  b.erase("seconds");
  EXPECT_EQ(a, b);
  // Of other images.
  auto other = resumed;
  other.insert(other.end(), {"--seed", "2"});
  EXPECT_THAT(Error(other), HasSubstr(file));
  // Of floats.
  const ImageSet digits = ImageInput().Load()->Head(100);
  const std::string floats[] = {Path("a.npy"), Path("b.npy")};
  for (const float scale : {1.0f, 0.5f}) {
    Tensor values = digits.Batch(0, digits.count);
    for (float& v : values.values) v *= scale;
    ASSERT_TRUE(WriteFile(floats[scale < 1], WriteNumpy(values)).ok());
  }
  ASSERT_TRUE(WriteFile(Path("labels"), WriteIdxLabels(digits)).ok());
  const auto of_floats = [&](const std::string& images) {
    return Quick({"--method", "greedy", "--counts", "1,1", "--images", images, "--labels", Path("labels"),
                  "--checkpoint", Path("floats"), "--resume"});
  };
  ASSERT_TRUE(of_floats(floats[0]).ok()) << of_floats(floats[0]).status();
  EXPECT_THAT(Message(of_floats(floats[1]).status()), HasSubstr(Path("floats")));
  // Damage in the middle.
  Bytes bytes = *ReadFile(file, 1 << 24);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFile(file, bytes).ok());
  EXPECT_THAT(Error(resumed), HasSubstr(file));
}

}  // namespace
}  // namespace privdnn
