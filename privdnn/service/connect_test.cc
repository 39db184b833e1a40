// Who gets in, and what those are told who do not.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "privdnn/service/openssl_util.h"
#include "privdnn/service/privdnn.grpc.pb.h"
#include "privdnn/service/test_support.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class ConnectTest : public ServiceTest {
 protected:
  // What a client without our own checks meets.
  grpc::Status RawDescribe(const std::string& ca, const std::string& certificate, const std::string& key) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ca;
    options.pem_private_key = key;
    options.pem_cert_chain = certificate;
    const auto channel = grpc::CreateChannel(Address(), grpc::SslCredentials(options));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::DescribeReply reply;
    return v1::Owner::NewStub(channel)->Describe(&context, v1::DescribeRequest(), &reply);
  }
  absl::Status Connect(const TlsFiles& tls) { return Client::Connect(Address(), tls).status(); }
};

TEST_F(ConnectTest, DescribesWhatIsHosted) {
  FakeHosted perturbed = FakePackage(kOtherPackage, 5);
  perturbed.info.output_noise = 0.25;
  auto options = Options({perturbed, FakePackage(kPackage, 10)});
  options.max_message_bytes = 12'345;
  options.max_images_per_message = 67;
  StartServer(std::move(options));
  Client alice = ConnectAs("alice");
  ASSERT_TRUE(Conversation({FakeQuery(3)}).Run(alice).ok());
  const auto description = alice.Describe();
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_THAT(description->server_version, ::testing::MatchesRegex("[0-9]+[.][0-9]+[.][0-9]+"));
  EXPECT_EQ(description->user, "alice");
  EXPECT_EQ(description->max_message_bytes, 12'345u);
  EXPECT_EQ(description->max_images_per_message, 67u);
  ASSERT_EQ(description->packages.size(), 2u);
  EXPECT_EQ(description->packages[0].id, kPackage);
  EXPECT_EQ(description->packages[0].image_budget, 10u);
  EXPECT_EQ(description->packages[0].images_remaining, 7u);
  EXPECT_EQ(description->packages[1].images_remaining, 5u);
  EXPECT_EQ(description->packages[0].output_noise, 0);
  EXPECT_EQ(description->packages[1].output_noise, 0.25);
  EXPECT_EQ(ConnectAs("bob").Describe()->packages[0].images_remaining, 10u);
}

TEST_F(ConnectTest, UserRefusesAnOwnerOfAnotherAuthority) {
  StartServer();
  const TestAuthority other;
  const auto status = Connect(other.Tls("alice"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr(Address() + ": could not establish a TLS connection"));
  EXPECT_THAT(Message(status), HasSubstr("not of the authority in ca.crt"));
}

TEST_F(ConnectTest, OwnerRefusesForeignAndMissingCertificates) {
  StartServer();
  const TestAuthority other;
  const auto alice = authority_->Tls("alice"), mallory = other.Tls("alice");
  EXPECT_EQ(RawDescribe(alice.ca_pem, alice.certificate_pem, alice.key_pem).error_code(), grpc::StatusCode::OK);
  EXPECT_EQ(RawDescribe(alice.ca_pem, "", "").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(RawDescribe(alice.ca_pem, mallory.certificate_pem, mallory.key_pem).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  // Whoever holds a user's files of two authorities is told so before anything is sent.
  const auto status = Connect({.name = "alice",
                               .ca_pem = alice.ca_pem,
                               .certificate_pem = mallory.certificate_pem,
                               .key_pem = mallory.key_pem});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("alice.crt: the authority in ca.crt does not vouch for it"));
}

// An owner that trusts another authority than the one that issued its own certificate.
TEST_F(ConnectTest, UserHearsThatTheOwnerClosedTheConnection) {
  const TestAuthority other;
  grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  const auto owner = authority_->Tls("owner");
  ssl.pem_root_certs = other.Tls("owner").ca_pem;
  ssl.pem_key_cert_pairs.push_back({.private_key = owner.key_pem, .cert_chain = owner.certificate_pem});
  v1::Owner::Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(ssl), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto client = Client::Connect("127.0.0.1:" + std::to_string(port), authority_->Tls("alice"));
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(client.status()), HasSubstr("the owner closed the new connection"));
}

TEST_F(ConnectTest, CertificatesWorkForTheirPurposeOnly) {
  StartServer();
  const auto owner = authority_->Tls("owner");
  EXPECT_EQ(RawDescribe(owner.ca_pem, owner.certificate_pem, owner.key_pem).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(Message(Connect(owner)), HasSubstr("does not vouch for it as a user"));
  auto options = Options({});
  options.tls = authority_->Tls("alice");
  EXPECT_THAT(Message(Server::Start(std::move(options)).status()), HasSubstr("does not vouch for it as an owner"));
}

// Certificates that keygen does not make, from the right authority: TLS lets them pass.
TEST_F(ConnectTest, OwnerRefusesCertificatesThatDoNotNameAUser) {
  StartServer();
  const auto ca = authority_->Tls("alice").ca_pem;
  const auto ca_key = *ReadTextFile(authority_->path() / "ca.key", 1 << 16);
  const auto issuer = std::move(ParseCertificates(ca, "ca.crt")->front());
  const auto issuer_key = *ParsePrivateKey(ca_key, "ca.key");
  const auto describe = [&](const std::string& name, const char* usage) {
    const KeyPtr key(EVP_EC_gen("P-256"));
    const CertificatePtr certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    X509_set_pubkey(certificate.get(), key.get());
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1,
                               0);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    if (usage) {
      const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, usage));
      X509_add_ext(certificate.get(), extension.get(), -1);
    }
    X509_sign(certificate.get(), issuer_key.get(), EVP_sha256());
    return RawDescribe(ca, *CertificateToPem(certificate.get()), *PrivateKeyToPem(key.get())).error_code();
  };
  EXPECT_EQ(describe("carol", "clientAuth"), grpc::StatusCode::OK);
  EXPECT_EQ(describe("carol", nullptr), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(describe("carol", "clientAuth,serverAuth"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(describe("owner", "clientAuth"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(describe("carol\nlevel=error", "clientAuth"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(describe(std::string("alice\0x", 7), "clientAuth"), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ConnectTest, OwnerMustBeCalledByItsName) {
  auto options = Options({});
  options.listen_address = "127.0.0.2:0";  // loopback too, and not in the certificate
  StartServer(std::move(options));
  const auto client = Client::Connect("127.0.0.2:" + std::to_string(server_->Port()), authority_->Tls("alice"));
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(client.status()), HasSubstr("not for this host name"));
}

TEST_F(ConnectTest, AddressesAreCheckedAndNobodyMayListenThere) {
  const auto alice = authority_->Tls("alice");
  for (const char* bad : {"", "localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:12x", ":1",
                          "unix:/tmp/s:1", "dns:///a:1", "a b:1", "[::1:5", "http://a:1"}) {
    EXPECT_EQ(Client::Connect(bad, alice).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  StartServer();
  const std::string address = Address();
  ASSERT_TRUE(Client::Connect("localhost:" + std::to_string(server_->Port()), alice).ok());
  server_.reset();
  const auto client = Client::Connect(address, alice);
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(client.status()), HasSubstr(address + ": nobody listens there"));
}

// A listener that accepts nothing: the kernel completes the TCP handshake and nobody answers.
TEST_F(ConnectTest, ConnectingHasADeadline) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 5), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto client = Client::Connect("127.0.0.1:" + std::to_string(ntohs(address.sin_port)), authority_->Tls("alice"),
                                      {.connect_deadline = milliseconds(200)});
  EXPECT_EQ(client.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(client.status()), HasSubstr("no answer within 200 ms"));
  ::close(fd);
}

TEST_F(ConnectTest, StartRefusesBadOptions) {
  StartServer();
  const auto code = [&](auto change) {
    auto options = Options({FakePackage(kPackage, 1)});
    change(options);
    return Server::Start(std::move(options)).status().code();
  };
  using Code = absl::StatusCode;
  EXPECT_EQ(code([&](auto& o) { o.listen_address = Address(); }), Code::kUnavailable);  // in use
  EXPECT_EQ(code([](auto& o) { o.listen_address = "127.0.0.1"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.packages = {FakePackage("short", 1).Host()}; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.packages.push_back(o.packages[0]); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.packages[0] = nullptr; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_message_bytes = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_message_bytes = uint64_t{1} << 31; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_images_per_message = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.idle_timeout = milliseconds(0); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_streams = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.workers = -1; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.tls.key_pem = "nonsense"; }), Code::kFailedPrecondition);
  EXPECT_EQ(code([](auto& o) { o.ledger = nullptr; }), Code::kInvalidArgument);
  EXPECT_EQ(OpenSqliteLedger("/nonexistent/ledger").status().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace privdnn
