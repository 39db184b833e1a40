// An owner in this process, for tests and notebooks. This protects nothing: the caller could read the keys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "privdnn/party/owner.h"
#include "privdnn/pipeline/transport.h"

namespace privdnn {

// Calls an Owner directly, one query at a time. Counts the package's budget as a server does, but in memory: each new
// object starts with the full budget.
class InMemoryTransport final : public OwnerTransport {
 public:
  // `output_noise` perturbs replies (see Owner::Create). Spreads a message of several images over `threads` threads.
  static absl::StatusOr<std::unique_ptr<InMemoryTransport>> Create(OwnerKey key, double output_noise = 0,
                                                                   int threads = 1);

  const Owner& owner() const { return owner_; }

  const std::string& address() const override { return address_; }
  absl::StatusOr<OwnerDescription> Describe() override;
  absl::Status Evaluate(const std::string& package_id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                        std::chrono::milliseconds deadline) override;

 private:
  InMemoryTransport(Owner owner, double output_noise, int threads);
  // Charges the query's images, then answers it. The charge stays even if answering fails.
  absl::StatusOr<Bytes> Answer(std::span<const uint8_t> query, ReplyInfo& info);

  const std::string address_ = "the owner in memory";
  Owner owner_;
  double output_noise_;
  int threads_;
  std::vector<uint64_t> used_;  // images, for each segment
};

}  // namespace privdnn
