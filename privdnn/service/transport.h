// The gRPC code that client and server share: addresses, status codes, certificates' names, logging.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <string>

#include "privdnn/base/status.h"

namespace privdnn {

// A peer that is silent for kKeepaliveTime is pinged. If it doesn't answer within kKeepaliveTimeout, the connection is
// closed.
inline constexpr std::chrono::milliseconds kKeepaliveTime{20'000};
inline constexpr std::chrono::milliseconds kKeepaliveTimeout{10'000};
// The longest deadline or timeout. The bound keeps sums of times from overflowing.
inline constexpr std::chrono::milliseconds kMaxTimeout = std::chrono::hours(24 * 365);
// Bytes in a message for everything except the query or the reply.
inline constexpr uint64_t kMessageOverheadBytes = 4096;
// The largest message. Larger ones do not fit gRPC's 32-bit sizes.
inline constexpr uint64_t kLargestMessageBytes = uint64_t{1} << 30;

// Fails with InvalidArgument unless `address` is "host:port" or "[IPv6 address]:port" with a port of `lowest_port` to
// 65535. gRPC itself would also accept URLs and Unix sockets.
absl::Status CheckAddress(const std::string& address, int lowest_port);

// The answer of an owner that has no room for another stream: Unavailable, and marked. It has charged nothing, so the
// same queries may be sent again. The mark survives FromGrpc and ToGrpc, as the status's details "busy".
absl::Status Busy(const std::string& why);
bool IsBusy(const absl::Status& status);

// Convert a status; codes have the same numbers in both types. Keep the message, and the mark of Busy.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

// Returns the name in the user's verified certificate. Fails with Unauthenticated if the certificate is not meant for
// users or has a name that IssueUser() can't give.
absl::StatusOr<std::string> AuthenticatedUser(const grpc::AuthContext& context);

// Sends gRPC's errors to spdlog's default logger, at level debug, from the first call on. By default gRPC writes its
// errors to stderr, even those that a peer causes. They tell why a TLS handshake failed. If GRPC_VERBOSITY is set in
// the environment, does nothing. Affects the whole process, since gRPC has one log.
void ForwardGrpcLogs();

}  // namespace privdnn
