// One party's side of a two-party computation on shares: who it is, how it talks, and its correlated transfers.
#pragma once

#include <memory>
#include <string_view>

#include "privdnn/base/random.h"
#include "privdnn/base/secret.h"
#include "privdnn/ot/channel.h"
#include "privdnn/ot/cot.h"
#include "privdnn/ot/prg.h"

namespace privdnn {

class SharesParty {
 public:
  // Both parties call this at once, with ids 0 and 1 and the same context, which no other session has. `random` and
  // `channel` must outlive the party.
  static absl::StatusOr<SharesParty> Create(int id, std::span<const uint8_t> context, RandomSource& random,
                                            Channel& channel);

  int id() const { return id_; }
  // All ones for party 0: the one that adds what only one of them may add.
  uint64_t first_mask() const { return id_ == 0 ? ~uint64_t{0} : 0; }
  RandomSource& random() { return *random_; }
  absl::StatusOr<Bytes> Exchange(std::string_view step, std::span<const uint8_t> message, uint64_t size) {
    return channel_->Exchange(step, message, size);
  }

  // Correlated transfers, `count` with this party as the sender and as many as the receiver. Each is given out once.
  struct Transfers {
    Secret<Block> sent, received;
    uint64_t first_sent, first_received;  // tweaks, for the hash
  };
  absl::StatusOr<Transfers> Take(size_t count);
  const Block& delta() const { return sender_->delta(); }
  const CorrelationRobustHash& hash() const { return *hash_; }
  // How many correlated transfers were taken, as the sender.
  uint64_t transfers_taken() const { return taken_; }

 private:
  SharesParty() = default;
  int id_ = 0;
  RandomSource* random_ = nullptr;
  Channel* channel_ = nullptr;
  std::unique_ptr<CotSource> sender_, receiver_;
  std::unique_ptr<CorrelationRobustHash> hash_;
  uint64_t taken_ = 0;
};

}  // namespace privdnn
