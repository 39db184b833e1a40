#include "privdnn/party/owner.h"

#include <algorithm>
#include <cmath>

#include "privdnn/base/parallel.h"

namespace privdnn {
namespace {

// Units whose a' are in memory at a time: enough that every thread has work when a unit has one output.
constexpr uint64_t kUnitsAtOnce = 16;

}  // namespace

absl::StatusOr<std::vector<double>> IntegerNoise(const PreparedSegment& segment, size_t index, double output_noise) {
  if (!(output_noise >= 0) || std::isinf(output_noise)) {
    return InvalidArgument("output noise: a deviation of {} is not a finite number from 0 on", output_noise);
  }
  std::vector<double> noise;
  if (output_noise == 0) return noise;
  for (const double scale : segment.header.output_scale) {
    noise.push_back(output_noise / scale);
    const double most = MaxOutputNoise(segment.parameters);
    if (noise.back() < 1) {
      return InvalidArgument(
          "output noise: output {} of segment {} has steps of {:.4g}; a deviation of {:.4g} is below one and would be "
          "lost in rounding",
          noise.size() - 1, index, scale, output_noise);
    }
    if (noise.back() <= most) continue;
    return InvalidArgument(
        "output noise: output {} of segment {} takes a deviation of at most {:.4g} before its errors reach a quarter "
        "of the plaintext modulus 2^{}; {:.4g} was asked for",
        noise.size() - 1, index, most * scale, segment.parameters.plain_bits(), output_noise);
  }
  return noise;
}

absl::StatusOr<Owner> Owner::Create(OwnerKey key, double output_noise) {
  PRIVDNN_ASSIGN_OR_RETURN(auto prepared, PrepareSegments(key.header, "owner key"));
  std::vector<Segment> segments;
  for (PreparedSegment& segment : prepared) {
    PRIVDNN_ASSIGN_OR_RETURN(auto noise, IntegerNoise(segment, segments.size(), output_noise));
    WireSizes sizes(segment);
    TorusMap torus(segment.parameters.ring());
    segments.push_back({std::move(segment), std::move(sizes), std::move(torus), std::move(noise)});
  }
  return Owner(std::move(key), std::move(segments));
}

absl::StatusOr<MessageHeader> Owner::Peek(std::span<const uint8_t> query) const {
  return PeekHeader(MessageKind::kQuery, query, key_.package_id, segments_.size());
}

// Units [first, last) of a query's body to the same of a reply's.
absl::Status Owner::AnswerUnits(size_t index, uint32_t images, uint64_t first, uint64_t last,
                                std::span<const uint8_t> query, RandomSource& random, int threads,
                                std::span<uint8_t> reply) const {
  const PreparedSegment& prepared = segments_[index].prepared;
  const WireSizes& sizes = segments_[index].sizes;
  const TorusMap& torus = segments_[index].torus;
  const std::vector<double>& noise = segments_[index].noise;
  const SegmentKey& key = key_.segments[index];
  const Parameters& params = prepared.parameters;
  const auto& primes = params.spec().primes;
  const uint32_t outputs = prepared.header.spec.outputs();
  std::vector<NttPoly> a;
  for (uint64_t u = first; u < last; ++u) {
    a.emplace_back(params.ring());
    const auto packed = query.subspan(sizes.query_offset(u, images), sizes.masked_poly());
    if (!UnpackResidues(primes, packed, a.back().all())) {
      return InvalidArgument("query: unit {}: a residue of a' is not below its prime", u);
    }
  }
  std::vector<absl::Status> status((last - first) * outputs);
  const auto fresh = Forks(random, status.size());
  ParallelFor(status.size(), threads, [&](size_t task) {
    const uint64_t u = first + task / outputs;
    const auto output = static_cast<uint32_t>(task % outputs);
    const Geometry::Unit unit = prepared.geometry.unit(u, images);
    const auto positions = prepared.geometry.positions(unit, output);
    // Outputs of one group have parts of one size; the first and the last output are of the first and the last group.
    const size_t first_size = prepared.geometry.positions(unit, 0).size();
    const size_t last_size = prepared.geometry.positions(unit, outputs - 1).size();
    const uint64_t from = sizes.query_offset(u, images) + sizes.masked_poly() +
                          sizes.before_output(output, sizes.masked_output(first_size), sizes.masked_output(last_size));
    const uint64_t to = sizes.reply_offset(u, images) +
                        sizes.before_output(output, sizes.reply_output(first_size), sizes.reply_output(last_size));
    std::vector<uint64_t> b(primes.size() * positions.size());
    if (!UnpackResidues(primes, query.subspan(from, sizes.masked_output(positions.size())), b)) {
      status[task] = InvalidArgument("query: unit {}: a residue of b' for output {} is not below its prime", u, output);
      return;
    }
    ZeroizingVector<int64_t> added(positions.size(), key.bias[output]);
    if (!noise.empty()) PerturbOutputs(params, noise[output], *fresh[task], added);
    const auto phases = Phases(params, torus, key.keys[output], a[u - first], b, positions, added);
    PackBits(DrownAndRound(params, phases, *fresh[task]), params.reply_bits(),
             reply.subspan(to, sizes.reply_output(positions.size())));
  });
  for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Owner::Answer(std::span<const uint8_t> query, RandomSource& random, int threads) const {
  PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header, Peek(query));
  const Segment& segment = segments_[header.segment];
  const uint64_t units = segment.prepared.geometry.units(header.images);
  PRIVDNN_ASSIGN_OR_RETURN(const auto body,
                           ParseBody(MessageKind::kQuery, query, segment.sizes.query_offset(units, header.images)));
  Bytes reply = StartMessage(MessageKind::kReply, header, segment.sizes.reply(header.images));
  for (uint64_t first = 0; first < units; first += kUnitsAtOnce) {
    PRIVDNN_RETURN_IF_ERROR(AnswerUnits(header.segment, header.images, first, std::min(first + kUnitsAtOnce, units),
                                        body, random, threads, Body(reply)));
  }
  FinishMessage(reply);
  return reply;
}

}  // namespace privdnn
