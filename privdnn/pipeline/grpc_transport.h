// Reaches an owner by gRPC over TLS.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "privdnn/pipeline/transport.h"
#include "privdnn/service/client.h"

namespace privdnn {

class GrpcTransport final : public OwnerTransport {
 public:
  // Connects with a user's certificate. Returns the errors of Client::Connect.
  static absl::StatusOr<std::unique_ptr<GrpcTransport>> Connect(const std::string& address, const TlsFiles& tls,
                                                                const ClientOptions& options = {});

  const std::string& address() const override { return address_; }
  absl::StatusOr<OwnerDescription> Describe() override { return client_.Describe(); }
  absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                        std::chrono::milliseconds deadline) override {
    return client_.Evaluate(package_id, next_query, on_reply, deadline);
  }

 private:
  GrpcTransport(std::string address, Client client) : address_(std::move(address)), client_(std::move(client)) {}
  std::string address_;
  Client client_;
};

}  // namespace privdnn
