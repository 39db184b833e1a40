// What sessions do to budgets, with sessions of many steps: a message 'b' begins an inference of as many images as its
// second byte says, 's' is a step, 'r' reveals the answer. 'x' and 'R' are 's' and 'r' that fail.
#include <future>
#include <thread>

#include "privdnn/service/test_support.h"
#include "privdnn/service/test_usage_store.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StepSession final : public Session {
 public:
  absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> message) const override {
    const char kind = static_cast<char>(message[0]);
    if ((kind == 'b') == (steps_ > 0)) return InvalidArgument("step {}: an inference is under way, or none is", steps_);
    BudgetEvents events;
    if (kind == 'b') events.reserve = Charge{.images = message[1]};
    events.commit = kind == 'r' || kind == 'R';
    return events;
  }
  // The number of the step, of this session alone.
  absl::StatusOr<Bytes> Step(std::span<const uint8_t> message) override {
    const char kind = static_cast<char>(message[0]);
    if (kind == 'x' || kind == 'R') return absl::InternalError("secret detail");
    const auto step = static_cast<uint8_t>(++steps_);
    if (kind == 'r') steps_ = 0;
    return Bytes{step};
  }

 private:
  int steps_ = 0;
};

class StepPackage final : public HostedPackage {
 public:
  explicit StepPackage(absl::Status open = absl::OkStatus())
      : HostedPackage({.id = kPackage, .user = {}, .image_budget = 10}), open_(std::move(open)) {}
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() const override {
    PRIVDNN_RETURN_IF_ERROR(open_);
    return std::make_unique<StepSession>();
  }

 private:
  const absl::Status open_;
};

class SessionTest : public ServiceTest {
 protected:
  void StartWith(std::shared_ptr<const HostedPackage> package) {
    auto options = Options({});
    options.packages = {std::move(package)};
    StartServer(std::move(options));
  }
  // The session's replies in one string of digits, and how it ended. One message is in flight at a time.
  std::string Talk(
      Client& client, const std::vector<std::string>& messages,
      const std::function<void(size_t replies)>& after_reply = [](size_t) {}) {
    std::string replies;
    size_t next = 0;
    status_ = client.Evaluate(
        kPackage,
        [&]() -> absl::StatusOr<std::optional<Bytes>> {
          if (next == messages.size() || next > replies.size()) return std::nullopt;
          const std::string& message = messages[next++];
          return Bytes(message.begin(), message.end());
        },
        [&](uint64_t, Bytes reply, const ReplyInfo& info) {
          replies += std::to_string(reply.at(0));
          remaining_ = info.images_remaining;
          after_reply(replies.size());
          return absl::OkStatus();
        });
    return replies;
  }
  static uint64_t Remaining(Client& client) { return client.Describe()->packages.at(0).images_remaining; }

  absl::Status status_;
  uint64_t remaining_ = 0;  // as the last reply says
};

TEST_F(SessionTest, AnInferenceOfManyStepsIsChargedOnce) {
  StartWith(std::make_shared<StepPackage>());
  Client alice = ConnectAs("alice");
  EXPECT_EQ(Talk(alice, {"b\3", "s", "s", "r", "b\2", "r"}), "123412");
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(remaining_, 5u);
  EXPECT_EQ(Remaining(alice), 5u);
  ASSERT_TRUE(log_.WaitFor("outcome=OK"));
  EXPECT_THAT(log_.text(), HasSubstr("images=5 messages=6 "));
}

TEST_F(SessionTest, WhatEndsBeforeTheRevealIsGivenBack) {
  StartWith(std::make_shared<StepPackage>());
  Client alice = ConnectAs("alice");
  EXPECT_EQ(Talk(alice, {"b\12", "s"}), "12");  // the user leaves
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(remaining_, 0u);
  EXPECT_EQ(Remaining(alice), 10u);
  ASSERT_TRUE(log_.WaitFor("images=0 messages=2 "));

  EXPECT_EQ(Talk(alice, {"b\4", "x"}), "1");  // the owner fails
  EXPECT_EQ(status_.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Remaining(alice), 10u);

  EXPECT_EQ(Talk(alice, {"b\1", "r", "b\4", "b\4"}), "121");  // the user breaks the protocol, in the second inference
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status_), HasSubstr("step 1: an inference is under way"));
  EXPECT_EQ(Remaining(alice), 9u);
}

TEST_F(SessionTest, ARevealIsChargedWhateverBecomesOfIt) {
  StartWith(std::make_shared<StepPackage>());
  Client alice = ConnectAs("alice");
  EXPECT_EQ(Talk(alice, {"b\4", "R"}), "1");
  EXPECT_EQ(status_.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Remaining(alice), 6u);
}

TEST_F(SessionTest, SessionsAtOnceHaveTheirOwnStateAndShareTheBudget) {
  StartWith(std::make_shared<StepPackage>());
  Client alice = ConnectAs("alice"), bob = ConnectAs("bob");
  std::string inner, refused, of_bob;
  absl::Status refusal;
  const std::string outer = Talk(alice, {"b\7", "s", "r"}, [&](size_t replies) {
    if (replies != 2) return;
    EXPECT_EQ(Remaining(alice), 3u);
    refused = Talk(alice, {"b\4", "r"});
    refusal = status_;
    inner = Talk(alice, {"b\3", "r"});
    of_bob = Talk(bob, {"b\4", "s", "s", "r"});
  });
  EXPECT_EQ(outer, "123");
  EXPECT_EQ(inner, "12");
  EXPECT_EQ(of_bob, "1234");
  EXPECT_EQ(refused, "");
  EXPECT_EQ(refusal.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(refusal), HasSubstr("7 of the 10 images allowed are used, 4 more"));
  EXPECT_EQ(Remaining(alice), 0u);
  EXPECT_EQ(Remaining(bob), 6u);
}

TEST_F(SessionTest, WhyNoSessionOpensStaysInTheLog) {
  StartWith(std::make_shared<StepPackage>(absl::ResourceExhaustedError("secret detail")));
  Client alice = ConnectAs("alice");
  EXPECT_EQ(Talk(alice, {"b\1"}), "");
  EXPECT_EQ(status_.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status_), HasSubstr("the owner could not open a session"));
  EXPECT_THAT(Message(status_), Not(HasSubstr("secret")));
  EXPECT_THAT(log_.text(), HasSubstr("secret detail"));
}

TEST_F(SessionTest, WhoLeavesWhileTheLedgerWaitsIsNotCharged) {
  std::atomic<int> answers = 0;
  FakeHosted package = FakePackage(kPackage, 10);
  package.answer = [&](auto) -> absl::StatusOr<Bytes> {
    ++answers;
    return Bytes{1};
  };
  const auto gate = std::make_shared<Gate>();
  auto options = Options({package});
  options.ledger = HookedLedger([gate](const UsageAccount&) {
    gate->Pass();
    return absl::OkStatus();
  });
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  Conversation conversation({FakeQuery(3)});
  conversation.deadline = milliseconds(300);
  EXPECT_EQ(conversation.Run(alice).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(gate->WaitForEntry());
  // The owner's side hears of it at its own time; what it does then shows in the log alone.
  std::this_thread::sleep_for(milliseconds(500));
  gate->Open();
  ASSERT_TRUE(log_.WaitFor("outcome=CANCELLED"));
  EXPECT_EQ(answers, 0);
  EXPECT_EQ(Remaining(alice), 10u);
}

}  // namespace
}  // namespace privdnn
