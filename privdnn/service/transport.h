// What client and server share of gRPC: addresses, status codes, certificates' names, logging.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <string>

#include "privdnn/base/status.h"

namespace privdnn {

// A peer that says nothing for kKeepaliveTime is asked for a sign of life, and given up kKeepaliveTimeout later.
inline constexpr std::chrono::milliseconds kKeepaliveTime{20'000};
inline constexpr std::chrono::milliseconds kKeepaliveTimeout{10'000};
// No deadline or timeout may be longer, so that sums of times cannot overflow.
inline constexpr std::chrono::milliseconds kMaxTimeout = std::chrono::hours(24 * 365);
// Room in a message for everything that is not the query or the reply, in bytes.
inline constexpr uint64_t kMessageOverheadBytes = 4096;
// More than this does not fit gRPC's 32-bit sizes.
inline constexpr uint64_t kLargestMessageBytes = uint64_t{1} << 30;

// InvalidArgument unless `address` is "host:port" or "[IPv6 address]:port" with a port of `lowest_port` to 65535. gRPC
// itself would also take URLs and Unix sockets.
absl::Status CheckAddress(const std::string& address, int lowest_port);

// Both use the same numbers and keep the message.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

// The name of the user whose verified certificate this connection was made with. Unauthenticated if the certificate is
// not meant for users or its name is none that IssueUser() gives.
absl::StatusOr<std::string> AuthenticatedUser(const grpc::AuthContext& context);

// gRPC writes its errors, also those a peer causes, to stderr. From the first call on they go to spdlog's default
// logger at level debug instead; they tell why a TLS handshake failed. With GRPC_VERBOSITY in the environment they are
// left as gRPC has them. Affects the whole process: gRPC has one log.
void ForwardGrpcLogs();

}  // namespace privdnn
