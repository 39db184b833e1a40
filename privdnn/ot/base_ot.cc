#include "privdnn/ot/base_ot.h"

#include <sodium.h>

#include <algorithm>
#include <cassert>

namespace privdnn {
namespace {

constexpr size_t kPointBytes = crypto_core_ristretto255_BYTES;
using Point = std::array<uint8_t, kPointBytes>;
using Scalar = ZeroizingVector<uint8_t>;

constexpr std::string_view kStep = "base oblivious transfers";

absl::Status Initialise() {
  if (sodium_init() < 0) return absl::InternalError("libsodium does not start");
  return absl::OkStatus();
}

Scalar RandomScalar(RandomSource& random) {
  ZeroizingVector<uint8_t> wide(crypto_core_ristretto255_NONREDUCEDSCALARBYTES);
  random.Fill(std::span<uint8_t>(wide));
  Scalar scalar(crypto_core_ristretto255_SCALARBYTES);
  crypto_core_ristretto255_scalar_reduce(scalar.data(), wide.data());
  return scalar;
}

Point RandomPoint(RandomSource& random) {
  std::array<uint8_t, crypto_core_ristretto255_HASHBYTES> wide;
  random.Fill(std::span<uint8_t>(wide));
  Point point;
  crypto_core_ristretto255_from_hash(point.data(), wide.data());
  return point;
}

// What separates the uses of the hash: context, transfer, which of the two.
struct Place {
  std::span<const uint8_t> context;
  uint64_t transfer;
  uint8_t choice;
};

void Hash(std::string_view label, const Place& place, std::initializer_list<std::span<const uint8_t>> points,
          std::span<uint8_t> out) {
  ByteWriter w;
  w.U64(place.context.size());
  w.Raw(place.context);
  w.U64(place.transfer);
  w.U8(place.choice);
  std::vector<std::span<const uint8_t>> parts = {AsBytes(label), w.view()};
  parts.insert(parts.end(), points.begin(), points.end());
  Shake128(parts, out);
}

// H_c: points to points.
Point HashToPoint(const Place& place, const Point& point) {
  std::array<uint8_t, crypto_core_ristretto255_HASHBYTES> wide;
  Hash("privdnn/v1/base-ot-point", place, {point}, wide);
  Point result;
  crypto_core_ristretto255_from_hash(result.data(), wide.data());
  return result;
}

struct Offer {
  Point points[2];
};

Block Key(const Place& place, const Point& sender, const Offer& offer, std::span<const uint8_t> secret) {
  Block key;
  Hash("privdnn/v1/base-ot-key", place, {sender, offer.points[0], offer.points[1], secret},
       {reinterpret_cast<uint8_t*>(&key), sizeof key});
  return key;
}

// Exchanges the two if `swap` is 1.
void SwapIf(uint8_t swap, Offer& offer) {
  const auto mask = static_cast<uint8_t>(-swap);
  for (size_t i = 0; i < kPointBytes; ++i) {
    const auto difference = static_cast<uint8_t>((offer.points[0][i] ^ offer.points[1][i]) & mask);
    offer.points[0][i] ^= difference;
    offer.points[1][i] ^= difference;
  }
}

}  // namespace

absl::StatusOr<Secret<std::array<Block, 2>>> SendBaseOts(size_t count, std::span<const uint8_t> context,
                                                         RandomSource& random, Channel& channel) {
  PRIVDNN_RETURN_IF_ERROR(Initialise());
  const Scalar y = RandomScalar(random);
  Point sender;
  if (crypto_scalarmult_ristretto255_base(sender.data(), y.data()) != 0) return absl::InternalError("y is zero");
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, channel.Exchange(kStep, sender, count * 2 * kPointBytes));
  Secret<std::array<Block, 2>> keys(count);
  Secret<uint8_t> shared(kPointBytes);
  for (size_t t = 0; t < count; ++t) {
    Offer offer;
    for (size_t c = 0; c < 2; ++c) {
      std::copy_n(reply.begin() + static_cast<std::ptrdiff_t>((2 * t + c) * kPointBytes), kPointBytes,
                  offer.points[c].begin());
    }
    for (uint8_t c = 0; c < 2; ++c) {
      const Place place{context, t, c};
      const Point hashed = HashToPoint(place, offer.points[1 - c]);
      Point sum;
      // Fail for what encodes no point; the second also for the neutral element.
      if (crypto_core_ristretto255_add(sum.data(), offer.points[c].data(), hashed.data()) != 0 ||
          crypto_scalarmult_ristretto255(shared.RevealMutable().data(), y.data(), sum.data()) != 0) {
        return InvalidArgument("{}: transfer {} of {}: point {} is not valid", kStep, t, count, c);
      }
      keys.RevealMutable()[t][c] = Key(place, sender, offer, shared.Reveal());
    }
  }
  return keys;
}

absl::StatusOr<Secret<Block>> ReceiveBaseOts(const Secret<uint8_t>& choices, std::span<const uint8_t> context,
                                             RandomSource& random, Channel& channel) {
  PRIVDNN_RETURN_IF_ERROR(Initialise());
  const size_t count = choices.size();
  std::vector<Scalar> scalars;
  std::vector<Offer> offers(count);
  Bytes message;
  for (size_t t = 0; t < count; ++t) {
    const uint8_t choice = choices.Reveal()[t];
    assert(choice <= 1);
    scalars.push_back(RandomScalar(random));
    // Made as if the choice were 0, with the hash of the choice, and then exchanged if it is 1.
    Point known;
    if (crypto_scalarmult_ristretto255_base(known.data(), scalars.back().data()) != 0) {
      return absl::InternalError("x is zero");
    }
    Offer& offer = offers[t];
    offer.points[1] = RandomPoint(random);
    const Point hashed = HashToPoint({context, t, choice}, offer.points[1]);
    crypto_core_ristretto255_sub(offer.points[0].data(), known.data(), hashed.data());
    SwapIf(choice, offer);
    for (const Point& point : offer.points) message.insert(message.end(), point.begin(), point.end());
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, channel.Exchange(kStep, message, kPointBytes));
  Point sender;
  std::copy(reply.begin(), reply.end(), sender.begin());
  Secret<Block> keys(count);
  Secret<uint8_t> shared(kPointBytes);
  for (size_t t = 0; t < count; ++t) {
    if (crypto_scalarmult_ristretto255(shared.RevealMutable().data(), scalars[t].data(), sender.data()) != 0) {
      return InvalidArgument("{}: the sender's point is not valid", kStep);
    }
    keys.RevealMutable()[t] = Key({context, t, choices.Reveal()[t]}, sender, offers[t], shared.Reveal());
  }
  return keys;
}

}  // namespace privdnn
