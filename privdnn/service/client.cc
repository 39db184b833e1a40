#include "privdnn/service/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <thread>
#include <utility>

#include "privdnn/base/random.h"
#include "privdnn/service/exchange.h"
#include "privdnn/service/privdnn.grpc.pb.h"
#include "privdnn/service/transport.h"

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMaxWindow = 64;

// Between two questions to a busy owner. It answers a stream within seconds, and a refusal costs it next to nothing.
constexpr milliseconds kFirstPause{100}, kLongestPause{5000};
// How long it may go unnoticed that waiting is to end.
constexpr milliseconds kGlance{50};

absl::Status CheckDeadline(std::chrono::milliseconds deadline) {
  if (deadline.count() >= 1 && deadline <= kMaxTimeout) return absl::OkStatus();
  return InvalidArgument("a deadline is {} ms, must be 1 to {}", deadline.count(), kMaxTimeout.count());
}

absl::Status CheckOptions(const ClientOptions& options) {
  if (options.window < 1 || options.window > kMaxWindow) {
    return InvalidArgument("window is {}, must be 1 to {}", options.window, kMaxWindow);
  }
  if (options.max_reply_bytes < 1 || options.max_reply_bytes > kLargestMessageBytes) {
    return InvalidArgument("max_reply_bytes is {}, must be 1 to {}", options.max_reply_bytes, kLargestMessageBytes);
  }
  return CheckDeadline(options.connect_deadline);
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsFiles& tls,
                                           const ClientOptions& options) {
  grpc::SslCredentialsOptions credentials;
  credentials.pem_root_certs = tls.ca_pem;
  credentials.pem_private_key = tls.key_pem;
  credentials.pem_cert_chain = tls.certificate_pem;

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_reply_bytes + kMessageOverheadBytes));
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // a query sent twice would be charged twice
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // one connection a client, with its own certificate
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepaliveTime.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveTimeout.count()));
  // The scheme keeps gRPC from reading a host as one ("unix:5001").
  return grpc::CreateCustomChannel("dns:///" + address, grpc::SslCredentials(credentials), arguments);
}

// What gRPC's words for a connection that did not come about mean, and what can be done about it.
struct ConnectFailure {
  const char* sign;  // part of gRPC's message
  const char* meaning;
};
// With TLS 1.3 the user's part of the handshake is over before the owner looks at the certificate, so that a refusal
// looks like a lost connection.
constexpr char kRefused[] =
    "the owner closed the new connection: it accepts only certificates of its own authority; check that ca.crt and the "
    "user's certificate are from this owner and that the certificate has not expired";
constexpr ConnectFailure kConnectFailures[] = {
    {"certificate verify failed",
     "could not establish a TLS connection: the owner's certificate is not of the authority in ca.crt, or not valid "
     "now; check that ca.crt is this owner's"},
    {"is not in peer certificate",
     "could not establish a TLS connection: the owner's certificate is not for this host name; use a name that it was "
     "issued for"},
    {"handshake failed", "could not establish a TLS connection: check that a privdnn owner listens there"},
    {"Socket closed", kRefused},
    {"Connection reset", kRefused},
    {"Broken pipe", kRefused},
    {"Connection refused", "nobody listens there: check the address, and that the owner's server runs"},
    {"DNS resolution failed", "the host is not known: check the address"},
};

absl::Status ConnectError(const std::string& address, const ClientOptions& options, const grpc::Status& status) {
  const std::string& why = status.error_message();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(
        fmt::format("{}: no answer within {} ms: {}", address, options.connect_deadline.count(), why));
  }
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE)
    return Annotate(FromGrpc(status), "the owner at " + address);
  for (const auto& failure : kConnectFailures) {
    if (why.find(failure.sign) != std::string::npos) return Unavailable("{}: {} ({})", address, failure.meaning, why);
  }
  return Unavailable("{}: could not connect: {}", address, why);
}

// Queries and replies of one Evaluate() call over several streams, of which all but the last were refused: queries that
// a refused stream took are sent again.
class Repeatable {
 public:
  Repeatable(const NextQueryFn& next_query, const OnReplyFn& on_reply) : next_query_(next_query), on_reply_(on_reply) {}

  absl::StatusOr<std::optional<Bytes>> Next() {
    if (sent_ < kept_.size()) return kept_[sent_++];
    PRIVDNN_ASSIGN_OR_RETURN(std::optional<Bytes> query, next_query_());
    if (query && !answered_) kept_.push_back(*query);
    sent_ = kept_.size();
    return query;
  }
  absl::Status OnReply(uint64_t sequence, Bytes reply, const ReplyInfo& info) {
    answered_ = true;
    kept_.clear();
    sent_ = 0;
    return on_reply_(sequence, std::move(reply), info);
  }
  // Whether nothing has been answered, so that all of it may be sent again.
  bool Rewind() {
    sent_ = 0;
    return !answered_;
  }

 private:
  const NextQueryFn& next_query_;
  const OnReplyFn& on_reply_;
  std::deque<Bytes> kept_;  // until the first reply: what the window holds
  size_t sent_ = 0;         // of `kept_`, on the present stream
  bool answered_ = false;
};

// Half of `pause` to all of it, so that those who were refused together don't come again together.
milliseconds Jittered(milliseconds pause) {
  uint64_t word = 0;
  SystemRandom().Fill(std::span(&word, 1));
  return pause / 2 + milliseconds(static_cast<int64_t>(word % static_cast<uint64_t>(pause.count() / 2 + 1)));
}

// False if it was ended by `go_on`.
bool Sleep(milliseconds pause, const GoOnFn& go_on) {
  for (const auto end = Clock::now() + pause; Clock::now() < end;) {
    if (!GoesOn(go_on)) return false;
    std::this_thread::sleep_for(std::min<Clock::duration>(kGlance, end - Clock::now()));
  }
  return GoesOn(go_on);
}

}  // namespace

struct Client::Impl {
  std::string address;
  ClientOptions options;
  std::unique_ptr<v1::Owner::Stub> stub;
  uint64_t max_query_bytes = 0;

  grpc::Status CallDescribe(v1::DescribeReply& reply) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + options.connect_deadline);
    return stub->Describe(&context, v1::DescribeRequest(), &reply);
  }
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<Client> Client::Connect(const std::string& address, const TlsFiles& tls, const ClientOptions& options) {
  ForwardGrpcLogs();
  PRIVDNN_RETURN_IF_ERROR(CheckAddress(address, 1));
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(options));
  PRIVDNN_RETURN_IF_ERROR(CheckTlsFiles(tls, TlsRole::kUser));
  auto impl = std::make_unique<Impl>();
  impl->address = address;
  impl->options = options;
  impl->stub = v1::Owner::NewStub(MakeChannel(address, tls, options));
  v1::DescribeReply reply;
  const grpc::Status status = impl->CallDescribe(reply);
  if (!status.ok()) return ConnectError(address, options, status);
  impl->max_query_bytes = reply.max_message_bytes();
  return Client(std::move(impl));
}

absl::StatusOr<OwnerDescription> Client::Describe() {
  v1::DescribeReply reply;
  const grpc::Status status = impl_->CallDescribe(reply);
  if (!status.ok()) return Annotate(FromGrpc(status), "the owner at " + impl_->address);
  OwnerDescription description{.server_version = reply.server_version(),
                               .user = reply.user(),
                               .max_message_bytes = reply.max_message_bytes(),
                               .max_images_per_message = reply.max_images_per_message(),
                               .packages = {}};
  for (const auto& package : reply.packages()) {
    if (!std::isfinite(package.output_noise()) || package.output_noise() < 0) {
      return FailedPrecondition("the owner at {}: announces an output noise of {}", impl_->address,
                                package.output_noise());
    }
    description.packages.push_back(
        {package.id(), package.image_budget(), package.images_remaining(), package.output_noise()});
  }
  return description;
}

absl::Status Client::Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                              std::chrono::milliseconds deadline) {
  PRIVDNN_RETURN_IF_ERROR(CheckDeadline(deadline));
  const ClientOptions& options = impl_->options;
  const auto end = Clock::now() + deadline;
  Repeatable conversation(next_query, on_reply);
  const auto next = [&] { return conversation.Next(); };
  const auto reply = [&](uint64_t sequence, Bytes bytes, const ReplyInfo& info) {
    return conversation.OnReply(sequence, std::move(bytes), info);
  };
  for (milliseconds pause = kFirstPause, left = deadline;; pause = std::min(2 * pause, kLongestPause)) {
    Exchange exchange(*impl_->stub, {.address = impl_->address,
                                     .package_id = package_id,
                                     .window = options.window,
                                     .deadline = left,
                                     .max_query_bytes = impl_->max_query_bytes});
    const absl::Status status = exchange.Run(next, reply);
    if (!IsBusy(status)) return status;
    const std::string why = fmt::format("{}: {}", impl_->address, Message(status));
    if (!conversation.Rewind()) return absl::InternalError(why + ", after it has answered");
    if (pause == kFirstPause) Note(options.on_busy, why + "; waiting for it");
    const milliseconds wait = Jittered(pause);
    left = std::chrono::duration_cast<milliseconds>(end - Clock::now()) - wait;
    if (left < milliseconds(1)) {
      return absl::DeadlineExceededError(fmt::format("{}; no room within {} ms", why, deadline.count()));
    }
    if (!Sleep(wait, options.go_on)) return absl::CancelledError("interrupted");
  }
}

}  // namespace privdnn
