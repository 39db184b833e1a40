#include "privdnn/service/server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "privdnn/service/evaluate_stream.h"
#include "privdnn/service/package_host.h"
#include "privdnn/service/privdnn.grpc.pb.h"
#include "privdnn/service/transport.h"
#include "privdnn/service/worker_pool.h"

namespace privdnn {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kHandshakeTimeout{10'000};
constexpr milliseconds kConnectionIdleTimeout{600'000};
constexpr int kMaxMetadataBytes = 8192;
constexpr int kMaxStreams = 10'000;
constexpr int kMaxWorkers = 1024;

absl::Status CheckOptions(const ServerOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(CheckAddress(options.listen_address, 0));
  PRIVDNN_RETURN_IF_ERROR(CheckTlsFiles(options.tls, TlsRole::kOwner));
  if (options.idle_timeout < milliseconds(1) || options.idle_timeout > kMaxTimeout) {
    return InvalidArgument("idle_timeout is {} ms, must be 1 to {}", options.idle_timeout.count(), kMaxTimeout.count());
  }
  if (options.max_streams < 1 || options.max_streams > kMaxStreams || options.max_streams_per_user < 1) {
    return InvalidArgument("max_streams is {} and max_streams_per_user {}, must be 1 to {}", options.max_streams,
                           options.max_streams_per_user, kMaxStreams);
  }
  if (options.workers < 0 || options.workers > kMaxWorkers) {
    return InvalidArgument("workers is {}, must be 0 to {}", options.workers, kMaxWorkers);
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const TlsFiles& tls) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls.ca_pem;
  options.pem_key_cert_pairs.push_back({.private_key = tls.key_pem, .cert_chain = tls.certificate_pem});
  return grpc::SslServerCredentials(options);
}

// Limits that gRPC enforces before any of our code sees a byte.
void Configure(grpc::ServerBuilder& builder, const ServerOptions& options) {
  const auto message = options.max_message_bytes + kMessageOverheadBytes;
  builder.SetMaxReceiveMessageSize(static_cast<int>(message));
  builder.SetMaxSendMessageSize(static_cast<int>(message));
  grpc::ResourceQuota quota("privdnn");
  quota.Resize((uint64_t{64} << 20) + static_cast<uint64_t>(options.max_streams) * 4 * message);
  builder.SetResourceQuota(quota);
  // Two owners on one port would share it by default, and users would meet either.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Beyond our own limit, so that it is ours that is met and that explains itself.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 2 * options.max_streams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, static_cast<int>(kHandshakeTimeout.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(kConnectionIdleTimeout.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepaliveTime.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveTimeout.count()));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>(kKeepaliveTime.count() / 2));
}

}  // namespace

struct Server::Impl final : public v1::Owner::CallbackService {
  Impl(ServerOptions o, std::shared_ptr<spdlog::logger> l, std::unique_ptr<PackageHost> h, int threads)
      : options(std::move(o)),
        logger(std::move(l)),
        host(std::move(h)),
        registry(options.max_streams, options.max_streams_per_user, options.idle_timeout) {
    workers.emplace(threads);
  }

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context, const v1::DescribeRequest*,
                                     v1::DescribeReply* reply) override;
  grpc::ServerBidiReactor<v1::EvaluateRequest, v1::EvaluateReply>* Evaluate(
      grpc::CallbackServerContext* context) override;
  absl::Status FillDescription(const grpc::AuthContext& auth, v1::DescribeReply& reply) const;
  absl::Status ShutdownOnce(milliseconds patience);

  const ServerOptions options;
  const std::shared_ptr<spdlog::logger> logger;
  const std::unique_ptr<PackageHost> host;
  StreamRegistry registry;
  std::optional<WorkerPool> workers;
  std::unique_ptr<grpc::Server> server;
  int port = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool shutdown_begun = false;
  std::optional<absl::Status> shutdown_result;
};

absl::Status Server::Impl::FillDescription(const grpc::AuthContext& auth, v1::DescribeReply& reply) const {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string user, AuthenticatedUser(auth));
  PRIVDNN_ASSIGN_OR_RETURN(const auto offers, host->Offers(user));
  reply.set_server_version(PRIVDNN_VERSION);
  reply.set_user(user);
  reply.set_max_message_bytes(host->limits().max_message_bytes);
  reply.set_max_images_per_message(host->limits().max_images_per_message);
  for (const auto& offer : offers) {
    v1::Package& package = *reply.add_packages();
    package.set_id(offer.id);
    package.set_image_budget(offer.image_budget);
    package.set_images_remaining(offer.images_remaining);
    package.set_output_noise(offer.output_noise);
  }
  return absl::OkStatus();
}

// Answered in gRPC's own thread: a few reads of the ledger, and users should not wait behind the answers of others.
grpc::ServerUnaryReactor* Server::Impl::Describe(grpc::CallbackServerContext* context, const v1::DescribeRequest*,
                                                 v1::DescribeReply* reply) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(FillDescription(*context->auth_context(), *reply)));
  return reactor;
}

grpc::ServerBidiReactor<v1::EvaluateRequest, v1::EvaluateReply>* Server::Impl::Evaluate(
    grpc::CallbackServerContext* context) {
  const StreamEnvironment environment{*host, *workers, registry, *logger};
  return EvaluateStream::Begin(environment, AuthenticatedUser(*context->auth_context()), context).get();
}

absl::Status Server::Impl::ShutdownOnce(milliseconds patience) {
  logger->info("shutting down");
  registry.Drain();
  if (!registry.WaitUntilEmpty(std::min(patience, kMaxTimeout))) registry.CutOffAll();
  server->Shutdown(std::chrono::system_clock::now());
  server->Wait();
  workers.reset();
  const absl::Status closed = host->Close();
  if (!closed.ok()) logger->error("closing the ledger: {}", closed.ToString());
  logger->info("shut down");
  return closed;
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  ForwardGrpcLogs();
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(options));
  auto logger = options.logger ? options.logger : spdlog::default_logger();
  PRIVDNN_ASSIGN_OR_RETURN(auto host, PackageHost::Create(options, logger));
  const int threads =
      options.workers ? options.workers : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(logger), std::move(host), threads);

  grpc::ServerBuilder builder;
  Configure(builder, impl->options);
  builder.AddListeningPort(impl->options.listen_address, Credentials(impl->options.tls), &impl->port);
  builder.RegisterService(impl.get());
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port == 0) {
    return Unavailable("cannot listen on {}: the address is in use or not this machine's",
                       impl->options.listen_address);
  }
  impl->logger->info("listening on {} (port {}) with {} packages", impl->options.listen_address, impl->port,
                     impl->options.packages.size());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { (void)Shutdown(milliseconds(0)); }

int Server::Port() const { return impl_->port; }

absl::Status Server::Shutdown(milliseconds patience) {
  std::unique_lock lock(impl_->mutex);
  if (std::exchange(impl_->shutdown_begun, true)) {
    impl_->changed.wait(lock, [this] { return impl_->shutdown_result.has_value(); });
    return *impl_->shutdown_result;
  }
  lock.unlock();
  absl::Status result = impl_->ShutdownOnce(patience);
  lock.lock();
  impl_->shutdown_result = result;
  impl_->changed.notify_all();
  return result;
}

void Server::Wait() {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return impl_->shutdown_result.has_value(); });
}

}  // namespace privdnn
