// privdnn-owner as an owner's machine runs it: beside packages that privdnn made, and without what it doesn't need.
#include <algorithm>

#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class OwnerProgram : public ProcessTest {
 protected:
  static Ended RunIt(std::vector<std::string> line) {
    const std::string log = Log();
    auto child = *ChildProcess::Start(line, log);
    const auto end = child.Wait(kPatience);
    return end.ok() ? Ended{end->exit_code, end->output, *ReadTextFile(log, 1 << 24)} : Ended{-1, "", ""};
  }
  static Ended RunOwner(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PRIVDNN_OWNER_PROGRAM);
    return RunIt(arguments);
  }
};

TEST_F(OwnerProgram, LinksNoLibTorchNoOnnxNoJpeg) {
  const Ended whole = RunIt({"/usr/bin/ldd", PRIVDNN_NETWORKS_PROGRAM});
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  for (const char* library : {"libtorch", "libonnx", "libjpeg"}) {
    EXPECT_THAT(whole.out, HasSubstr(library)) << "the search would find nothing";
  }
  for (const char* program : {PRIVDNN_OWNER_PROGRAM, PRIVDNN_PROGRAM}) {
    const Ended slim = RunIt({"/usr/bin/ldd", program});
    ASSERT_EQ(slim.exit_code, 0) << slim.err;
    EXPECT_THAT(slim.out, Not(ContainsRegex("torch|onnx|jpeg|libpng|libmpi"))) << program;
    EXPECT_THAT(slim.out, HasSubstr("libgrpc++")) << program;
    EXPECT_LT(std::ranges::count(slim.out, '\n'), 80) << program;  // libraries; privdnn-networks has more than 300
  }
}

TEST_F(OwnerProgram, ServesWhatPrivdnnEncryptedAndTellsWhoUsedHowMuch) {
  // Certificates of its own making.
  ASSERT_EQ(RunOwner({"keygen", "--out", Path("slim"), "--user", "user"}).exit_code, 0);
  ASSERT_EQ(Run({"encrypt", "--selection", "1:0;2:0,5", "--package", Path("m.privdnn"), "--key", Path("m.key"),
                 "--image-budget", "500"})
                .exit_code,
            0);
  EXPECT_THAT(RunOwner({"users", "--ledger", Path("budgets")}).err, HasSubstr("there is no such ledger"));
  auto owner = *ChildProcess::Start({PRIVDNN_OWNER_PROGRAM, "serve", "--key", Path("m.key"), "--tls", Path("slim"),
                                     "--listen", "127.0.0.1:0", "--ledger", Path("budgets"), "--threads", "1"},
                                    Log());
  const auto ready = owner.ReadUntil("\n", kPatience);
  ASSERT_TRUE(ready.ok()) << ready.status();
  ASSERT_TRUE(ready->starts_with("listening on ")) << *ready;
  const std::string address = ready->substr(std::string("listening on ").size());
  const Ended user = Run({"infer", "--package", Path("m.privdnn"), "--owner", address, "--tls", Path("slim"),
                          "--threads", "1", "--limit", "100", "--json"});
  ASSERT_EQ(user.exit_code, 0) << user.err;
  EXPECT_GT(Json::parse(user.out)["accuracy"].get<double>(), 95);
  owner.Signal(SIGTERM);
  EXPECT_EQ(owner.Wait(kPatience)->exit_code, 0);

  const Ended used = RunOwner({"users", "--ledger", Path("budgets"), "--key", Path("m.key"), "--json"});
  ASSERT_EQ(used.exit_code, 0) << used.err;
  const Json account = Json::parse(used.out)["accounts"].at(0);
  EXPECT_EQ(account["user"], "user");
  EXPECT_EQ(account["package_id"], Json::parse(user.out)["package_id"]);
  EXPECT_EQ(account["images_used"], 100);
  EXPECT_EQ(account["image_budget"], 500);
  EXPECT_EQ(account["images_remaining"], 400);
  EXPECT_EQ(Run({"users", "--ledger", Path("budgets"), "--key", Path("m.key"), "--json"}).out, used.out);
  EXPECT_THAT(RunOwner({"users", "--ledger", Path("budgets"), "--key", Path("m.key")}).out,
              HasSubstr("100 of 500, 400 left"));
  EXPECT_THAT(RunOwner({"users", "--ledger", Path("budgets")}).out, Not(HasSubstr("left")));
}

TEST_F(OwnerProgram, NamesItselfInItsHelp) {
  EXPECT_EQ(RunOwner({"--version"}).out.substr(0, 14), "privdnn-owner ");
  const Ended help = RunOwner({"serve", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Example:\n  privdnn-owner serve"));
  const Ended wrong = RunOwner({"infer"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("privdnn-owner"));
}

}  // namespace
}  // namespace privdnn
