// That the programs draw from SystemRandom: whatever they make, they make anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <optional>

#include "privdnn/package/package.h"
#include "privdnn/party/hosted_owner.h"
#include "privdnn/party/user.h"
#include "privdnn/service/server.h"
#include "privdnn/service/sqlite_usage_store.h"
#include "process_test.h"

namespace privdnn {
namespace {

class Randomness : public ProcessTest {
 protected:
  static void Encrypt(const std::string& name) {
    const Ended made =
        Run({"encrypt", "--selection", "1:0;2:0", "--package", Path(name + ".privdnn"), "--key", Path(name + ".key")});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  static OwnerKey Key(const std::string& name) { return *OwnerKey::Open(Path(name + ".key")); }
  // The share of bytes that two messages of one length have in common; 1/256 for random ones.
  static double Common(std::span<const uint8_t> a, std::span<const uint8_t> b) {
    EXPECT_EQ(a.size(), b.size());
    size_t equal = 0;
    for (size_t k = 0; k < a.size(); ++k) equal += a[k] == b[k];
    return static_cast<double>(equal) / static_cast<double>(a.size());
  }
};

TEST_F(Randomness, EncryptDrawsSeedsKeysAndErrorsAnew) {
  Encrypt("a");
  Encrypt("b");
  const OwnerKey a = Key("a"), b = Key("b");
  EXPECT_NE(a.segments()[0].header.seed, b.segments()[0].header.seed);
  const auto s = a.secrets(0).keys[0].coefficients().Reveal(), t = b.secrets(0).keys[0].coefficients().Reveal();
  size_t equal = 0;
  for (size_t k = 0; k < s.size(); ++k) equal += s[k] == t[k];
  EXPECT_LT(equal, s.size() / 2);  // a third of them, give or take 30
  const auto first = *Package::Open(Path("a.privdnn")), second = *Package::Open(Path("b.privdnn"));
  AlignedVector<uint64_t> x(first.segments()[0].parameters.ring().limbs_size()), y(x.size());
  ASSERT_TRUE(first.ReadCiphertext(0, 0, 0, x).ok());
  ASSERT_TRUE(second.ReadCiphertext(0, 0, 0, y).ok());
  equal = 0;
  for (size_t k = 0; k < x.size(); ++k) equal += x[k] == y[k];
  EXPECT_LE(equal, 1u);
}

// Keeps every message that its sessions take.
class RecordingPackage final : public HostedPackage {
 public:
  explicit RecordingPackage(std::unique_ptr<const HostedOwner> owner)
      : HostedPackage(owner->info()), owner_(std::move(owner)) {}

  absl::StatusOr<std::unique_ptr<Session>> OpenSession() const override {
    PRIVDNN_ASSIGN_OR_RETURN(auto session, owner_->OpenSession());
    return std::make_unique<Recorder>(*this, std::move(session));
  }
  std::vector<Bytes> queries() const {
    const std::lock_guard lock(mutex_);
    return queries_;
  }

 private:
  class Recorder final : public Session {
   public:
    Recorder(const RecordingPackage& package, std::unique_ptr<Session> session)
        : package_(package), session_(std::move(session)) {}
    absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const override {
      return session_->Peek(message);
    }
    absl::StatusOr<Bytes> Step(std::span<const uint8_t> message) override {
      {
        const std::lock_guard lock(package_.mutex_);
        package_.queries_.emplace_back(message.begin(), message.end());
      }
      return session_->Step(message);
    }

   private:
    const RecordingPackage& package_;
    const std::unique_ptr<Session> session_;
  };
  const std::unique_ptr<const HostedOwner> owner_;
  mutable std::mutex mutex_;
  mutable std::vector<Bytes> queries_;
};

// An owner of the test's own records what two runs of `infer` on the same images send.
TEST_F(Randomness, InferDrawsMasksAnew) {
  Encrypt("recorded");
  const auto hosted = std::make_shared<const RecordingPackage>(*HostedOwner::Create(Key("recorded"), 0, 1));
  ServerOptions options;
  options.tls = *LoadTlsFiles(Path("tls"), "owner");
  options.packages = {hosted};
  options.ledger = *OpenSqliteLedger(":memory:");
  auto server = Server::Start(std::move(options));
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = "127.0.0.1:" + std::to_string((*server)->Port());
  for (int run = 0; run < 2; ++run) {
    const Ended user = Run(Infer(address, {"--limit", "1"}, "recorded.privdnn"));
    ASSERT_EQ(user.exit_code, 0) << user.err;
  }
  const std::vector<Bytes> queries = hosted->queries();
  ASSERT_EQ(queries.size(), 2u);
  // Header and checksum apart; the mean and five deviations of so many bytes.
  const auto body = [](const Bytes& q) { return std::span(q).subspan(52, q.size() - 60); };
  const double n = static_cast<double>(queries[0].size() - 60);
  EXPECT_NEAR(Common(body(queries[0]), body(queries[1])), 1.0 / 256, 5 * std::sqrt(1.0 / 256 / n));
}

// `serve` answers one query twice, with noise of its own each time.
TEST_F(Randomness, ServeDrawsNoiseAnew) {
  Encrypt("served");
  const RunningOwner owner = StartOwner("served.key");
  const Package package = *Package::Open(Path("served.privdnn"));
  const std::string id = HexEncode(package.id());
  const User user = *User::Create(*Package::Open(Path("served.privdnn")));
  User::Workspace workspace;
  SystemRandom random;
  const std::vector<float> images(16 * user.input_size(0), 0.5F);
  const Bytes query = user.Prepare(0, images, random, workspace)->message;
  std::vector<Bytes> replies;
  auto client = *Client::Connect(owner.address, *LoadTlsFiles(Path("tls"), "user"));
  int sent = 0;
  ASSERT_TRUE(client
                  .Evaluate(
                      id,
                      [&]() -> absl::StatusOr<std::optional<Bytes>> {
                        return sent++ < 2 ? std::optional(query) : std::nullopt;
                      },
                      [&](uint64_t, const Bytes& reply, const ReplyInfo&) {
                        replies.push_back(reply);
                        return absl::OkStatus();
                      })
                  .ok());
  ASSERT_EQ(replies.size(), 2u);
  // A deviation of 8/21 in units of the last bit of a reply changes some value in three.
  EXPECT_NE(replies[0], replies[1]);
}

}  // namespace
}  // namespace privdnn
