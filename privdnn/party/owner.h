// The model owner: turns query bytes into reply bytes with the secrets of one package.
#pragma once

#include "privdnn/package/owner_key.h"
#include "privdnn/party/wire.h"
#include "privdnn/rlwe/torus.h"

namespace privdnn {

// Noise on a segment's outputs, `output_noise` >= 0 its standard deviation in the units of the encrypted layer's
// outputs (an integer times its output_scale): the deviation of each output's error as an integer; nothing for no
// noise. InvalidArgument, with segment `index`, output and bound, for a deviation that is negative, not a finite
// number, below one integer (rounding would lose it), or so large that it could carry an output of ordinary size around
// the plaintext modulus (MaxOutputNoise).
absl::StatusOr<std::vector<double>> IntegerNoise(const PreparedSegment& segment, size_t index, double output_noise);

// Pure computation on bytes; knows nothing of networks, users or budgets. Const and thread-safe.
//
// What the owner sees of an image is a' and b'_f: ring-LWE samples under the user's fresh v, and one-time-padded
// coefficients. See docs/protocol.md.
class Owner {
 public:
  // `output_noise` > 0 perturbs replies: each decrypted value becomes the exact one plus a rounded normal error of
  // IntegerNoise's deviation, drawn anew for every reply. InvalidArgument as there.
  static absl::StatusOr<Owner> Create(OwnerKey key, double output_noise = 0);

  const PackageId& package_id() const { return key_.package_id(); }
  const std::string& user() const { return key_.user(); }
  uint64_t image_budget() const { return key_.image_budget(); }
  size_t num_segments() const { return segments_.size(); }
  const PreparedSegment& segment(size_t k) const { return key_.segments()[k]; }
  const MessageLayout& layout(size_t k) const { return layouts_[k]; }

  // Segment and number of images of a query, judged by its header alone.
  absl::StatusOr<MessageHeader> Peek(std::span<const uint8_t> query) const;
  // The reply; InvalidArgument, naming unit and field, for a query that isn't well-formed. `random` must be
  // SystemRandom in use: the drowning noise hides the keys. Memory beside query and reply does not grow with the
  // images.
  absl::StatusOr<Bytes> Answer(std::span<const uint8_t> query, RandomSource& random, int threads = 1) const;
  // For a segment whose outputs stay shared: this party's shares of its outputs, [image][output][position], modulo t,
  // from the user's query and from its own shares of the inputs modulo 2^input_bits, [image][channel][row][column];
  // none if the user knows the inputs. Nothing goes back. Fails as Answer does.
  absl::StatusOr<ZeroizingVector<uint32_t>> TakeShares(std::span<const uint8_t> query, std::span<const uint32_t> inputs,
                                                       int threads = 1) const;

 private:
  struct Segment {
    TorusMap torus;
    std::vector<double> noise;  // [F], deviation of the errors that are added to integers; empty: none are
  };
  Owner(OwnerKey key, std::vector<Segment> segments, std::vector<MessageLayout> layouts)
      : key_(std::move(key)), segments_(std::move(segments)), layouts_(std::move(layouts)) {}
  absl::Status AnswerUnits(const Query& query, uint64_t first, uint64_t last, RandomSource& random, int threads,
                           ReplyWriter& reply) const;
  OwnerKey key_;
  std::vector<Segment> segments_;
  std::vector<MessageLayout> layouts_;  // [segment]
};

}  // namespace privdnn
