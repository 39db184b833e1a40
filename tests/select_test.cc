// Core neurons chosen by one process and used by others: what the report says is what `eval` and private inference
// find, and a search that was killed goes on.
#include <signal.h>

#include <filesystem>
#include <iostream>
#include <thread>

#include "privdnn/cli/inputs.h"
#include "privdnn/partition/partition.h"
#include "privdnn/torch/executor.h"
#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::string kImages = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte";
const std::string kLabels = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-labels-idx1-ubyte";

class Select : public ProcessTest {
 protected:
  // `privdnn select` on the embedded model, as JSON.
  static std::vector<std::string> Arguments(std::vector<std::string> more, const std::string& images) {
    more.insert(more.begin(), {"select", "--json", "--threads", "1", "--limit", images});
    return more;
  }
  // All but the time.
  static Json Result(const Ended& ended) {
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    if (ended.exit_code != 0) return {};
    Json json = Json::parse(ended.out);
    EXPECT_GT(json["seconds"].get<double>(), 0);
    json.erase("seconds");
    return json;
  }
};

TEST_F(Select, OtherCommandsReadTheReport) {
  for (const std::string method : {"exhaustive", "greedy", "swap"}) {
    SCOPED_TRACE(method);
    const Ended chosen = Run(Arguments({"--method", method, "--counts", "1,1"}, "200"));
    const Json json = Result(chosen);
    ASSERT_TRUE(WriteTextFile(Path(method + ".json"), chosen.out).ok());
    const Ended eval = Run({"eval", "--selection", Path(method + ".json"), "--limit", "200", "--json"});
    ASSERT_EQ(eval.exit_code, 0) << eval.err;
    const Json worth = Json::parse(eval.out);
    for (const char* field :
         {"selection", "images", "accuracy_original", "accuracy_separated", "accuracy_without_core"}) {
      EXPECT_EQ(worth[field], json[field]) << field;
    }
  }
  const Ended plan = Run({"plan", "--selection", Path("swap.json"), "--json"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
}

// The accuracies that `eval` finds in floating point are those of private inference but for the labels that
// quantisation turns; those are counted.
TEST_F(Select, PrivateInferenceHasTheAccuraciesOfTheReport) {
  constexpr int64_t kCount = 200;
  const Ended chosen = Run(Arguments({"--method", "swap", "--counts", "2,4"}, std::to_string(kCount)));
  const Json json = Result(chosen);
  ASSERT_TRUE(WriteTextFile(Path("selection.json"), chosen.out).ok());
  const Ended made = Run({"encrypt", "--selection", Path("selection.json"), "--package", Path("m.privdnn"), "--key",
                          Path("m.key"), "--user", "user"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::vector<std::string> images = {"--images", kImages, "--labels", kLabels, "--limit", std::to_string(kCount),
                                           "--json"};

  RunningOwner owner = StartOwner();
  const Ended online = Run(Infer(owner.address, images));
  ASSERT_EQ(online.exit_code, 0) << online.err;
  std::vector<std::string> without = {"infer", "--offline", "--package", Path("m.privdnn")};
  without.insert(without.end(), images.begin(), images.end());
  const Ended offline = Run(without);
  ASSERT_EQ(offline.exit_code, 0) << offline.err;

  const Graph graph = *ModelInput().Load();
  ImageInput input;
  input.limit = kCount;
  const ImageSet set = *input.Load();
  const auto segments = *FindSegments(graph, *ParseSelection(chosen.out, graph));
  const auto labels = [&](const Graph& network) {
    std::map<std::string, Tensor> inputs;
    for (const ValueInfo& value : network.inputs) {
      auto shape = value.shape;
      shape[0] = kCount;
      inputs[value.name] = IsSegmentInput(value.name) ? Tensor::Zeros(shape) : set.Batch(0, kCount);
    }
    return Argmax(Executor::Create(network)->Run(inputs)->at(graph.outputs[0].name));
  };
  const auto expect = [&](const Ended& user, const Graph& network, const char* accuracy, int64_t most) {
    const Json found = Json::parse(user.out);
    const auto expected = labels(network);
    const auto predictions = found["predictions"].get<std::vector<int32_t>>();
    ASSERT_EQ(predictions.size(), expected.size());
    int64_t differ = 0;
    for (size_t i = 0; i < expected.size(); ++i) differ += predictions[i] != expected[i];
    std::cout << accuracy << ": " << differ << " of " << kCount << " labels differ from those in floating point\n";
    EXPECT_LE(differ, most);
    EXPECT_NEAR(found["accuracy"].get<double>(), json[accuracy].get<double>(),
                100.0 * static_cast<double>(differ) / kCount + 1e-9);
  };
  expect(online, *Separate(graph, segments), "accuracy_separated", kCount / 50);
  expect(offline, *PlaintextRest(graph, segments), "accuracy_without_core", 0);
}

TEST_F(Select, GoesOnAfterAKill) {
  constexpr uintmax_t kSome = 10'000;  // bytes of a journal
  for (const auto& [method, signal] : {std::pair("exhaustive", SIGKILL), {"exhaustive", SIGTERM}, {"swap", SIGKILL}}) {
    SCOPED_TRACE(fmt::format("{} {}", method, signal));
    const std::string journal = Path(fmt::format("journal.{}{}", method, signal)), log = Log();
    std::vector<std::string> arguments = {"--method", method, "--counts", "1,2"};
    const Json expected = Result(Run(Arguments(arguments, "300")));
    arguments.insert(arguments.end(), {"--checkpoint", journal});
    auto child = *ChildProcess::Start(Command(Arguments(arguments, "300")), log);
    // Until some of the outcomes are kept, far from all.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::error_code none;
    while (!(std::filesystem::file_size(journal, none) > kSome && !none) &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(1ms);
    }
    child.Signal(signal);
    const auto end = child.Wait(kPatience);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(end->output, "");
    if (signal == SIGKILL) {
      EXPECT_EQ(end->signal, SIGKILL);
    } else {
      EXPECT_EQ(end->exit_code, 1);
      EXPECT_THAT(*ReadTextFile(log, 1 << 20), AllOf(HasSubstr("interrupted"), HasSubstr("--resume goes on")));
    }
    ExpectFails(Arguments(arguments, "300"), "--resume goes on with it");
    arguments.emplace_back("--resume");
    EXPECT_EQ(Result(Run(Arguments(arguments, "300"))), expected);
    // All of it is in the file now.
    const Ended again = Run(Arguments(arguments, "300"));
    EXPECT_EQ(Result(again), expected);
    // An outcome is of two networks, a margin of one.
    const uint64_t networks = method == std::string("exhaustive") ? 2 : 1;
    const uint64_t known = expected["image_evaluations"].get<uint64_t>() / networks;
    EXPECT_THAT(again.err, HasSubstr(fmt::format(" {} outcomes were in", known)));
  }
}

TEST_F(Select, SaysHowManyCombinationsThereAre) {
  const Ended refused =
      Run(Arguments({"--method", "exhaustive", "--counts", "3,8", "--max-combinations", "1000"}, "10"));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("257400 combinations on 10 images"), HasSubstr("the 1000 of")));
}

TEST_F(Select, WrongUsageEndsWithTwo) {
  EXPECT_EQ(Run({"select", "--percent", "0"}).exit_code, 2);
  EXPECT_EQ(Run({"select", "--percent", "101"}).exit_code, 2);
  EXPECT_EQ(Run({"select"}).exit_code, 2);
  EXPECT_EQ(Run({"select", "--counts", "1,1", "--method", "norm", "--all-results", "x"}).exit_code, 2);
}

}  // namespace
}  // namespace privdnn
