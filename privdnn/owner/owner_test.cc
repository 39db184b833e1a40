// An owner in service with real keys, and what its ledger then says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/owner/owner_server.h"
#include "privdnn/owner/usage_report.h"
#include "privdnn/package/test_package.h"
#include "privdnn/party/user.h"
#include "privdnn/service/client.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class OwnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateAuthority(Path("tls")).ok());
    ASSERT_TRUE(IssueOwner(Path("tls"), {}).ok());
    ASSERT_TRUE(IssueUser(Path("tls"), "user").ok());
    ASSERT_TRUE(WriteFile(Path("key"), model_.encrypted.owner_key.Write(), 0600).ok());
  }
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  OwnerServerOptions Options() const {
    return {.keys = {Path("key")}, .tls = Path("tls"), .ledger = Path("ledger"), .listen = "127.0.0.1:0"};
  }
  std::string Id() const { return HexEncode(model_.encrypted.owner_key.package_id()); }
  // Another user's account, as a server would charge it.
  void Charge(const std::string& package, const std::string& user, uint64_t images) const {
    ASSERT_TRUE((*SqliteUsageStore::Open(Path("ledger")))->Add({package, user}, images, images, 1 << 20).ok());
  }

  TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  TestModelBuilder builder_{7};
  TestModel model_ = *EncryptTestModel(builder_.Build(TinyShape()), builder_, 5);
};

TEST_F(OwnerTest, AnswersThePackagesOfItsKeysAndRemembersForWhom) {
  auto server = OwnerServer::Start(Options());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(server->packages(), ::testing::ElementsAre(Id()));
  EXPECT_THAT(server->address(), ::testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  auto client = *Client::Connect(server->address(), *LoadTlsFiles(Path("tls"), "user"));

  const User user = *User::Create(*Package::Parse(model_.encrypted.package, "p"));
  const Owner owner = *Owner::Create(*OwnerKey::Open(Path("key")));
  const std::vector<float> pixels(3 * user.input_size(0), 0.5F);
  SystemRandom random;
  User::Workspace workspace;
  const PreparedQuery query = *user.Prepare(0, pixels, random, workspace);
  bool asked = false;
  const auto next = [&]() -> absl::StatusOr<std::optional<Bytes>> {
    if (std::exchange(asked, true)) return std::nullopt;
    return query.message;
  };
  std::vector<int64_t> outputs;
  const auto on_reply = [&](uint64_t, const Bytes& reply, const ReplyInfo& info) {
    outputs = *user.Unmask(query, reply);
    EXPECT_EQ(info.images_remaining, 997u);
    return absl::OkStatus();
  };
  ASSERT_TRUE(client.Evaluate(Id(), next, on_reply).ok());
  EXPECT_EQ(outputs, *user.Unmask(query, *owner.Answer(query.message, random)));

  ASSERT_TRUE(server->Shutdown(std::chrono::seconds(5)).ok());
  const auto usage = ReadUsage(Path("ledger"), {Path("key")});
  ASSERT_TRUE(usage.ok()) << usage.status();
  ASSERT_EQ(usage->size(), 1u);
  EXPECT_EQ((*usage)[0].package_id, Id());
  EXPECT_EQ((*usage)[0].user, "user");
  EXPECT_EQ((*usage)[0].used, 3u);
  EXPECT_EQ((*usage)[0].budget, 1000u);
  EXPECT_EQ((*usage)[0].left(), 997u);
}

TEST_F(OwnerTest, SaysWhichFileWillNotDo) {
  const auto refused = [&](const std::function<void(OwnerServerOptions&)>& change) {
    OwnerServerOptions options = Options();
    change(options);
    return Message(OwnerServer::Start(options).status());
  };
  EXPECT_THAT(refused([&](auto& o) { o.keys.emplace_back(Path("other.key")); }), HasSubstr("other.key"));
  ASSERT_TRUE(WriteFile(Path("damaged"), AsBytes("no key"), 0600).ok());
  EXPECT_THAT(refused([&](auto& o) { o.keys = {Path("damaged")}; }), HasSubstr("damaged"));
  EXPECT_THAT(refused([&](auto& o) { o.tls = Path("nowhere"); }), HasSubstr("nowhere"));
  EXPECT_THAT(refused([&](auto& o) { o.ledger = Path("damaged"); }), HasSubstr("damaged"));
  EXPECT_THAT(refused([&](auto& o) { o.listen = "nohost"; }), HasSubstr("nohost"));
  EXPECT_THAT(refused([&](auto& o) { o.keys.push_back(o.keys[0]); }), HasSubstr(Id().substr(0, 12)));
}

TEST_F(OwnerTest, ReportsEveryAccountAndPackagesThatNobodyAskedYet) {
  EXPECT_TRUE(absl::IsNotFound(ReadUsage(Path("ledger"), {}).status()));
  EXPECT_FALSE(std::filesystem::exists(Path("ledger"))) << "looking at a ledger made one";
  const std::string foreign(64, 'f');
  Charge(foreign + "/1", "bob", 7);
  Charge(foreign + "/0", "bob", 9);
  Charge(foreign + "/0", "alice", 5);
  const auto usage = ReadUsage(Path("ledger"), {Path("key")});
  ASSERT_TRUE(usage.ok()) << usage.status();
  std::vector<std::string> lines;
  for (const AccountUsage& u : *usage) {
    lines.push_back(fmt::format("{} {} {} {} {}", u.package_id.substr(0, 4), u.user, u.segment, u.used,
                                u.left() ? std::to_string(*u.left()) : "?"));
  }
  std::vector<std::string> expected = {"ffff alice 0 5 ?", "ffff bob 0 9 ?", "ffff bob 1 7 ?"};
  expected.insert(Id() < foreign ? expected.begin() : expected.end(), Id().substr(0, 4) + " user 0 0 1000");
  EXPECT_EQ(lines, expected);
}

TEST_F(OwnerTest, MoreThanTheBudgetLeavesNothing) {
  Charge(Id(), "user", 2000);
  const auto usage = ReadUsage(Path("ledger"), {Path("key")});
  ASSERT_EQ(usage->size(), 1u);
  EXPECT_EQ((*usage)[0].used, 2000u);
  EXPECT_EQ((*usage)[0].left(), 0u);
  EXPECT_THAT(Message(ReadUsage(Path("ledger"), {Path("no.key")}).status()), HasSubstr("no.key"));
}

}  // namespace
}  // namespace privdnn
