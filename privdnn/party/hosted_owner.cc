#include "privdnn/party/hosted_owner.h"

namespace privdnn {
namespace {

class QuerySession final : public Session {
 public:
  QuerySession(const Owner& owner, int threads) : owner_(owner), threads_(threads) {}

  absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> query) const override {
    PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header, owner_.Peek(query));
    return BudgetEvents{.reserve = Charge{.segment = header.segment, .images = header.images}, .commit = true};
  }
  absl::StatusOr<Bytes> Step(std::span<const uint8_t> query) override {
    SystemRandom random;
    return owner_.Answer(query, random, threads_);
  }

 private:
  const Owner& owner_;
  const int threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const HostedOwner>> HostedOwner::Create(OwnerKey key, double output_noise, int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(Owner owner, Owner::Create(std::move(key), output_noise));
  PackageInfo info{.id = HexEncode(owner.package_id()),
                   .user = owner.user(),
                   .segments = owner.num_segments(),
                   .image_budget = owner.image_budget(),
                   .output_noise = output_noise};
  return std::unique_ptr<const HostedOwner>(new HostedOwner(std::move(info), std::move(owner), threads));
}

HostedOwner::HostedOwner(PackageInfo info, Owner owner, int threads)
    : HostedPackage(std::move(info)), owner_(std::move(owner)), threads_(threads) {}

absl::StatusOr<std::unique_ptr<Session>> HostedOwner::OpenSession() const {
  return std::make_unique<QuerySession>(owner_, threads_);
}

}  // namespace privdnn
