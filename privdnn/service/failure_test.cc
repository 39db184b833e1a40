// Owners and users that are slow, stop, or die.
#include <atomic>
#include <thread>

#include "privdnn/service/test_support.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class FailureTest : public ServiceTest {
 protected:
  // An answer function that waits until the test lets it go on.
  struct Gate {
    std::atomic<int> entered = 0;
    std::atomic<bool> open = false;
    FakeHosted Package() {
      auto package = FakePackage(kPackage, 1000);
      package.answer = [this, answer = package.answer](auto query) {
        ++entered;
        while (!open) std::this_thread::sleep_for(milliseconds(1));
        return answer(query);
      };
      return package;
    }
    void WaitForEntry() const {
      while (entered == 0) std::this_thread::sleep_for(milliseconds(1));
    }
  };
};

TEST_F(FailureTest, ABatchHasADeadline) {
  Gate gate;
  StartServer(Options({gate.Package()}));
  Client alice = ConnectAs("alice");
  const auto start = Clock::now();
  Conversation conversation(std::vector<Bytes>(10, FakeQuery(1)));
  conversation.deadline = milliseconds(0);
  EXPECT_THAT(Message(conversation.Run(alice)), HasSubstr("a deadline is 0 ms, must be 1 to"));
  conversation.deadline = milliseconds(200);
  const auto status = conversation.Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(status), HasSubstr("the owner at " + Address() + " timed out after 0 of "));
  EXPECT_LT(Clock::now() - start, milliseconds(5000));
  gate.open = true;
  ASSERT_TRUE(log_.WaitFor("outcome="));
  EXPECT_THAT(log_.text(), HasSubstr("outcome=CANCELLED"));
  Client bob = ConnectAs("bob");
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(bob).ok());
}

TEST_F(FailureTest, IdleStreamsEnd) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.idle_timeout = milliseconds(150);
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  Conversation conversation(std::vector<Bytes>(10, FakeQuery(1)));
  conversation.after_reply = [&](size_t replies) {
    if (replies != 6) return;
    EXPECT_TRUE(log_.WaitFor("DEADLINE_EXCEEDED"));
  };
  const auto status = conversation.Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(status), HasSubstr("no message came for 150 ms"));
}

TEST_F(FailureTest, KilledOwnerMidStream) {
  HelperProcess owner({"--helper-server", authority_->path().string(), "5"});
  const std::string port = owner.ReadLine();
  ASSERT_NE(port, "");
  auto alice = Client::Connect("127.0.0.1:" + port, authority_->Tls("alice"));
  ASSERT_TRUE(alice.ok()) << alice.status();
  Conversation conversation(std::vector<Bytes>(1000, FakeQuery(1, 50'000)));
  conversation.after_reply = [&](size_t replies) {
    if (replies == 3) owner.Kill();
  };
  const auto start = Clock::now();
  const auto status = conversation.Run(*alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("the owner at 127.0.0.1:" + port + " went away after "));
  EXPECT_GE(conversation.replies, 3u);
  EXPECT_LE(conversation.replies, 7u);
  EXPECT_LT(Clock::now() - start, milliseconds(5000));
  EXPECT_EQ(alice->Describe().status().code(), absl::StatusCode::kUnavailable);

  // What was reserved is gone, what was answered is not given again.
  HelperProcess again({"--helper-server", authority_->path().string(), "0"});
  auto back = Client::Connect("127.0.0.1:" + again.ReadLine(), authority_->Tls("alice"));
  ASSERT_TRUE(back.ok()) << back.status();
  const uint64_t used = 1'000'000 - back->Describe()->packages[0].images_remaining;
  EXPECT_GE(used, conversation.replies);
  EXPECT_LE(used, 16u);  // at most as many are wasted as were spent
}

TEST_F(FailureTest, KilledUserMidStream) {
  StartServer(Options({FakePackage(kPackage, 1'000'000, milliseconds(5))}));
  {
    HelperProcess user({"--helper-client", authority_->path().string(), Address()});
    for (int i = 0; i < 3; ++i) ASSERT_EQ(user.ReadLine(), "reply");
  }
  ASSERT_TRUE(log_.WaitFor("outcome=CANCELLED"));
  EXPECT_THAT(log_.text(), HasSubstr("evaluate user=alice"));
  Client alice = ConnectAs("alice");
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(alice).ok());
}

TEST_F(FailureTest, ShutdownWhileStreaming) {
  StartServer(Options({FakePackage(kPackage, 1'000'000, milliseconds(5))}));
  const std::string address = Address();
  Client alice = ConnectAs("alice"), bob = ConnectAs("bob", {.window = 1});
  std::atomic<bool> bob_waits = false;
  // Bob's stream is open and quiet: the owner waits for his next message, he for the owner's end.
  std::thread quiet([&] {
    Conversation conversation(std::vector<Bytes>(2, FakeQuery(1)));
    conversation.after_reply = [&](size_t) {
      bob_waits = true;
      EXPECT_TRUE(log_.WaitFor("shut down"));
    };
    EXPECT_EQ(conversation.Run(bob).code(), absl::StatusCode::kUnavailable);
  });
  std::thread stopper;
  Conversation conversation(std::vector<Bytes>(10'000, FakeQuery(1)));
  conversation.after_reply = [&](size_t replies) {
    if (replies != 3) return;
    while (!bob_waits) std::this_thread::sleep_for(milliseconds(1));
    stopper = std::thread([&] { EXPECT_TRUE(server_->Shutdown(milliseconds(5000)).ok()); });
  };
  const auto start = Clock::now();
  const auto status = conversation.Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("the owner at " + address + " went away after "));
  EXPECT_THAT(Message(status), HasSubstr("the owner is shutting down"));
  server_->Wait();
  stopper.join();
  quiet.join();
  EXPECT_LT(Clock::now() - start, milliseconds(4000));  // without using up the patience
  EXPECT_TRUE(server_->Shutdown(milliseconds(0)).ok());
}

TEST_F(FailureTest, ShutdownCutsOffWhatDoesNotEnd) {
  Gate gate;
  StartServer(Options({gate.Package()}));
  const std::string address = Address();
  Client alice = ConnectAs("alice");
  std::thread stopper([&] {
    gate.WaitForEntry();
    EXPECT_TRUE(server_->Shutdown(milliseconds(100)).ok());
  });
  const auto status = Conversation({FakeQuery(1)}).Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr(address));
  EXPECT_THAT(Message(status), HasSubstr("after 0 of 1 messages"));
  gate.open = true;
  stopper.join();
  EXPECT_EQ(alice.Describe().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(FailureTest, StoppedUsersDoNotHoldStreams) {
  auto options = Options({FakePackage(kPackage, 1'000'000)});
  options.idle_timeout = milliseconds(500);
  StartServer(std::move(options));
  HelperProcess user({"--helper-client", authority_->path().string(), Address()});
  ASSERT_EQ(user.ReadLine(), "reply");
  user.Stop();
  EXPECT_TRUE(log_.WaitFor("outcome=DEADLINE_EXCEEDED"));
}

}  // namespace
}  // namespace privdnn
