#include "privdnn/shares/party.h"

namespace privdnn {
namespace {

// Tweaks of the two directions never meet: their top bits differ.
uint64_t FirstTweak(int sender, uint64_t transfer) { return (static_cast<uint64_t>(sender) << 63) | transfer; }

Bytes ContextOf(std::span<const uint8_t> context, int sender) {
  Bytes own(context.begin(), context.end());
  own.push_back(static_cast<uint8_t>(sender));
  return own;
}

}  // namespace

absl::StatusOr<SharesParty> SharesParty::Create(int id, std::span<const uint8_t> context, RandomSource& random,
                                                Channel& channel) {
  PRIVDNN_ASSIGN_OR_RETURN(const OtKernels* kernels, ChooseOtKernels());
  SharesParty party;
  party.id_ = id;
  party.random_ = &random;
  party.channel_ = &channel;
  // Each party adds to the hash's key, so that it is fresh if one of them is honest.
  Block own;
  random.Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(&own), sizeof own));
  PRIVDNN_ASSIGN_OR_RETURN(
      const Bytes other,
      channel.Exchange("hash key", {reinterpret_cast<const uint8_t*>(&own), sizeof own}, sizeof own));
  Block key;
  std::copy(other.begin(), other.end(), reinterpret_cast<uint8_t*>(&key));
  party.hash_ = std::make_unique<CorrelationRobustHash>(*kernels, key ^ own);
  for (const int sender : {0, 1}) {
    const OtRole role = sender == id ? OtRole::kSender : OtRole::kReceiver;
    const Bytes own_context = ContextOf(context, sender);
    PRIVDNN_ASSIGN_OR_RETURN(auto source, MakeIknp(role, {kernels, own_context}, random, channel));
    (sender == id ? party.sender_ : party.receiver_) = std::move(source);
  }
  return party;
}

absl::StatusOr<SharesParty::Transfers> SharesParty::Take(size_t count) {
  Transfers taken{Secret<Block>(count), Secret<Block>(count), FirstTweak(id_, taken_), FirstTweak(1 - id_, taken_)};
  for (const int sender : {0, 1}) {
    CotSource& source = sender == id_ ? *sender_ : *receiver_;
    Secret<Block>& blocks = sender == id_ ? taken.sent : taken.received;
    PRIVDNN_RETURN_IF_ERROR(source.Make(blocks.RevealMutable(), *channel_));
  }
  taken_ += count;
  return taken;
}

}  // namespace privdnn
