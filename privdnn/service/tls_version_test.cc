// Which versions of TLS the server accepts and the client offers: 1.2 and 1.3. The other side is OpenSSL, made to speak
// any version, so that what refuses is ours.
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "privdnn/service/openssl_util.h"
#include "privdnn/service/test_support.h"

namespace privdnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ContextPtr = std::unique_ptr<SSL_CTX, OpenSslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslDeleter<SSL_free>>;

// How a handshake ended on one side.
struct Handshake {
  int version = 0;  // that was agreed on; 0: none
  int reason = 0;   // OpenSSL's, of the failure
};

int ChooseHttp2(SSL*, const unsigned char** out, unsigned char* length, const unsigned char*, unsigned, void*) {
  *out = reinterpret_cast<const unsigned char*>("h2");
  *length = 2;
  return SSL_TLSEXT_ERR_OK;
}

// One identity, versions from `lowest` to `highest`. At OpenSSL's security level 0: the system's would keep it from
// speaking versions before 1.2.
ContextPtr MakeContext(const SSL_METHOD* method, const TlsFiles& tls, int lowest, int highest) {
  ContextPtr context(SSL_CTX_new(method));
  EXPECT_EQ(SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0"), 1);
  EXPECT_EQ(SSL_CTX_set_min_proto_version(context.get(), lowest), 1);
  EXPECT_EQ(SSL_CTX_set_max_proto_version(context.get(), highest), 1);
  EXPECT_EQ(SSL_CTX_use_certificate(context.get(), ParseCertificates(tls.certificate_pem, "certificate")->at(0).get()),
            1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), ParsePrivateKey(tls.key_pem, "key")->get()), 1);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  EXPECT_EQ(SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof(kHttp2)), 0);
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseHttp2, nullptr);
  return context;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Closes when it goes. Reads and writes give up after ten seconds.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }
  Socket() : Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd_); }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Handshake Perform(SSL_CTX& context, int fd, int (*handshake)(SSL*)) {
  const SslPtr ssl(SSL_new(&context));
  SSL_set_fd(ssl.get(), fd);
  ERR_clear_error();
  if (handshake(ssl.get()) != 1) return {.reason = ERR_GET_REASON(ERR_peek_error())};
  return {.version = SSL_version(ssl.get())};
}

Handshake ConnectTo(int port, SSL_CTX& context) {
  const Socket socket;
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return Perform(context, socket.fd(), SSL_connect);
}

// An OpenSSL server on loopback that shakes hands once, and keeps the versions that the client offers.
class OneHandshake {
 public:
  OneHandshake(const TlsFiles& owner, int lowest, int highest)
      : context_(MakeContext(TLS_server_method(), owner, lowest, highest)) {
    SSL_CTX_set_client_hello_cb(context_.get(), KeepOffers, this);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.fd(), 5), 0);
    EXPECT_EQ(::getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    outcome_ = std::async(std::launch::async, [this] {
      const Socket connection(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));  // SO_RCVTIMEO holds here too
      return Perform(*context_, connection.fd(), SSL_accept);
    });
  }
  int port() const { return port_; }
  Handshake Outcome() { return outcome_.get(); }
  // To be read after Outcome().
  const std::vector<int>& offers() const { return offers_; }

 private:
  static int KeepOffers(SSL* ssl, int*, void* self) {
    const unsigned char* data = nullptr;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &size) == 1) {
      for (size_t i = 1; i + 1 < size; i += 2) {  // behind the list's length
        static_cast<OneHandshake*>(self)->offers_.push_back(data[i] << 8 | data[i + 1]);
      }
    }
    return SSL_CLIENT_HELLO_SUCCESS;
  }

  const ContextPtr context_;
  const Socket listener_;
  int port_ = 0;
  std::vector<int> offers_;
  std::future<Handshake> outcome_;
};

class TlsVersionTest : public ServiceTest {
 protected:
  TlsVersionTest() { ::signal(SIGPIPE, SIG_IGN); }  // OpenSSL writes alerts to peers that are gone
};

TEST_F(TlsVersionTest, TheServerAcceptsTls12And13Only) {
  StartServer();
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    const auto client = MakeContext(TLS_client_method(), authority_->Tls("alice"), version, version);
    // The client does speak this version, to a server that takes it.
    OneHandshake any(authority_->Tls("owner"), TLS1_VERSION, TLS1_3_VERSION);
    EXPECT_EQ(ConnectTo(any.port(), *client).version, version);
    EXPECT_EQ(any.Outcome().version, version);

    const Handshake ours = ConnectTo(server_->Port(), *client);
    EXPECT_EQ(ours.version, version >= TLS1_2_VERSION ? version : 0);
  }
  Client alice = ConnectAs("alice");
  EXPECT_TRUE(Conversation({FakeQuery(1)}).Run(alice).ok());
}

TEST_F(TlsVersionTest, TheClientOffersTls12And13Only) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    OneHandshake server(authority_->Tls("owner"), version, version);
    const auto client = Client::Connect("127.0.0.1:" + std::to_string(server.port()), authority_->Tls("alice"));
    const Handshake outcome = server.Outcome();
    EXPECT_THAT(server.offers(), ElementsAre(TLS1_3_VERSION, TLS1_2_VERSION));
    EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);  // also since no owner is behind a handshake
    if (version >= TLS1_2_VERSION) {
      EXPECT_EQ(outcome.version, version);
    } else {
      EXPECT_EQ(outcome.version, 0);
      EXPECT_EQ(outcome.reason, SSL_R_UNSUPPORTED_PROTOCOL);
      EXPECT_THAT(Message(client.status()), HasSubstr("could not establish a TLS connection"));
    }
  }
}

}  // namespace
}  // namespace privdnn
