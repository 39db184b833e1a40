// A network of one's own, as PyTorch exports it, with encrypted layers anywhere: several round trips between two
// processes, their budgets, and what is said of models and selections that won't do.
#include <fstream>

#include "privdnn/onnx/onnx.h"
#include "privdnn/service/sqlite_usage_store.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"
#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kModel = PRIVDNN_ASSETS "/relu-mnist/model.onnx";
const std::string kImages = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte";
const std::string kLabels = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-labels-idx1-ubyte";
// Two linear segments, with a ReLU and a max pool behind each neuron that the user must compute in between.
constexpr char kSelection[] = "/conv2/Conv:0-7;/fc1/Gemm:all";
constexpr int kIntegers = 8 * 12 * 12 + 32;  // of an image
// Of every encrypted output the user sees what it sees of a plaintext one, so that nothing is separated: A_s = A_o.

class OwnModel : public ProcessTest {
 protected:
  static void SetUpTestSuite() {
    ProcessTest::SetUpTestSuite();
    const Ended made = Run(Encrypt("m"));
    ASSERT_EQ(made.exit_code, 0) << made.err;
    id_ = Json::parse(made.out)["package_id"].get<std::string>();
  }
  static std::vector<std::string> Encrypt(const std::string& name, const std::string& budget = "1000000") {
    return {"encrypt",        kModel,
            "--selection",    kSelection,
            "--images",       kImages,
            "--limit",        "500",
            "--package",      Path(name + ".privdnn"),
            "--key",          Path(name + ".key"),
            "--user",         "user",
            "--image-budget", budget,
            "--json"};
  }
  // As ProcessTest::Infer, with labels.
  static std::vector<std::string> InferLabelled(const std::string& address, std::vector<std::string> more,
                                                const std::string& package = "m.privdnn") {
    for (const std::string& argument : {std::string("--images"), kImages, std::string("--labels"), kLabels}) {
      more.push_back(argument);
    }
    return Infer(address, more, package);
  }
  static inline std::string id_;
};

TEST_F(OwnModel, DecryptedIntegersAreThoseOfTheReference) {
  const Ended demo = Run({"demo", "--model", kModel, "--selection", kSelection, "--images", "300", "--json"});
  ASSERT_EQ(demo.exit_code, 0) << demo.err;
  const Json json = Json::parse(demo.out);
  EXPECT_EQ(json["round_trips"], 2);
  EXPECT_EQ(json["integers_compared"], 300 * kIntegers);
  EXPECT_EQ(json["integer_mismatches"], 0);
  EXPECT_EQ(json["label_mismatches_vs_quantised"], 0);
  const double original = json["accuracy_original"].get<double>();
  EXPECT_GT(original, 97);
  EXPECT_NEAR(json["accuracy_private"].get<double>(), original, 1);  // quantisation may turn a label or two
  EXPECT_LT(json["accuracy_without_owner"].get<double>(), 20);
}

TEST_F(OwnModel, SmallMessagesOnTwoThreadsGiveTheReferencesIntegers) {
  // 20 images in messages of 7, 7 and 6, each batch twice to the owner, in two passes.
  const Ended bench = Run({"bench", "infer", "--model", kModel, "--selection", kSelection, "--images", "20", "--batch",
                           "7", "--threads", "2", "--repeats", "2", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const Json json = Json::parse(bench.out);
  EXPECT_EQ(json["integers_compared"], 20 * kIntegers);
  EXPECT_EQ(json["integer_mismatches"], 0);
  EXPECT_EQ(json["label_mismatches_vs_quantised"], 0);
  EXPECT_FALSE(json.contains("accuracy_private"));  // random pixels have no labels
}

// What is checked where outputs are no classes: the scores.
TEST_F(OwnModel, OutputsOfEveryKindAreChecked) {
  const std::string model = Path("ten.onnx");
  ASSERT_EQ(Run({"export", "--out", model}).exit_code, 0);
  for (const std::string kind : {"regression", "multi-label"}) {
    const Ended demo =
        Run({"demo", "--model", model, "--output", kind, "--selection", "5:all", "--images", "20", "--json"});
    ASSERT_EQ(demo.exit_code, 0) << demo.err;
    const Json json = Json::parse(demo.out);
    EXPECT_EQ(json["integer_mismatches"], 0);
    EXPECT_EQ(json["label_mismatches_vs_quantised"], 0);
    EXPECT_FALSE(json.contains("accuracy_private"));
    const Ended text = Run({"demo", "--model", model, "--output", kind, "--selection", "5:all", "--images", "2"});
    EXPECT_THAT(text.out, HasSubstr("0 differ from the quantised network's")) << text.err;
    const Ended check = Run({"plan", model, "--output", kind, "--selection", "5:all", "--check", "--check-images", "2",
                             "--repeats", "2", "--json"});
    EXPECT_EQ(check.exit_code, 0) << check.err;
    EXPECT_TRUE(Json::parse(check.out)["passed"].get<bool>());
    const Ended bench =
        Run({"bench", "infer", "--model", model, "--output", kind, "--selection", "5:all", "--images", "2", "--json"});
    EXPECT_EQ(bench.exit_code, 0) << bench.err;
    const Ended select = Run({"select", model, "--counts", "1,1", "--output", kind});
    EXPECT_EQ(select.exit_code, 1);
    EXPECT_THAT(select.err, HasSubstr("the network's outputs are " + kind));
    ExpectFails({"attack", "recover", model, "--output", kind, "--selection", "5:all"},
                "the network's outputs are " + kind);
    ExpectFails({"plan", model, "--output", kind, "--selection", "5:all", "--images", kImages, "--labels", kLabels},
                "labels and accuracies are of classes");
  }
}

TEST_F(OwnModel, EveryLayerOfLeNetMayBeEncrypted) {
  const Ended demo = Run({"demo", "--selection", "1:all;2:all;3:all;4:all;5:all", "--images", "100", "--json"});
  ASSERT_EQ(demo.exit_code, 0) << demo.err;
  const Json json = Json::parse(demo.out);
  EXPECT_EQ(json["round_trips"], 4);  // layers 1 and 2 around a square are one
  EXPECT_EQ(json["integers_compared"], 100 * (16 * 4 * 4 + 120 + 84 + 10));
  EXPECT_EQ(json["integer_mismatches"], 0);
  EXPECT_EQ(json["label_mismatches_vs_quantised"], 0);
  EXPECT_NEAR(json["accuracy_private"].get<double>(), json["accuracy_original"].get<double>(), 2);
  EXPECT_LT(json["accuracy_without_owner"].get<double>(), 20);
  // The tables name layers that are encrypted alone.
  const Ended text = Run({"demo", "--selection", "4:0-3;5:all", "--images", "2"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("4 of 84 neurons of layer 4"), HasSubstr("10 of 10 neurons of layer 5")));
}

TEST_F(OwnModel, CommandsOneAfterTheOtherClassifyImages) {
  RunningOwner owner = StartOwner();
  const Ended user = Run(InferLabelled(owner.address, {"--limit", "200", "--batch", "30", "--json"}));
  ASSERT_EQ(user.exit_code, 0) << user.err;
  const Json json = Json::parse(user.out);
  EXPECT_EQ(json["segments"], 2);
  EXPECT_GT(json["accuracy"].get<double>(), 97);
  owner.process.Signal(SIGTERM);
  EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
  EXPECT_THAT(*ReadTextFile(owner.log, 1 << 20), HasSubstr("images=200,200 messages=14 "));

  const Ended alone =
      Run({"infer", "--package", Path("m.privdnn"), "--offline", "--images", kImages, "--labels", kLabels, "--json"});
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  const Json eval = Json::parse(
      Run({"eval", kModel, "--selection", kSelection, "--images", kImages, "--labels", kLabels, "--json"}).out);
  EXPECT_EQ(eval["accuracy_separated"], eval["accuracy_original"]);
  EXPECT_NEAR(Json::parse(alone.out)["accuracy"].get<double>(), eval["accuracy_without_core"].get<double>(), 1e-9);
  EXPECT_LT(Json::parse(alone.out)["accuracy"].get<double>(), 20);
}

TEST_F(OwnModel, EverySegmentHasTheBudget) {
  const Ended made = Run(Encrypt("small", "30"));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::string id = Json::parse(made.out)["package_id"].get<std::string>();
  // A conversation that broke off: segment 0 has been asked for 12 images, segment 1 for 5 of them.
  {
    const auto ledger = *OpenSqliteLedger(Path("small.key.sqlite"));
    ASSERT_TRUE(ledger->Charge(id + "/0", "user", 12, 30).ok());
    ASSERT_TRUE(ledger->Charge(id + "/1", "user", 5, 30).ok());
    ASSERT_TRUE(ledger->Close().ok());
  }
  RunningOwner owner = StartOwner("small.key");
  const auto infer = [&](const std::string& images) {
    return Run(InferLabelled(owner.address, {"--limit", images, "--json"}, "small.privdnn"));
  };
  Ended user = infer("8");
  ASSERT_EQ(user.exit_code, 0) << user.err;
  EXPECT_EQ(Json::parse(user.out)["images_remaining"], 10);  // of segment 0; segment 1 has 17
  user = infer("11");
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("10 images are left of the package's budget, 11 were to be asked"));
  EXPECT_EQ(infer("10").exit_code, 0);
  EXPECT_EQ(infer("1").exit_code, 1);
  owner.process.Signal(SIGTERM);
  EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
  const auto ledger = *OpenSqliteLedger(Path("small.key.sqlite"));
  EXPECT_EQ(*ledger->Used(id + "/0", "user"), 30u);
  EXPECT_EQ(*ledger->Used(id + "/1", "user"), 23u);  // what was refused at segment 0 never came here
}

// One message at a time, so that every other one is between two segments.
TEST_F(OwnModel, EitherSideMayGoAwayBetweenSegments) {
  const RunningOwner owner = StartOwner();
  const auto long_run = InferLabelled(owner.address, {"--batch", "1", "--repeats", "500"});
  ExpectOwnerSurvivesAKilledUser(owner, long_run);
  ExpectUserEndsInOrder(owner, long_run);
  EXPECT_EQ(Run(InferLabelled(owner.address, {"--limit", "3"})).exit_code, 0);  // the owner is none the worse
  ExpectUserReportsAKilledOwner(owner, long_run);
}

TEST_F(OwnModel, SelectionsThatWontDoAreRefusedWithWhatThereIs) {
  const auto refuses = [](const std::string& selection, const std::string& with) {
    ExpectFails({"plan", kModel, "--images", kImages, "--limit", "10", "--selection", selection}, with);
  };
  refuses("/conv2/Conv:16", "layer 2 has neurons 0 to 15, not 16");
  refuses("3:0-32", "layer 3 has neurons 0 to 31, not 32");
  refuses("5:0", "no layer '5'; there are 1 ('/conv1/Conv', 8 neurons), 2 ('/conv2/Conv', 16 neurons)");
  refuses("conv3:all", "no layer 'conv3'; there are 1 ('/conv1/Conv'");
  refuses("2:0,0", "layer 2: neuron 0 is named twice");
  ExpectWrongUsage({"plan", kModel, "--images", kImages}, "model.onnx: --selection is needed");
  // The range of an inner layer's input isn't known without images; that of the network's input is.
  ExpectFails({"plan", kModel, "--selection", "2:0"}, "layer 2 reads '/pool/MaxPool_output_0', whose range");
  ExpectFails({"encrypt", kModel, "--selection", "fc2:0", "--package", Path("x"), "--key", Path("y")}, "'fc2'");
  EXPECT_FALSE(std::filesystem::exists(Path("x")));
  EXPECT_EQ(Run({"plan", kModel, "--selection", "1:0"}).exit_code, 0);
}

TEST_F(OwnModel, LayersThatCannotBeLiftedAreRefused) {
  Graph graph = SingleNodeGraph({2, 6}, op::MatMul{}, {{"w", PatternTensor({6, 4}, 1)}}, {"x", "w"}, {2, 4});
  graph.nodes.push_back({"row", op::Flatten{}, {"y"}, "z"});
  graph.outputs = {{"z", {-1, 8}}};
  ASSERT_TRUE(SaveOnnx(graph, Path("rows.onnx")).ok());
  ExpectFails({"plan", Path("rows.onnx"), "--selection", "1:0"},
              "node '" + graph.nodes[0].name + "': MatMul of values with 3 dimensions can't be lifted");
}

// x (N, 1, 28, 28) -> Conv "conv" with weight "w" -> Relu "act" -> Flatten -> y, broken by `change`.
void WriteModel(const std::string& path, const std::function<void(onnx::ModelProto&)>& change) {
  onnx::ModelProto model = EmptyModel({1, 28, 28}, {2 * 26 * 26});
  *model.mutable_graph()->add_initializer() = FloatTensor("w", {2, 1, 3, 3}, std::vector<float>(18, 0.5f));
  AddNode(model, "Conv", {"x", "w"}, {"c"}).set_name("conv");
  AddNode(model, "Relu", {"c"}, {"r"}).set_name("act");
  AddNode(model, "Flatten", {"r"}, {"y"}).set_name("row");
  change(model);
  std::ofstream file(path, std::ios::binary);
  ASSERT_TRUE(model.SerializeToOstream(&file));
}

TEST_F(OwnModel, ModelsThatWontDoAreRefusedWithWhatAndWhere) {
  const auto refuses = [](const std::string& name, const std::function<void(onnx::ModelProto&)>& change,
                          const std::string& with) {
    WriteModel(Path(name), change);
    ExpectFails({"plan", Path(name), "--selection", "1:0"}, name + ": " + with);
  };
  WriteModel(Path("good.onnx"), [](onnx::ModelProto&) {});
  EXPECT_EQ(Run({"plan", Path("good.onnx"), "--selection", "1:0"}).exit_code, 0);
  refuses(
      "operator.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(1)->set_op_type("Einsum"); },
      "node 'act': operator 'Einsum' is not supported (supported: ");
  refuses(
      "dynamic.onnx",
      [](onnx::ModelProto& m) {
        *m.mutable_graph()->mutable_input(0) = FloatValue("x", {-1, 1, -1, 28});
      },
      "graph input 'x': dimension 2");
  // A file that the model's author should not have us read.
  ASSERT_TRUE(WriteFile(Path("w.bin"), Bytes(72)).ok());
  std::filesystem::create_directories(Path("inner"));
  refuses(
      "inner/external.onnx",
      [](onnx::ModelProto& m) {
        auto& weight = *m.mutable_graph()->mutable_initializer(0);
        weight.clear_float_data();
        weight.set_data_location(onnx::TensorProto::EXTERNAL);
        auto& entry = *weight.add_external_data();
        entry.set_key("location");
        entry.set_value("../w.bin");
      },
      "tensor 'w': external data: '../w.bin' lies outside the model's folder");
  ASSERT_TRUE(WriteTextFile(Path("text.onnx"), "this is no model").ok());
  ExpectFails({"plan", Path("text.onnx"), "--selection", "1:0"}, "text.onnx: ");
}

}  // namespace
}  // namespace privdnn
