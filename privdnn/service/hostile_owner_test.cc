// What the user's client makes of an owner that does not keep to the protocol.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <cmath>

#include "privdnn/service/privdnn.grpc.pb.h"
#include "privdnn/service/test_support.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using Stream = grpc::ServerReaderWriter<v1::EvaluateReply, v1::EvaluateRequest>;

class HostileOwner final : public v1::Owner::Service {
 public:
  HostileOwner(const TlsFiles& tls, std::function<grpc::Status(Stream&)> behave) : behave_(std::move(behave)) {
    grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    ssl.pem_root_certs = tls.ca_pem;
    ssl.pem_key_cert_pairs.push_back({.private_key = tls.key_pem, .cert_chain = tls.certificate_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(ssl), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  double output_noise = 0;  // that it announces

 private:
  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRequest*, v1::DescribeReply* reply) override {
    reply->set_max_message_bytes(1'000'000);
    reply->add_packages()->set_output_noise(output_noise);
    return grpc::Status::OK;
  }
  grpc::Status Evaluate(grpc::ServerContext*, Stream* stream) override { return behave_(*stream); }

  const std::function<grpc::Status(Stream&)> behave_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class HostileOwnerTest : public ServiceTest {
 protected:
  // Ten queries to an owner that behaves like this; `replies_` counts what came back.
  absl::Status Evaluate(std::function<grpc::Status(Stream&)> behave, const ClientOptions& options = {},
                        milliseconds deadline = milliseconds(10'000)) {
    const HostileOwner owner(authority_->Tls("owner"), std::move(behave));
    auto client = Client::Connect(owner.Address(), authority_->Tls("alice"), options);
    if (!client.ok()) return client.status();
    Conversation conversation(std::vector<Bytes>(10, FakeQuery(1)));
    conversation.deadline = deadline;
    const absl::Status status = conversation.Run(*client);
    replies_ = conversation.replies;
    return status;
  }
  static bool AnswerOne(Stream& stream, uint64_t sequence) {
    v1::EvaluateRequest request;
    if (!stream.Read(&request)) return false;
    const Bytes reply = FakeReply(Bytes(request.query().begin(), request.query().end()));
    v1::EvaluateReply message;
    message.set_sequence(sequence);
    message.set_reply(reply.data(), reply.size());
    return stream.Write(message);
  }
  size_t replies_ = 0;
};

TEST_F(HostileOwnerTest, HonestBehaviourPasses) {
  const auto status = Evaluate([](Stream& stream) {
    for (uint64_t i = 0; AnswerOne(stream, i);) ++i;
    return grpc::Status::OK;
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(HostileOwnerTest, AnnouncesNoiseThatIsNone) {
  HostileOwner owner(authority_->Tls("owner"), [](Stream&) { return grpc::Status::OK; });
  Client client = *Client::Connect(owner.Address(), authority_->Tls("alice"));
  for (const double noise : {-1.0, double{NAN}, double{INFINITY}}) {
    owner.output_noise = noise;
    EXPECT_THAT(Message(client.Describe().status()), HasSubstr("announces an output noise of")) << noise;
  }
  owner.output_noise = 0.5;
  EXPECT_EQ(client.Describe()->packages[0].output_noise, 0.5);
}

TEST_F(HostileOwnerTest, WrongSequenceNumbers) {
  const auto status = Evaluate([](Stream& stream) {
    AnswerOne(stream, 0);
    AnswerOne(stream, 2);
    return grpc::Status::OK;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr("reply 2 came where 1 was expected"));
  EXPECT_EQ(replies_, 1u);
}

TEST_F(HostileOwnerTest, RepliesWithoutQueries) {
  const auto status = Evaluate([](Stream& stream) {
    v1::EvaluateReply message;
    const Bytes reply = FakeReply(FakeQuery(1));
    message.set_reply(reply.data(), reply.size());
    for (uint64_t i = 0; stream.Write(message); message.set_sequence(++i)) {  // until the user cancels
    }
    return grpc::Status::OK;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr("came before its query was sent"));
  EXPECT_LE(replies_, 10u);
}

TEST_F(HostileOwnerTest, EndsTooEarly) {
  const auto status = Evaluate([](Stream& stream) {
    AnswerOne(stream, 0);
    return grpc::Status::OK;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("ended the stream after 1 of"));
}

TEST_F(HostileOwnerTest, RepliesThatAreTooLong) {
  const auto status = Evaluate(
      [](Stream& stream) {
        v1::EvaluateRequest request;
        stream.Read(&request);
        v1::EvaluateReply reply;
        reply.set_reply(std::string(2'000'000, 'x'));
        stream.Write(reply);
        while (stream.Read(&request)) {
        }
        return grpc::Status::OK;
      },
      {.max_reply_bytes = 1'000'000});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(replies_, 0u);
}

TEST_F(HostileOwnerTest, NeverAnswers) {
  const auto status = Evaluate(
      [](Stream& stream) {
        v1::EvaluateRequest request;
        while (stream.Read(&request)) {
        }
        return grpc::Status::OK;
      },
      {}, milliseconds(200));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace privdnn
