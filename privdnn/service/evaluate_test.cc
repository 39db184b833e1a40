// Conversations between users and an owner that both live.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <thread>

#include "privdnn/service/privdnn.grpc.pb.h"
#include "privdnn/service/test_support.h"
#include "privdnn/service/test_usage_store.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EvaluateTest : public ServiceTest {
 protected:
  // A stream without our client, which would not send what these tests send.
  struct RawStream {
    grpc::ClientContext context;
    std::unique_ptr<v1::Owner::Stub> stub;
    std::unique_ptr<grpc::ClientReaderWriter<v1::EvaluateRequest, v1::EvaluateReply>> stream;
  };
  std::unique_ptr<RawStream> OpenRawStream() {
    const auto alice = authority_->Tls("alice");
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = alice.ca_pem;
    ssl.pem_private_key = alice.key_pem;
    ssl.pem_cert_chain = alice.certificate_pem;
    auto raw = std::make_unique<RawStream>();
    raw->stub = v1::Owner::NewStub(grpc::CreateChannel(Address(), grpc::SslCredentials(ssl)));
    raw->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    raw->stream = raw->stub->Evaluate(&raw->context);
    return raw;
  }
  // The status of a stream of these messages, all sent at once.
  grpc::Status RawEvaluate(const std::vector<std::tuple<std::string, uint64_t, Bytes>>& messages) {
    const auto raw = OpenRawStream();
    for (const auto& [package, sequence, query] : messages) {
      v1::EvaluateRequest request;
      request.set_package_id(package);
      request.set_sequence(sequence);
      request.set_query(query.data(), query.size());
      if (!raw->stream->Write(request)) break;
    }
    raw->stream->WritesDone();
    v1::EvaluateReply reply;
    while (raw->stream->Read(&reply)) {
    }
    return raw->stream->Finish();
  }
};

TEST_F(EvaluateTest, AnswersManyMessagesInOrder) {
  StartServer(100'000);
  Client alice = ConnectAs("alice");
  Conversation conversation({});
  for (int i = 0; i < 500; ++i) {
    conversation.queries.push_back(FakeQuery(static_cast<uint8_t>(1 + i % 5), 100 + 97 * i));
  }
  const auto status = conversation.Run(alice);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(conversation.replies, 500u);
  EXPECT_EQ(conversation.infos.back().images_remaining, 100'000u - 1500u);
  EXPECT_GT(conversation.infos.back().round_trip_ns, conversation.infos.back().owner_compute_ns);
  ASSERT_TRUE(log_.WaitFor("outcome=OK"));
  EXPECT_THAT(log_.text(), HasSubstr("evaluate user=alice peer=ipv4:127.0.0.1:"));
  EXPECT_THAT(log_.text(), HasSubstr("package=aaaaaaaaaaaa images=1500 messages=500 bytes_in="));
}

TEST_F(EvaluateTest, AnEmptyConversationIsFine) {
  StartServer();
  Client alice = ConnectAs("alice");
  EXPECT_TRUE(Conversation({}).Run(alice).ok());
}

TEST_F(EvaluateTest, TheUserWorksWhileTheOwnerAnswers) {
  StartServer(Options({FakePackage(kPackage, 1000, milliseconds(20))}));
  Client alice = ConnectAs("alice", {.window = 3});
  std::vector<std::pair<char, uint64_t>> events;
  uint64_t made = 0;
  const auto status = alice.Evaluate(
      kPackage,
      [&]() -> absl::StatusOr<std::optional<Bytes>> {
        if (made == 6) return std::nullopt;
        events.emplace_back('q', made++);
        return FakeQuery(1);
      },
      [&](uint64_t sequence, Bytes, const ReplyInfo&) {
        events.emplace_back('r', sequence);
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<std::pair<char, uint64_t>> expected = {{'q', 0}, {'q', 1}, {'q', 2}, {'r', 0}, {'q', 3}, {'r', 1},
                                                           {'q', 4}, {'r', 2}, {'q', 5}, {'r', 3}, {'r', 4}, {'r', 5}};
  EXPECT_EQ(events, expected);
}

TEST_F(EvaluateTest, LargeMessagesPassUpToTheLimit) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.max_message_bytes = 3'000'000;
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  Conversation large({});
  for (int i = 0; i < 6; ++i) large.queries.push_back(FakeQuery(1, 3'000'000));
  EXPECT_TRUE(large.Run(alice).ok());

  const auto refused = Conversation({FakeQuery(1, 3'000'001)}).Run(alice);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(refused), HasSubstr("3000001 bytes, the owner at " + Address() + " takes at most 3000000"));
  // A client that does not look: just over our limit, and far over gRPC's.
  for (const size_t size : {size_t{3'000'001}, size_t{3'000'000} * 3}) {
    const auto status = RawEvaluate({{kPackage, 0, FakeQuery(1, size)}});
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << size << ": " << status.error_message();
  }
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 994u);
}

TEST_F(EvaluateTest, RefusesUnknownPackages) {
  StartServer();
  Client alice = ConnectAs("alice");
  const auto unknown = Conversation({FakeQuery(1)}).Run(alice, kOtherPackage);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(unknown), HasSubstr("the owner at " + Address()));
  EXPECT_THAT(Message(unknown), HasSubstr("package bbbbbbbbbbbb is not hosted"));
  EXPECT_THAT(Message(unknown), Not(HasSubstr("aaaa")));
  for (const std::string bad : {"", "xyz", "../../etc/passwd"}) {
    EXPECT_EQ(Conversation({FakeQuery(1)}).Run(alice, bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST_F(EvaluateTest, AnswersOnlyTheUserAPackageIsFor) {
  FakeHosted for_alice = FakePackage(kPackage, 100);
  for_alice.info.user = "alice";
  StartServer(Options({for_alice, FakePackage(kOtherPackage, 100)}));
  Client alice = ConnectAs("alice"), bob = ConnectAs("bob");
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(alice).ok());
  const auto refused = Conversation({FakeQuery(1)}).Run(bob);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(refused), HasSubstr("is for another user"));
  EXPECT_EQ(alice.Describe()->packages.size(), 2u);
  ASSERT_EQ(bob.Describe()->packages.size(), 1u);
  EXPECT_EQ(bob.Describe()->packages[0].id, kOtherPackage);
}

TEST_F(EvaluateTest, RefusesMalformedQueriesAndGoesOnServing) {
  StartServer();
  Client alice = ConnectAs("alice");
  Conversation conversation({FakeQuery(1), FakeQuery(1), FakeQuery(0xff), FakeQuery(1)});
  const auto malformed = conversation.Run(alice);
  EXPECT_EQ(malformed.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(malformed), HasSubstr("refused after 2 of"));
  EXPECT_THAT(Message(malformed), HasSubstr("query: field 'images' at byte 0"));
  EXPECT_EQ(conversation.replies, 2u);
  EXPECT_EQ(Conversation({Bytes()}).Run(alice).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Conversation({FakeQuery(0)}).Run(alice).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(alice).ok());
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 997u);  // only answered queries were charged
}

TEST_F(EvaluateTest, BoundsTheImagesOfAMessage) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.max_images_per_message = 8;
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  EXPECT_TRUE(Conversation({FakeQuery(8)}).Run(alice).ok());
  const auto status = Conversation({FakeQuery(9)}).Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("9 images, must be 1 to 8"));
}

TEST_F(EvaluateTest, RefusesStreamsThatBreakTheProtocol) {
  StartServer(Options({FakePackage(kPackage, 1000), FakePackage(kOtherPackage, 1000)}));
  using Code = grpc::StatusCode;
  EXPECT_EQ(RawEvaluate({{kPackage, 0, FakeQuery(1)}, {kPackage, 1, FakeQuery(1)}}).error_code(), Code::OK);
  EXPECT_EQ(RawEvaluate({{kPackage, 1, FakeQuery(1)}}).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(RawEvaluate({{kPackage, 0, FakeQuery(1)}, {"", 0, FakeQuery(1)}}).error_code(), Code::INVALID_ARGUMENT);
  const auto other = RawEvaluate({{kPackage, 0, FakeQuery(1)}, {kOtherPackage, 1, FakeQuery(1)}});
  EXPECT_EQ(other.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(other.error_message(), HasSubstr("another package"));
}

TEST_F(EvaluateTest, BudgetsHoldAcrossRestarts) {
  const auto dir = *TemporaryDirectory::Create();
  auto options = Options({FakePackage(kPackage, 1000)});
  const auto start = [&] {
    options.ledger = *OpenSqliteLedger((dir.path() / "ledger.sqlite").string());
    StartServer(options);
  };
  start();
  Client alice = ConnectAs("alice");
  ASSERT_TRUE(Conversation(std::vector<Bytes>(3, FakeQuery(200))).Run(alice).ok());
  ASSERT_TRUE(server_->Shutdown(milliseconds(1000)).ok());

  start();
  alice = ConnectAs("alice");
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 400u);
  Conversation rest(std::vector<Bytes>(3, FakeQuery(200)));
  const auto exhausted = rest.Run(alice);
  EXPECT_EQ(rest.replies, 2u);
  EXPECT_EQ(exhausted.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(exhausted), HasSubstr("1000 of the 1000 images allowed are used"));
  server_.reset();

  start();
  alice = ConnectAs("alice");
  EXPECT_EQ(Conversation({FakeQuery(1)}).Run(alice).code(), absl::StatusCode::kResourceExhausted);
  Client bob = ConnectAs("bob");
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(bob).ok());  // has his own budget
}

TEST_F(EvaluateTest, WhatCannotBeRecordedIsNotAnswered) {
  const auto fails = std::make_shared<std::atomic<bool>>(true);
  auto options = Options({FakePackage(kPackage, 10)});
  options.ledger = HookedLedger([fails](const UsageAccount&) {
    return *fails ? absl::InternalError("secret path: disk full") : absl::OkStatus();
  });
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  Conversation conversation({FakeQuery(3)});
  const auto status = conversation.Run(alice);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr("the owner could not record the query"));
  EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  EXPECT_EQ(conversation.replies, 0u);
  EXPECT_THAT(log_.text(), HasSubstr("secret path: disk full"));
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 10u);
  *fails = false;
  EXPECT_TRUE(Conversation({FakeQuery(10)}).Run(alice).ok());
}

TEST_F(EvaluateTest, InternalsStayInTheLog) {
  auto failing = FakePackage(kPackage, 10);
  failing.answer = [](auto) -> absl::StatusOr<Bytes> { return absl::DataLossError("secret detail"); };
  auto throwing = FakePackage(kOtherPackage, 10);
  throwing.answer = [](auto) -> absl::StatusOr<Bytes> { throw std::runtime_error("secret exception"); };
  auto talkative = FakePackage(std::string(64, 'c'), 10);
  talkative.answer = [](auto) -> absl::StatusOr<Bytes> { return Bytes(20'000'000); };
  StartServer(Options({failing, throwing, talkative}));
  Client alice = ConnectAs("alice");
  for (const auto& package : {kPackage, kOtherPackage, talkative.info.id}) {
    const auto status = Conversation({FakeQuery(1)}).Run(alice, package);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(Message(status), HasSubstr("the owner could not answer the query"));
    EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  }
  EXPECT_THAT(log_.text(), HasSubstr("secret detail"));
  EXPECT_THAT(log_.text(), HasSubstr("secret exception"));
  EXPECT_THAT(log_.text(), HasSubstr("20000000 bytes, more than"));
}

TEST_F(EvaluateTest, ErrorsOfTheUsersFunctionsEndTheStream) {
  StartServer();
  Client alice = ConnectAs("alice");
  const auto query = []() -> absl::StatusOr<std::optional<Bytes>> { return FakeQuery(1); };
  const auto accept = [](uint64_t, Bytes, const ReplyInfo&) { return absl::OkStatus(); };
  const auto no_query = []() -> absl::StatusOr<std::optional<Bytes>> { return absl::DataLossError("bad image"); };
  EXPECT_EQ(alice.Evaluate(kPackage, no_query, accept), absl::DataLossError("bad image"));
  const auto reject = [](uint64_t, Bytes, const ReplyInfo&) { return absl::DataLossError("bad reply"); };
  EXPECT_EQ(alice.Evaluate(kPackage, query, reject), absl::DataLossError("bad reply"));
  const auto throws = [](uint64_t, Bytes, const ReplyInfo&) -> absl::Status { throw std::runtime_error("thrown"); };
  EXPECT_THROW((void)alice.Evaluate(kPackage, query, throws), std::runtime_error);
  ASSERT_TRUE(log_.WaitFor("CANCELLED"));
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(alice).ok());
}

TEST_F(EvaluateTest, EverySegmentHasTheBudgetAndTheLeastRemainderCounts) {
  // The segment is the query's last byte.
  FakeHosted package = FakePackage(kPackage, 10);
  package.info.segments = 2;
  package.peek = [](std::span<const uint8_t> query) -> absl::StatusOr<Charge> {
    PRIVDNN_ASSIGN_OR_RETURN(Charge size, FakePeek(query));
    size.segment = query.back();
    return size;
  };
  const auto query = [](uint8_t segment, uint8_t images) {
    Bytes bytes = FakeQuery(images);
    bytes.back() = segment;
    return bytes;
  };
  const auto dir = *TemporaryDirectory::Create();
  auto options = Options({package});
  const auto start = [&] {
    options.ledger = *OpenSqliteLedger((dir.path() / "ledger.sqlite").string());
    StartServer(options);
  };
  start();
  Client alice = ConnectAs("alice");
  Conversation first({query(0, 4), query(1, 4), query(0, 3)});  // it breaks off before segment 1 has its 3
  ASSERT_TRUE(first.Run(alice).ok());
  EXPECT_EQ(first.infos[0].images_remaining, 6u);
  EXPECT_EQ(first.infos[1].images_remaining, 6u);
  EXPECT_EQ(first.infos[2].images_remaining, 3u);
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 3u);
  // An image that both segments have answered is one image.
  ASSERT_TRUE(log_.WaitFor("images=7,4 messages=3 "));
  // What segment 1 has left is of no use for segment 0, and the other way round.
  const auto refused = Conversation({query(0, 4)}).Run(alice);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(refused), HasSubstr("7 of the 10 images allowed are used"));
  ASSERT_TRUE(Conversation({query(1, 6)}).Run(alice).ok());
  EXPECT_EQ(Conversation({query(1, 1)}).Run(alice).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(alice.Describe()->packages[0].images_remaining, 0u);
  EXPECT_EQ(ConnectAs("bob").Describe()->packages[0].images_remaining, 10u);
  const auto beyond = Conversation({query(2, 1)}).Run(alice);
  EXPECT_THAT(Message(beyond), HasSubstr("the query is for segment 2, the package has 2"));
  // Segment 0 still answers what it has left, here after a restart.
  ASSERT_TRUE(server_->Shutdown(milliseconds(1000)).ok());
  start();
  alice = ConnectAs("alice");
  EXPECT_EQ(Conversation({query(1, 1)}).Run(alice).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Conversation({query(0, 3)}).Run(alice).ok());
  EXPECT_EQ(Conversation({query(0, 1)}).Run(alice).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(EvaluateTest, TwoUsersAtOnce) {
  StartServer(Options({FakePackage(kPackage, 1000, milliseconds(1))}));
  std::vector<std::thread> users;
  for (const char* name : {"alice", "bob"}) {
    users.emplace_back([&, name] {
      Client client = ConnectAs(name);
      const auto status = Conversation(std::vector<Bytes>(100, FakeQuery(10, 1000))).Run(client);
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(client.Describe()->packages[0].images_remaining, 0u);
    });
  }
  for (auto& user : users) user.join();
}

TEST_F(EvaluateTest, BoundsTheStreams) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.max_streams = 3;
  options.max_streams_per_user = 2;
  StartServer(std::move(options));
  // A stream counts once the owner has seen it, and it has when it has answered.
  std::vector<std::unique_ptr<RawStream>> open;
  for (int i = 0; i < 2; ++i) {
    open.push_back(OpenRawStream());
    v1::EvaluateRequest request;
    request.set_package_id(kPackage);
    request.set_query(std::string(1, '\1'));
    v1::EvaluateReply reply;
    ASSERT_TRUE(open.back()->stream->Write(request) && open.back()->stream->Read(&reply));
  }
  Client alice = ConnectAs("alice"), bob = ConnectAs("bob", {.window = 1});
  const auto refused = [](Client& client) {
    Conversation conversation({FakeQuery(1)});
    conversation.deadline = milliseconds(300);
    return conversation.Run(client);
  };
  const auto third = refused(alice);
  EXPECT_EQ(third.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(third), HasSubstr("2 streams of this user are open"));
  // Bob's first stream is the third of three; within it, his second is one too many.
  Conversation outer({FakeQuery(1), FakeQuery(1)});
  outer.after_reply = [&](size_t replies) {
    if (replies != 1) return;
    const auto busy = refused(bob);
    EXPECT_EQ(busy.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Message(busy), HasSubstr("the owner is busy: 3 streams are open"));
  };
  EXPECT_TRUE(outer.Run(bob).ok());
  for (auto& raw : open) raw->context.TryCancel();
}

// Six users at once where two have room: all are answered, each image is charged once, and each is told once at most.
TEST_F(EvaluateTest, UsersWaitForABusyOwner) {
  auto options = Options({FakePackage(kPackage, 1000, milliseconds(30))});
  options.max_streams = options.max_streams_per_user = 2;
  StartServer(std::move(options));
  std::atomic<int> told = 0;
  std::vector<std::thread> users;
  for (int i = 0; i < 6; ++i) {
    users.emplace_back([&] {
      int here = 0;
      ClientOptions client_options;
      client_options.on_busy = [&](const std::string& why) {
        EXPECT_THAT(why, HasSubstr("2 streams are open"));
        ++here;
      };
      Client client = ConnectAs("alice", client_options);
      const auto status = Conversation(std::vector<Bytes>(5, FakeQuery(10, 1000))).Run(client);
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_LE(here, 1);
      told += here;
    });
  }
  for (auto& user : users) user.join();
  EXPECT_GE(told, 1);
  EXPECT_EQ(ConnectAs("alice").Describe()->packages[0].images_remaining, 1000u - 6 * 5 * 10);
}

TEST_F(EvaluateTest, WaitingForABusyOwnerCanBeInterrupted) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.max_streams = 1;
  StartServer(std::move(options));
  Client bob = ConnectAs("bob");
  Conversation outer({FakeQuery(1), FakeQuery(1)});
  outer.after_reply = [&](size_t replies) {
    if (replies != 1) return;
    std::atomic<bool> waiting = false;
    ClientOptions client_options;
    client_options.on_busy = [&](const std::string&) { waiting = true; };
    client_options.go_on = [&] { return !waiting; };
    Client alice = ConnectAs("alice", client_options);
    EXPECT_EQ(Conversation({FakeQuery(1)}).Run(alice).code(), absl::StatusCode::kCancelled);
  };
  EXPECT_TRUE(outer.Run(bob).ok());
}

class SlowSink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg&) override { std::this_thread::sleep_for(milliseconds(300)); }
  void flush_() override {}
};

// What a user sees the end of makes room for another, however long its line in the log takes.
TEST_F(EvaluateTest, AnEndedStreamMakesRoomAtOnce) {
  auto options = Options({FakePackage(kPackage, 1000)});
  options.max_streams = options.max_streams_per_user = 1;
  options.logger->sinks().push_back(std::make_shared<SlowSink>());
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  for (int i = 0; i < 3; ++i) {
    const auto status = Conversation({FakeQuery(1)}).Run(alice);
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_TRUE(server_->Shutdown(milliseconds(5000)).ok());
  const std::string log = log_.text();
  size_t lines = 0;
  for (size_t at = 0; (at = log.find("evaluate user=alice", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 3u) << log;
}

// Flow control stops the owner in the middle of a reply.
TEST_F(EvaluateTest, UsersThatTakeNoReplyDoNotHoldStreams) {
  auto package = FakePackage(kPackage, 1000);
  package.answer = [](auto) { return absl::StatusOr<Bytes>(Bytes(10'000'000)); };
  auto options = Options({package});
  options.idle_timeout = milliseconds(1000);
  StartServer(std::move(options));
  const auto raw = OpenRawStream();
  v1::EvaluateRequest request;
  request.set_package_id(kPackage);
  request.set_query(std::string(1, '\1'));
  ASSERT_TRUE(raw->stream->Write(request));
  EXPECT_TRUE(log_.WaitFor("bytes_out=10000000"));
  EXPECT_THAT(log_.text(), HasSubstr("outcome=CANCELLED"));
}

}  // namespace
}  // namespace privdnn
