#include "party/owner.h"

#include "base/parallel.h"

namespace privdnn {

Owner::Owner(OwnerKey key, Parameters parameters, Geometry geometry)
    : key_(std::move(key)),
      parameters_(std::move(parameters)),
      geometry_(std::move(geometry)),
      sizes_(parameters_, geometry_),
      torus_(parameters_.ring()) {}

absl::StatusOr<Owner> Owner::Create(OwnerKey key) {
  PRIVDNN_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Create(key.header.parameters));
  PRIVDNN_ASSIGN_OR_RETURN(Geometry geometry, Geometry::Create(key.header.segment, key.header.parameters.n));
  return Owner(std::move(key), std::move(parameters), std::move(geometry));
}

absl::StatusOr<uint32_t> Owner::CountImages(std::span<const uint8_t> query) const {
  return PeekImages(MessageKind::kQuery, query, key_.package_id);
}

absl::Status Owner::AnswerImage(size_t image, std::span<const uint8_t> query, RandomSource& random,
                                std::span<uint8_t> reply) const {
  const Ring& ring = parameters_.ring();
  const auto& primes = parameters_.spec().primes;
  const size_t positions = geometry_.positions_per_output();
  NttPoly a(ring);
  if (!UnpackResidues(primes, query.first(sizes_.masked_poly()), a.all())) {
    return InvalidArgument("query: image {}: a residue of a' is not below its prime", image);
  }
  query = query.subspan(sizes_.masked_poly());
  std::vector<uint64_t> b(ring.num_primes() * positions);
  for (size_t f = 0; f < key_.keys.size(); ++f) {
    if (!UnpackResidues(primes, query.first(sizes_.masked_output()), b)) {
      return InvalidArgument("query: image {}: a residue of b' for output {} is not below its prime", image, f);
    }
    query = query.subspan(sizes_.masked_output());
    const auto phases = Phases(parameters_, torus_, key_.keys[f], a, b, geometry_.positions());
    PackBits(DrownAndRound(parameters_, phases, key_.bias[f], random), parameters_.reply_bits(),
             reply.first(sizes_.reply_output()));
    reply = reply.subspan(sizes_.reply_output());
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Owner::Answer(std::span<const uint8_t> query, const RandomSource& random, int threads) const {
  uint32_t images = 0;
  PRIVDNN_ASSIGN_OR_RETURN(const auto body,
                           ParseMessage(MessageKind::kQuery, query, key_.package_id, sizes_.query_image(), images));
  Bytes reply = StartMessage(MessageKind::kReply, key_.package_id, images, sizes_.reply(images));
  std::vector<absl::Status> status(images);
  ParallelFor(images, threads, [&](size_t k) {
    status[k] = AnswerImage(k, body.subspan(k * sizes_.query_image(), sizes_.query_image()), *random.Fork(k),
                            Body(reply).subspan(k * sizes_.reply_image(), sizes_.reply_image()));
  });
  for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
  FinishMessage(reply);
  return reply;
}

}  // namespace privdnn
