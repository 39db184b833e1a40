#include "privdnn/cli/attack_target.h"

#include <algorithm>
#include <deque>

#include "privdnn/cli/inference.h"

namespace privdnn {
namespace {

// Of a message, so that a batch's polynomials stay in the caches.
constexpr int64_t kBatch = 64;

}  // namespace

absl::StatusOr<AttackTarget> AttackTarget::Connect(const OwnerAddress& owner, int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(owner.package));
  PRIVDNN_ASSIGN_OR_RETURN(RestNetwork rest, RestNetwork::Create(package));
  PRIVDNN_ASSIGN_OR_RETURN(User user, User::Create(std::move(package), threads));
  PRIVDNN_ASSIGN_OR_RETURN(const TlsFiles tls, LoadUserTls(owner.tls, owner.user));
  PRIVDNN_ASSIGN_OR_RETURN(Client client, Client::Connect(owner.address, tls));
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerTerms terms, AskTerms(user, client, owner.address));
  return AttackTarget(std::make_unique<User>(std::move(user)), std::move(rest), std::move(client),
                      std::min(terms.most_images, kBatch), terms.output_noise, threads);
}

absl::StatusOr<std::vector<int64_t>> AttackTarget::Ask(size_t k, std::span<const float> inputs) {
  const size_t size = user_->input_size(k);
  SystemRandom random;
  std::deque<PreparedQuery> asked;
  std::vector<int64_t> outputs;
  const auto next = [&]() -> absl::StatusOr<std::optional<Bytes>> {
    if (inputs.empty()) return std::optional<Bytes>();
    const auto batch = inputs.first(std::min(batch_ * size, inputs.size()));
    inputs = inputs.subspan(batch.size());
    PRIVDNN_ASSIGN_OR_RETURN(PreparedQuery query, user_->Prepare(k, batch, random, workspace_, threads_));
    Bytes message = std::move(query.message);
    asked.push_back(std::move(query));
    return std::optional<Bytes>(std::move(message));
  };
  const auto reply = [&](uint64_t, const Bytes& bytes, const ReplyInfo&) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const auto some, user_->Unmask(asked.front(), bytes));
    asked.pop_front();
    outputs.insert(outputs.end(), some.begin(), some.end());
    return Interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
  };
  PRIVDNN_RETURN_IF_ERROR(client_.Evaluate(HexEncode(user_->package().id()), next, reply));
  return outputs;
}

}  // namespace privdnn
