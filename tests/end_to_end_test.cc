// Owner and user as processes, through the command line, with what can go wrong between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "privdnn/package/package.h"
#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

// The embedded model: one owner with a package for `user`, shared by all tests.
class EndToEnd : public ProcessTest {
 protected:
  static void SetUpTestSuite() {
    ProcessTest::SetUpTestSuite();
    ASSERT_EQ(Run({"keygen", "--out", Path("other"), "--user", "user"}).exit_code, 0);
    const Ended made =
        Run({"encrypt", "--selection", "1:0;2:0,5", "--package", Path("m.privdnn"), "--key", Path("m.key")});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
};

TEST_F(EndToEnd, TwoProcessesClassifyRealImages) {
  RunningOwner owner = StartOwner();
  const Ended user = Run(Infer(owner.address, {"--limit", "200", "--json"}));
  ASSERT_EQ(user.exit_code, 0) << user.err;
  const Json json = Json::parse(user.out);
  EXPECT_EQ(json["images"], 200);
  EXPECT_EQ(json["predictions"].size(), 200u);
  EXPECT_GT(json["accuracy"].get<double>(), 95);
  owner.process.Signal(SIGTERM);
  EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
  // The audit line counts; it holds no contents.
  EXPECT_THAT(*ReadTextFile(owner.log, 1 << 20), HasSubstr("images=200 "));
}

// Noise that the owner adds reaches the user's integers, in the units of the layer, and the user is told.
TEST_F(EndToEnd, UsersSeeThatRepliesArePerturbed) {
  const auto infer = [](const RunningOwner& owner, const std::string& outputs) {
    return Run(Infer(owner.address, {"--limit", "100", "--outputs", Path(outputs), "--json"}));
  };
  const RunningOwner exact = StartOwner();
  const Ended exact_user = infer(exact, "exact.bin");
  ASSERT_EQ(exact_user.exit_code, 0) << exact_user.err;
  EXPECT_EQ(Json::parse(exact_user.out)["output_noise"], 0.0);
  EXPECT_THAT(exact_user.err, Not(HasSubstr("perturbs")));
  const RunningOwner noisy = StartOwner("m.key", "0.25");
  const Ended noisy_user = infer(noisy, "noisy.bin");
  ASSERT_EQ(noisy_user.exit_code, 0) << noisy_user.err;
  EXPECT_EQ(Json::parse(noisy_user.out)["output_noise"], 0.25);
  EXPECT_EQ(Json::parse(noisy_user.out)["predictions"].size(), 100u);
  EXPECT_THAT(noisy_user.err, HasSubstr("perturbs its replies"));
  EXPECT_THAT(*ReadTextFile(noisy.log, 1 << 20), HasSubstr("replies are perturbed"));

  const auto package = *Package::Open(Path("m.privdnn"));
  const SegmentHeader& header = package.segments()[0].header;
  const uint64_t positions = header.spec.groups[0].positions();
  const Bytes a = *ReadFile(Path("exact.bin"), 1 << 28), b = *ReadFile(Path("noisy.bin"), 1 << 28);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.size(), 8 * 100 * header.output_scale.size() * positions);
  double squares = 0;
  const size_t count = a.size() / 8;
  for (size_t i = 0; i < count; ++i) {
    int64_t y[2];
    std::memcpy(&y[0], a.data() + 8 * i, 8);
    std::memcpy(&y[1], b.data() + 8 * i, 8);
    squares += std::pow(
        header.output_scale[i / positions % header.output_scale.size()] * static_cast<double>(y[1] - y[0]) / 0.25, 2);
  }
  EXPECT_NEAR(squares / static_cast<double>(count), 1, 6 * std::sqrt(2 / static_cast<double>(count)));
}

TEST_F(EndToEnd, OutputNoiseThatIsNoneIsWrongUsage) {
  const std::vector<std::string> serve = {"serve",    "--key",    Path("m.key"), "--tls",       Path("tls"),
                                          "--ledger", ":memory:", "--listen",    "127.0.0.1:0", "--output-noise"};
  for (const std::string noise : {"-0.5", "nan", "inf", "much"}) {
    std::vector<std::string> arguments = serve;
    arguments.push_back(noise);
    EXPECT_EQ(Run(arguments).exit_code, 2) << noise;
  }
  std::vector<std::string> too_much = serve;
  too_much.push_back("1e30");
  ExpectFails(too_much, "a quarter of the plaintext modulus");
}

TEST_F(EndToEnd, DemoAgreesWithTheReferenceBitForBit) {
  const Ended demo = Run({"demo", "--images", "100", "--selection", "1:1,3;2:2,9,14", "--out", Path("demo.json")});
  ASSERT_EQ(demo.exit_code, 0) << demo.err;
  const Json json = Json::parse(*ReadTextFile(Path("demo.json"), 1 << 20));
  EXPECT_EQ(json["images"], 100);
  EXPECT_EQ(json["integers_compared"], 100 * 3 * 16);
  EXPECT_EQ(json["integer_mismatches"], 0);
  EXPECT_EQ(json["label_mismatches_vs_quantised"], 0);
  const double original = json["accuracy_original"].get<double>(), separated = json["accuracy_private"].get<double>();
  EXPECT_EQ(Json::parse(Run({"eval", "--limit", "100", "--json"}).out)["accuracy_original"], original);
  const Json eval = Json::parse(Run({"eval", "--limit", "100", "--selection", "1:1,3;2:2,9,14", "--json"}).out);
  EXPECT_NEAR(separated, eval["accuracy_separated"].get<double>(), 2);  // quantisation may turn a label or two
  EXPECT_NEAR(json["accuracy_without_owner"].get<double>(), eval["accuracy_without_core"].get<double>(), 1e-9);
  const Json plan = Json::parse(Run({"plan", "--selection", "1:1,3;2:2,9,14", "--json"}).out);
  EXPECT_GE(json["bytes_up_per_image"], plan["query_bytes_per_image"]);
  EXPECT_LE(json["bytes_up_per_image"].get<int>(), plan["query_bytes_per_image"].get<int>() + 60);  // message header
  EXPECT_EQ(json["package_bytes"], plan["package_bytes"]);
  for (const char* field :
       {"accuracy_original", "accuracy_private", "accuracy_without_owner", "user_ms_per_image", "owner_ms_per_image",
        "plain_ms_per_image", "bytes_up_per_image", "bytes_down_per_image", "package_bytes", "ring_dimension", "log_q",
        "plain_bits", "statistical_security_bits", "images_to_reconstruct", "kernel"}) {
    EXPECT_TRUE(json.contains(field)) << field;
  }
}

TEST_F(EndToEnd, BenchInferReportsEveryFigure) {
  const Ended bench =
      Run({"bench", "infer", "--select", "1:0;2:0", "--images", "2", "--threads", "2", "--repeats", "3", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const Json json = Json::parse(bench.out);
  for (const char* field :
       {"user_encrypted_ms_per_image", "user_plain_ms_per_image", "owner_ms_per_image", "plain_ms_per_image",
        "bytes_up_per_image", "bytes_down_per_image", "package_bytes", "peak_rss_bytes_user", "peak_rss_bytes_owner"}) {
    EXPECT_GT(json[field].get<double>(), 0) << field;
  }
  EXPECT_EQ(json["integer_mismatches"], 0);
  EXPECT_EQ(json["images"], 2);
  EXPECT_EQ(json["threads"], 2);
  // Neither side is this test's size, and neither is empty.
  for (const char* field : {"peak_rss_bytes_user", "peak_rss_bytes_owner"}) EXPECT_GT(json[field], 10'000'000) << field;
}

TEST_F(EndToEnd, CertificatesOfAnotherAuthorityAreRefused) {
  RunningOwner owner = StartOwner();
  // The user trusts another authority than the owner's.
  Ended user =
      Run({"infer", "--package", Path("m.privdnn"), "--owner", owner.address, "--tls", Path("other"), "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("TLS"));
  // The user trusts the owner but shows a certificate that the owner's authority did not issue.
  std::filesystem::create_directories(Path("mixed"));
  std::filesystem::copy_file(Path("tls/ca.crt"), Path("mixed/ca.crt"));
  std::filesystem::copy_file(Path("other/user.crt"), Path("mixed/user.crt"));
  std::filesystem::copy_file(Path("other/user.key"), Path("mixed/user.key"));
  user =
      Run({"infer", "--package", Path("m.privdnn"), "--owner", owner.address, "--tls", Path("mixed"), "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("user.crt"));
  // A user of the owner's, but not the one whom the package is for.
  user = Run(Infer(owner.address, {"--user", "mallory", "--limit", "1"}));
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("another user"));
  // And the right one still gets through.
  EXPECT_EQ(Run(Infer(owner.address, {"--limit", "1"})).exit_code, 0);
}

TEST_F(EndToEnd, ExpiredDeadlineIsReported) {
  RunningOwner owner = StartOwner();
  const auto start = std::chrono::steady_clock::now();
  const Ended user = Run(Infer(owner.address, {"--deadline", "1", "--repeats", "500"}));
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("timed out after"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 60s);
  EXPECT_EQ(Run(Infer(owner.address, {"--limit", "1"})).exit_code, 0);  // the owner is none the worse
}

TEST_F(EndToEnd, EitherSideMayGoAway) {
  RunningOwner owner = StartOwner();
  const auto long_run = Infer(owner.address, {"--batch", "8", "--repeats", "500"});
  ExpectOwnerSurvivesAKilledUser(owner, long_run);
  ExpectUserEndsInOrder(owner, long_run);
  EXPECT_EQ(Run(Infer(owner.address, {"--limit", "3"})).exit_code, 0);
  owner.process.Signal(SIGTERM);
  EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
  // Three streams, the first two cut off.
  EXPECT_THAT(*ReadTextFile(owner.log, 1 << 20), ::testing::AllOf(HasSubstr("CANCELLED"), HasSubstr("outcome=OK")));
  const RunningOwner other = StartOwner();
  ExpectUserReportsAKilledOwner(other, Infer(other.address, {"--batch", "8", "--repeats", "500"}));
}

TEST_F(EndToEnd, BudgetsAreEnforcedAcrossRestarts) {
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;2:0,5", "--image-budget", "30", "--package", Path("small.privdnn"),
                 "--key", Path("small.key")})
                .exit_code,
            0);
  const auto infer = [](const RunningOwner& owner, const std::string& images) {
    return Run({"infer", "--package", Path("small.privdnn"), "--owner", owner.address, "--tls", Path("tls"), "--limit",
                images});
  };
  {
    RunningOwner owner = StartOwner("small.key");
    EXPECT_EQ(infer(owner, "20").exit_code, 0);
    owner.process.Signal(SIGTERM);
    EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
  }
  RunningOwner owner = StartOwner("small.key");
  const Ended refused = infer(owner, "20");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("10 images are left of the package's budget, 20 were to be asked"));
  EXPECT_EQ(infer(owner, "10").exit_code, 0);  // none of them was spent
  const Ended none = infer(owner, "1");
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("0 images are left of the package's budget, 1 were to be asked\n"));
}

// Others of the same user's processes may use up what was left when this one began. What was answered has been paid
// for.
TEST_F(EndToEnd, ABudgetThatEndsOnTheWayKeepsWhatWasAnswered) {
  constexpr uint64_t kBudget = 1000;
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;2:0,5", "--image-budget", std::to_string(kBudget), "--package",
                 Path("shared.privdnn"), "--key", Path("shared.key")})
                .exit_code,
            0);
  const RunningOwner owner = StartOwner("shared.key");
  const std::string log = Log();
  ChildProcess user = StartAndWaitForACharge(
      owner, Infer(owner.address, {"--batch", "1", "--json", "--outputs", Path("some.bin")}, "shared.privdnn"), log);
  UseUpTheRest("shared.key", kBudget);
  const auto end = user.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  const std::string said = *ReadTextFile(log, 1 << 20);
  EXPECT_THAT(said, HasSubstr("of 1000 images have a prediction"));
  const Json json = Json::parse(end->output);
  const size_t answered = json["images_answered"].get<size_t>();
  EXPECT_GT(answered, 0u);
  EXPECT_LT(answered, 1000u);
  EXPECT_THAT(said, HasSubstr(json["error"].get<std::string>()));
  EXPECT_GT(json["accuracy"].get<double>(), 80);  // of those that were answered
  // The same predictions and integers as of a whole run, and nothing else.
  const RunningOwner whole = StartOwner();
  const Ended other = Run(Infer(whole.address, {"--json"}));
  ASSERT_EQ(other.exit_code, 0) << other.err;
  const Json predictions = Json::parse(other.out)["predictions"];
  ASSERT_EQ(json["predictions"].size(), 1000u);
  size_t differ = 0;
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(json["predictions"][i].is_null(), i >= answered) << i;
    differ += i < answered && json["predictions"][i] != predictions[i];
  }
  EXPECT_LE(differ, answered / 100);  // messages of other sizes round otherwise
  const Bytes outputs = *ReadFile(Path("some.bin"), 1 << 24);
  ASSERT_EQ(outputs.size() % 8000, 0u);
  const size_t per_image = outputs.size() / 8000;
  for (size_t i = 0; i < 1000; ++i) {
    int64_t first = 0;
    std::memcpy(&first, outputs.data() + 8 * per_image * i, 8);
    EXPECT_EQ(first == INT64_MIN, i >= answered) << i;
  }
}

// What the first segment's budget has paid for is there, although no image got through the second.
TEST_F(EndToEnd, ASegmentWithoutBudgetKeepsTheOutputsOfTheOnesBefore) {
  constexpr size_t kImages = 250, kFirst = kImages * 144, kSecond = kImages;
  const std::string count = std::to_string(kImages);
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;3:0", "--image-budget", count, "--package", Path("two.privdnn"),
                 "--key", Path("two.key")})
                .exit_code,
            0);
  const RunningOwner owner = StartOwner("two.key");
  const std::string log = Log();
  ChildProcess user = StartAndWaitForACharge(
      owner, Infer(owner.address, {"--limit", count, "--batch", count, "--outputs", Path("two.bin")}, "two.privdnn"),
      log);
  const std::string second = HexEncode(Package::Open(Path("two.privdnn"))->id()) + "/1";
  ASSERT_TRUE((*OpenSqliteLedger(Path("two.key.sqlite"), {.reserve_images = 1}))
                  ->Charge(second, "user", kImages, kImages)
                  .ok());
  const auto end = user.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_THAT(*ReadTextFile(log, 1 << 20), HasSubstr("refused after 1 of 2 messages"));
  const Bytes outputs = *ReadFile(Path("two.bin"), 1 << 24);
  ASSERT_EQ(outputs.size(), 8 * (kFirst + kSecond));
  for (size_t i = 0; i < kFirst + kSecond; ++i) {
    int64_t y = 0;
    std::memcpy(&y, outputs.data() + 8 * i, 8);
    ASSERT_EQ(y == INT64_MIN, i >= kFirst) << i;
  }
}

TEST_F(EndToEnd, RefusalsSayWhatIsWrong) {
  RunningOwner owner = StartOwner();
  // A package that this owner doesn't serve.
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;2:0", "--package", Path("else.privdnn"), "--key", Path("else.key")})
                .exit_code,
            0);
  Ended user =
      Run({"infer", "--package", Path("else.privdnn"), "--owner", owner.address, "--tls", Path("tls"), "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("is not hosted here"));
  // A damaged one.
  auto bytes = *ReadFile(Path("m.privdnn"), 1 << 28);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFile(Path("bad.privdnn"), bytes).ok());
  user =
      Run({"infer", "--package", Path("bad.privdnn"), "--owner", owner.address, "--tls", Path("tls"), "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("damaged"));
  user = Run({"infer", "--package", Path("none"), "--offline", "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("none: No such file"));
  user = Run({"infer", "--package", Path("m.key"), "--offline", "--limit", "1"});
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("is not PVDNNPKG, with which package files begin"));
  user = Run(Infer(owner.address, {"--limit", "1", "--user", "nobody"}));
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("nobody.crt: No such file or directory; --user says"));
  // An existing key is not overwritten.
  const Ended again =
      Run({"encrypt", "--selection", "1:0;2:0", "--package", Path("else.privdnn"), "--key", Path("else.key")});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("not overwritten"));
  // Nobody listens.
  user = Run(Infer("127.0.0.1:1", {"--limit", "1"}));
  EXPECT_EQ(user.exit_code, 1);
  EXPECT_THAT(user.err, HasSubstr("127.0.0.1:1"));
}

TEST_F(EndToEnd, OptionsThatNeedOthersAreWrongUsage) {
  ::unsetenv("PRIVDNN_DATA");
  const std::string model = PRIVDNN_ASSETS "/lenet5-mnist/model.onnx";
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"infer", "--package", Path("m.privdnn")}, "--owner and --tls are needed"},
      {{"encrypt", "--selection", "1:0;2:0", "--package", Path("same"), "--key", Path("same")}, "are the same file"},
      {{"attack", "extract", "--owner", "127.0.0.1:1"}, "--owner requires"},
      {{"attack", "invert", "--count", "8", "--attacked", "4"}, "--count 8: only 4 images"},
      {{"attack", "transplant", model, model}, "--selection is needed"},
      {{"report", model}, "--selection is needed"},
      {{"report", "--samples", "10"}, "--samples: needs --data-set or --data"},
      {{"report", "--obfuscation-epochs", "1"}, "--obfuscation-epochs: needs --data-set or --data"},
      {{"attack", "extract", "--inputs", "images", "--images", "x", "--noise-shares", "1"}, "needs images with labels"},
      {{"bench", "select", "--model", model}, "--model: needs labelled images"},
      {{"bench", "select", "--data-set", "mnist"}, "--data-set, --images: need --model"},
      {{"obfuscate", "--user", "alice", "--out", Path("alice.onnx")}, "give --data DIR or set PRIVDNN_DATA"},
      {{"eval", "--images", "x", "--selection", "1:0;2:0", "--outputs", "y"}, "--selection needs labels"},
      {{"plan", "--arch", "vgg16-cifar10"}, "--arch needs --selection or --percent"}};
  for (const auto& [arguments, with] : wrong) ExpectWrongUsage(arguments, with);
  // Bounds that nobody has typed aren't shown.
  for (const char* limit : {"x", "0", "1x", "9223372036854775808"}) {
    ExpectWrongUsage({"eval", "--limit", limit},
                     fmt::format("--limit: {} is not a whole number of 1 to 2^63 - 1", limit));
  }
}

TEST_F(EndToEnd, OfflineShowsWhatThePackageIsWorthAlone) {
  const Ended user = Run({"infer", "--package", Path("m.privdnn"), "--offline", "--limit", "100", "--json"});
  ASSERT_EQ(user.exit_code, 0) << user.err;
  const Ended eval = Run({"eval", "--selection", "1:0;2:0,5", "--limit", "100", "--json"});
  EXPECT_NEAR(Json::parse(user.out)["accuracy"].get<double>(),
              Json::parse(eval.out)["accuracy_without_core"].get<double>(), 1e-9);
}

TEST_F(EndToEnd, EveryCommandHasHelpWithAnExampleAndRefusesWrongUsage) {
  const std::vector<std::vector<std::string>> commands = {{"train"},
                                                          {"export"},
                                                          {"eval"},
                                                          {"select"},
                                                          {"obfuscate"},
                                                          {"plan"},
                                                          {"keygen"},
                                                          {"encrypt"},
                                                          {"serve"},
                                                          {"infer"},
                                                          {"demo"},
                                                          {"attack", "scratch"},
                                                          {"attack", "recover"},
                                                          {"attack", "transplant"},
                                                          {"attack", "extract"},
                                                          {"attack", "invert"},
                                                          {"report"},
                                                          {"bench", "infer"},
                                                          {"bench", "networks"},
                                                          {"bench", "kernels"},
                                                          {"data", "list"},
                                                          {"data", "check"},
                                                          {"data", "get"},
                                                          {"version"}};
  for (const auto& command : commands) {
    auto help = command;
    help.push_back("--help");
    const Ended asked = Run(help);
    EXPECT_EQ(asked.exit_code, 0) << command[0];
    EXPECT_THAT(asked.out, HasSubstr("Example:\n  privdnn " + command[0])) << command[0];
    EXPECT_THAT(asked.out, HasSubstr("--json")) << command[0];
    auto wrong = command;
    wrong.push_back("--no-such-option");
    EXPECT_EQ(Run(wrong).exit_code, 2) << command[0];
  }
  EXPECT_EQ(Run({"select"}).exit_code, 2);                                 // --counts is missing
  EXPECT_EQ(Run({"train", "--arch", "none", "--out", "x"}).exit_code, 2);  // no such architecture
  EXPECT_EQ(Run({"demo", "--images", "0"}).exit_code, 2);
}

TEST_F(EndToEnd, UnknownCommandsAreNamedBesideThoseThereAre) {
  const auto expect_wrong = [](const std::vector<std::string>& arguments, const std::string& with) {
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, 2) << with;
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, HasSubstr(with));
  };
  expect_wrong({}, "privdnn needs a command: one of train, export,");
  expect_wrong({"fly"}, "privdnn has no command 'fly': one of train, export,");
  expect_wrong({"fly", "--json"}, "Run `privdnn --help` for more information.");
  expect_wrong({"attack"}, "privdnn attack needs a command: one of scratch, recover,");
  expect_wrong({"attack", "fly"}, "privdnn attack has no command 'fly': one of scratch, recover,");
  expect_wrong({"attack", "select"}, "privdnn attack has no command 'select'");  // the program has one
  expect_wrong({"bench", "fly"}, "Run `privdnn bench --help` for more information.");
  // Whoever has a command is told about that one.
  expect_wrong({"keygen"}, "--out is required\nRun `privdnn keygen --help` for more information.");
}

TEST_F(EndToEnd, SaysItsVersion) {
  const Ended flag = Run({"--version"});
  EXPECT_EQ(flag.exit_code, 0);
  EXPECT_EQ(flag.out, "privdnn " + Json::parse(Run({"version", "--json"}).out)["version"].get<std::string>() + "\n");
}

// The same images as an IDX file and as raw floats; an exported architecture.
TEST_F(EndToEnd, EvalWritesOutputs) {
  Bytes idx = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28};
  std::vector<float> floats;
  for (int i = 0; i < 3 * 28 * 28; ++i) {
    idx.push_back(static_cast<uint8_t>(37 * i % 256));
    floats.push_back(static_cast<float>(37 * i % 256) / 255.0f);
  }
  ASSERT_TRUE(WriteFile(Path("three.idx"), idx).ok());
  const auto* bytes = reinterpret_cast<const uint8_t*>(floats.data());
  ASSERT_TRUE(WriteFile(Path("three.f32"), {bytes, floats.size() * sizeof(float)}).ok());
  const Ended images = Run({"eval", "--images", Path("three.idx"), "--outputs", Path("images.json"), "--json"});
  ASSERT_EQ(images.exit_code, 0) << images.err;
  EXPECT_GT(Json::parse(images.out)["images_per_second"], 0);
  EXPECT_FALSE(Json::parse(images.out).contains("accuracy_original"));
  const Json outputs = Json::parse(ReadTextFile(Path("images.json"), 1 << 20).value());
  EXPECT_EQ(outputs["logits"]["shape"], Json({3, 10}));
  EXPECT_EQ(outputs["logits"]["values"].size(), 30u);
  const Ended raw = Run({"eval", "--inputs", Path("three.f32"), "--outputs", Path("raw.json"), "--json"});
  ASSERT_EQ(raw.exit_code, 0) << raw.err;
  EXPECT_EQ(Json::parse(raw.out)["inputs"], 3);
  EXPECT_EQ(Json::parse(ReadTextFile(Path("raw.json"), 1 << 20).value()), outputs);

  ASSERT_EQ(Run({"export", "--arch", "lenet5-mnist", "--seed", "7", "--out", Path("seven.onnx")}).exit_code, 0);
  const Ended exported = Run({"eval", Path("seven.onnx"), "--json"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  const Json accuracy = Json::parse(exported.out);
  EXPECT_LT(accuracy["accuracy_original"], 50);  // untrained
  EXPECT_GT(accuracy["accuracy_top5"], accuracy["accuracy_original"]);
}

TEST_F(EndToEnd, CommandsAnswerInJsonAndFailClearly) {
  EXPECT_TRUE(Json::parse(Run({"version", "--json"}).out).contains("kernel"));
  const Ended plan = Run({"plan", "--selection", "1:0;2:0", "--json"});
  EXPECT_EQ(Json::parse(plan.out)["segments"][0]["features"], 351);
  const Ended all = Run({"eval", "--json"});
  EXPECT_EQ(Json::parse(all.out)["images"], 1000);
  EXPECT_THAT(all.err, HasSubstr("evaluating the network, 1000 inputs\n"));  // in place of a bar
  const Ended selected = Run({"select", "--counts", "1,2", "--out", Path("s.json"), "--limit", "100", "--json"});
  ASSERT_EQ(selected.exit_code, 0) << selected.err;
  const Ended evaluated = Run({"eval", "--selection", Path("s.json"), "--limit", "100", "--json"});
  EXPECT_EQ(Json::parse(evaluated.out)["accuracy_separated"], Json::parse(selected.out)["accuracy_separated"]);

  ExpectFails({"eval", Path("none.onnx")}, "none.onnx");
  ExpectWrongUsage({"eval", "--inputs", Path("none.f32")}, "--inputs needs --outputs");
  ExpectFails({"eval", "--inputs", Path("s.json"), "--outputs", Path("o.json")},
              "are not a number of inputs of (1, 28, 28)");
  ExpectFails({"plan", "--selection", "1:0;2:99"}, "layer 2 has neurons 0 to 15, not 99");
  ExpectFails({"plan", "--selection", "nowhere.json"}, "no such selection file");
  ExpectFails({"select", "--counts", "9,1"}, "9 neurons of layer 1; it has 6");
  const Ended refused = Run({"select", "--counts", "x"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("is not N1,N2"));
  ExpectFails({"keygen", "--out", Path("tls"), "--user", "user"}, "user.key");
  ExpectFails({"keygen", "--out", Path("tls"), "--user", "../evil"}, "evil");
  ExpectFails({"keygen", "--out", Path("new"), "--user", "alice", "--user", "../evil"}, "evil");
  EXPECT_FALSE(std::filesystem::exists(Path("new")));  // names are checked before anything is written
  ExpectFails({"encrypt", "--selection", "1:0;2:0", "--user", "a/b", "--package", Path("x"), "--key", Path("y")},
              "a/b");
  ExpectFails({"serve", "--key", Path("m.privdnn"), "--tls", Path("tls"), "--ledger", Path("l")},
              "with which owners' key files begin");
}

}  // namespace
}  // namespace privdnn
