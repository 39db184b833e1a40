// What tests across processes share: the program as a child, an owner that serves, files that go with the suite.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/service/client.h"
#include "privdnn/service/pki.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {

struct Ended {
  int exit_code;
  std::string out, err;
};

class ProcessTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{600};

  // A directory for the suite, with certificates of the owner, `user` and `mallory` in "tls".
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory(*TemporaryDirectory::Create());
    ASSERT_EQ(Run({"keygen", "--out", Path("tls"), "--user", "user", "--user", "mallory"}).exit_code, 0);
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }

  static std::string Path(const std::string& name) { return (directory_->path() / name).string(); }
  static std::vector<std::string> Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PRIVDNN_PROGRAM);
    return arguments;
  }
  static std::string Log() { return Path("stderr." + std::to_string(++logs_)); }

  static Ended Run(const std::vector<std::string>& arguments) {
    const std::string log = Log();
    auto child = ChildProcess::Start(Command(arguments), log);
    if (!child.ok()) return {-1, "", Message(child.status())};
    const auto end = child->Wait(kPatience);
    if (!end.ok()) return {-1, "", Message(end.status())};
    return {end->exit_code, end->output, *ReadTextFile(log, 1 << 24)};
  }
  // Exit code 1, and a message that says `with`.
  static void ExpectFails(const std::vector<std::string>& arguments, const std::string& with) {
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, 1) << with;
    EXPECT_THAT(ended.err, ::testing::HasSubstr(with));
  }

  // Exit code 2, a message that says `with`, and where help is.
  static void ExpectWrongUsage(const std::vector<std::string>& arguments, const std::string& with) {
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, 2) << with;
    EXPECT_THAT(ended.err, ::testing::AllOf(::testing::HasSubstr(with), ::testing::HasSubstr("--help` for more")));
  }

  struct RunningOwner {
    ChildProcess process;
    std::string address, log;
  };
  // Its ledger is the key file's name with ".sqlite".
  static RunningOwner StartOwner(const std::string& key = "m.key", const std::string& output_noise = "0") {
    const std::string log = Log();
    auto process = *ChildProcess::Start(
        Command({"serve", "--json", "--key", Path(key), "--tls", Path("tls"), "--listen", "127.0.0.1:0", "--ledger",
                 Path(key + ".sqlite"), "--threads", "1", "--output-noise", output_noise}),
        log);
    const auto ready = process.ReadUntil("\n", kPatience);
    EXPECT_TRUE(ready.ok()) << ready.status() << *ReadTextFile(log, 1 << 20);
    return {std::move(process), Json::parse(*ready)["listening"].get<std::string>(), log};
  }

  static std::vector<std::string> Infer(const std::string& address, const std::vector<std::string>& more = {},
                                        const std::string& package = "m.privdnn") {
    std::vector<std::string> a = {"infer", "--package", Path(package), "--owner", address,
                                  "--tls", Path("tls"), "--threads",   "1"};
    a.insert(a.end(), more.begin(), more.end());
    return a;
  }

  // What one side does when the other goes away, or is told to stop, while `infer` is on its way with `owner`. It has
  // to take long.
  static void ExpectOwnerSurvivesAKilledUser(const RunningOwner& owner, const std::vector<std::string>& infer) {
    ChildProcess user = StartAndWaitForACharge(owner, infer, Log());
    user.Signal(SIGKILL);
    EXPECT_EQ(user.Wait(kPatience)->signal, SIGKILL);
  }
  static void ExpectUserEndsInOrder(const RunningOwner& owner, const std::vector<std::string>& infer) {
    const std::string log = Log();
    ChildProcess user = StartAndWaitForACharge(owner, infer, log);
    user.Signal(SIGINT);
    ExpectEndsSaying(user, log, "interrupted");
  }
  static void ExpectUserReportsAKilledOwner(const RunningOwner& owner, const std::vector<std::string>& infer) {
    const std::string log = Log();
    ChildProcess user = StartAndWaitForACharge(owner, infer, log);
    owner.process.Signal(SIGKILL);
    ExpectEndsSaying(user, log, "went away after");
  }

  // What the owner's one package has left for "user".
  static uint64_t Remaining(const RunningOwner& owner) {
    auto client = *Client::Connect(owner.address, *LoadTlsFiles(Path("tls"), "user"));
    return client.Describe()->packages.at(0).images_remaining;
  }
  // What is left of the budget of the one package behind a key, of which something has been charged, as another of the
  // user's processes would.
  static void UseUpTheRest(const std::string& key, uint64_t budget) {
    const auto ledger = *OpenSqliteLedger(Path(key + ".sqlite"), {.reserve_images = 1});
    absl::Status charged = absl::UnknownError("");
    while (!charged.ok()) {  // the owner's own reservations come between
      const auto [account, images] = ledger->Entries()->at(0);
      ASSERT_LT(images, budget);
      charged = ledger->Charge(account.package_id, account.user, budget - images, budget).status();
    }
  }
  static ChildProcess StartAndWaitForACharge(const RunningOwner& owner, const std::vector<std::string>& infer,
                                             const std::string& log) {
    return StartAndWait(owner, Command(infer), log);
  }
  static ChildProcess StartAndWait(const RunningOwner& owner, const std::vector<std::string>& line,
                                   const std::string& log) {
    const uint64_t before = Remaining(owner);
    ChildProcess user = *ChildProcess::Start(line, log);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (Remaining(owner) == before && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_LT(Remaining(owner), before) << "the user asks for nothing";
    return user;
  }

 private:
  static void ExpectEndsSaying(ChildProcess& user, const std::string& log, const std::string& with) {
    const auto end = user.Wait(std::chrono::seconds(60));
    ASSERT_TRUE(end.ok()) << "the user hangs: " << end.status();
    EXPECT_EQ(end->exit_code, 1);
    EXPECT_EQ(end->signal, 0);
    EXPECT_THAT(*ReadTextFile(log, 1 << 20), ::testing::HasSubstr(with));
  }

  static inline TemporaryDirectory* directory_ = nullptr;
  static inline int logs_ = 0;
};

}  // namespace privdnn
