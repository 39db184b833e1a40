#include "privdnn/pipeline/in_memory_transport.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t NsSince(Clock::time_point start) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(Clock::now() - start).count());
}

}  // namespace

absl::StatusOr<std::unique_ptr<InMemoryTransport>> InMemoryTransport::Create(OwnerKey key, double output_noise,
                                                                             int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(Owner owner, Owner::Create(std::move(key), output_noise));
  return std::unique_ptr<InMemoryTransport>(new InMemoryTransport(std::move(owner), output_noise, threads));
}

InMemoryTransport::InMemoryTransport(Owner owner, double output_noise, int threads)
    : owner_(std::move(owner)), output_noise_(output_noise), threads_(threads), used_(owner_.num_segments(), 0) {}

absl::StatusOr<OwnerDescription> InMemoryTransport::Describe() {
  const uint64_t budget = owner_.image_budget();
  return OwnerDescription{.server_version = "in memory",
                          .user = owner_.user(),
                          .max_message_bytes = UINT64_MAX,
                          .max_images_per_message = kMaxImagesPerMessage,
                          .packages = {{.id = HexEncode(owner_.package_id()),
                                        .image_budget = budget,
                                        .images_remaining = budget - std::ranges::max(used_),
                                        .output_noise = output_noise_}}};
}

absl::StatusOr<Bytes> InMemoryTransport::Answer(std::span<const uint8_t> query, ReplyInfo& info) {
  PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header, owner_.Peek(query));
  uint64_t& used = used_[header.segment];
  const uint64_t left = owner_.image_budget() - used;
  if (header.images > left) {
    return ResourceExhausted("{} of the {} images allowed are used, {} more would exceed that", used,
                             owner_.image_budget(), header.images);
  }
  used += header.images;
  info.images_remaining = left - header.images;
  const auto start = Clock::now();
  SystemRandom random;
  auto reply = owner_.Answer(query, random, threads_);
  info.owner_compute_ns = NsSince(start);
  return reply;
}

absl::Status InMemoryTransport::Evaluate(const std::string& package_id, const NextQueryFn& next_query,
                                         const OnReplyFn& on_reply, std::chrono::milliseconds deadline) {
  if (package_id != HexEncode(owner_.package_id())) return NotFound("{}: has no package {}", address_, package_id);
  const auto begin = Clock::now();
  for (uint64_t sequence = 0;; ++sequence) {
    PRIVDNN_ASSIGN_OR_RETURN(const std::optional<Bytes> query, next_query());
    if (!query) return absl::OkStatus();
    if (Clock::now() - begin > deadline) {
      return absl::DeadlineExceededError(
          fmt::format("{}: {} replies came within {} ms", address_, sequence, deadline.count()));
    }
    const auto start = Clock::now();
    ReplyInfo info;
    auto reply = Answer(*query, info);
    if (!reply.ok()) return Annotate(reply.status(), address_);
    info.round_trip_ns = NsSince(start);
    PRIVDNN_RETURN_IF_ERROR(on_reply(sequence, *std::move(reply), info));
  }
}

}  // namespace privdnn
