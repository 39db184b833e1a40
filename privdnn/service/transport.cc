#include "privdnn/service/transport.h"

#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>

#include "privdnn/service/pki.h"

namespace privdnn {
namespace {

constexpr char kBusyDetails[] = "busy";
constexpr char kBusyPayload[] = "privdnn/busy";

bool IsHost(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [&](unsigned char c) {
    return bracketed ? std::isxdigit(c) || c == ':' || c == '.' : std::isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

spdlog::logger* GrpcLogger() {
  // Never destroyed: gRPC's threads may outlive main().
  static const auto* logger = new std::shared_ptr<spdlog::logger>(spdlog::default_logger());
  return logger->get();
}

void ForwardGrpcLog(gpr_log_func_args* args) { GrpcLogger()->debug("gRPC: {}", args->message); }

}  // namespace

absl::Status CheckAddress(const std::string& address, int lowest_port) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos && IsHost(std::string_view(address).substr(0, colon))) {
    const char* end = address.data() + address.size();
    const auto [parsed, error] = std::from_chars(address.data() + colon + 1, end, port);
    if (error != std::errc() || parsed != end) port = -1;
  }
  if (port >= lowest_port && port <= 65'535) return absl::OkStatus();
  return InvalidArgument("address '{}': must be host:port or [IPv6 address]:port with a port of {} to 65535", address,
                         lowest_port);
}

absl::Status Busy(const std::string& why) {
  absl::Status status = absl::UnavailableError(why);
  status.SetPayload(kBusyPayload, {});
  return status;
}
bool IsBusy(const absl::Status& status) { return status.GetPayload(kBusyPayload).has_value(); }

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details() == kBusyDetails) {
    return Busy(status.error_message());
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}
grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Message(status),
                      IsBusy(status) ? kBusyDetails : "");
}

absl::StatusOr<std::string> AuthenticatedUser(const grpc::AuthContext& context) {
  const auto certificates = context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (certificates.size() != 1) return absl::UnauthenticatedError("no client certificate");
  const auto info = ReadCertificate(std::string(certificates[0].data(), certificates[0].size()));
  if (!info.ok()) return absl::UnauthenticatedError("the client certificate could not be read");
  // TLS has checked the purpose too, but takes a certificate that states none.
  if (!info->client_auth || info->server_auth || info->authority) {
    return absl::UnauthenticatedError("the client certificate is not a user's");
  }
  if (!CheckUserName(info->common_name).ok()) {
    return absl::UnauthenticatedError("the client certificate does not name a user");
  }
  return info->common_name;
}

void ForwardGrpcLogs() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (std::getenv("GRPC_VERBOSITY")) return;
    GrpcLogger();
    gpr_set_log_function(ForwardGrpcLog);
  });
}

}  // namespace privdnn
