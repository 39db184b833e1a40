#include "privdnn/party/owner.h"

#include <algorithm>
#include <cmath>

#include "privdnn/base/parallel.h"
#include "privdnn/segment/packing.h"

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
    const double most = MaxOutputNoise(segment.parameters.plain_bits());
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
  std::vector<Segment> segments;
  std::vector<MessageLayout> layouts;
  for (const PreparedSegment& segment : key.segments()) {
    PRIVDNN_ASSIGN_OR_RETURN(auto noise, IntegerNoise(segment, segments.size(), output_noise));
    segments.push_back({TorusMap(segment.parameters.ring()), std::move(noise)});
    layouts.emplace_back(segment);
  }
  return Owner(std::move(key), std::move(segments), std::move(layouts));
}

absl::StatusOr<MessageHeader> Owner::Peek(std::span<const uint8_t> query) const {
  return PeekHeader(MessageKind::kQuery, query, key_.package_id(), segments_.size());
}

// Answers units [first, last).
absl::Status Owner::AnswerUnits(const Query& query, uint64_t first, uint64_t last, RandomSource& random, int threads,
                                ReplyWriter& reply) const {
  const size_t k = query.header().segment;
  const TorusMap& torus = segments_[k].torus;
  const std::vector<double>& noise = segments_[k].noise;
  const Parameters& params = segment(k).parameters;
  const Geometry& geometry = segment(k).geometry;
  const SegmentKey& key = key_.secrets(k);
  const uint32_t outputs = geometry.spec().outputs();
  std::vector<NttPoly> a;
  for (uint64_t u = first; u < last; ++u) {
    a.emplace_back(params.ring());
    PRIVDNN_RETURN_IF_ERROR(query.ReadMaskedPoly(u, a.back().all()));
  }
  std::vector<absl::Status> status((last - first) * outputs);
  const auto fresh = Forks(random, status.size());
  ParallelFor(status.size(), threads, [&](size_t task) {
    const uint64_t u = first + task / outputs;
    const auto output = static_cast<uint32_t>(task % outputs);
    const auto positions = geometry.positions(geometry.unit(u, query.header().images), output);
    std::vector<uint64_t> b(params.ring().num_primes() * positions.size());
    status[task] = query.ReadMaskedOutput(u, output, b);
    if (!status[task].ok()) return;
    ZeroizingVector<int64_t> added(positions.size(), key.bias.Reveal()[output]);
    if (!noise.empty()) PerturbOutputs(params, noise[output], *fresh[task], added);
    const auto phases = Phases(params, torus, key.keys[output], a[u - first], b, positions, added);
    reply.WriteOutput(u, output, DrownAndRound(params, phases, *fresh[task]));
  });
  for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Owner::Answer(std::span<const uint8_t> query, RandomSource& random, int threads) const {
  PRIVDNN_ASSIGN_OR_RETURN(const Query parsed, Query::Parse(query, key_.package_id(), layouts_));
  if (segment(parsed.header().segment).parameters.spec().shares) {
    return InvalidArgument("query: the outputs of segment {} stay shared; it is answered within a session only",
                           parsed.header().segment);
  }
  ReplyWriter reply(parsed.header(), layouts_[parsed.header().segment]);
  for (uint64_t first = 0; first < parsed.units(); first += kUnitsAtOnce) {
    PRIVDNN_RETURN_IF_ERROR(
        AnswerUnits(parsed, first, std::min(first + kUnitsAtOnce, parsed.units()), random, threads, reply));
  }
  return std::move(reply).Finish();
}

absl::StatusOr<ZeroizingVector<uint32_t>> Owner::TakeShares(std::span<const uint8_t> query,
                                                            std::span<const uint32_t> inputs, int threads) const {
  PRIVDNN_ASSIGN_OR_RETURN(const Query parsed, Query::Parse(query, key_.package_id(), layouts_));
  const size_t k = parsed.header().segment;
  const uint32_t images = parsed.header().images;
  const Parameters& params = segment(k).parameters;
  if (!params.spec().shares) return InvalidArgument("query: the outputs of segment {} are not shared", k);
  const Geometry& g = segment(k).geometry;
  const SegmentKey& key = key_.secrets(k);
  const size_t size = g.spec().channels * g.spec().input.area();
  if (!inputs.empty() && inputs.size() != images * size) {
    return InvalidArgument("query: has {} images, there are {} shares of inputs of {}", images, inputs.size(), size);
  }
  ZeroizingVector<uint32_t> shares(images * g.spec().values_per_image());
  std::vector<absl::Status> status(parsed.units());
  ParallelFor(parsed.units(), threads, [&](size_t u) {
    NttPoly a(params.ring());
    status[u] = parsed.ReadMaskedPoly(u, a.all());
    ZeroizingVector<Torus> phases;
    for (uint32_t f = 0; f < g.spec().outputs() && status[u].ok(); ++f) {
      const auto positions = g.positions(g.unit(u, images), f);
      std::vector<uint64_t> b(params.ring().num_primes() * positions.size());
      status[u] = parsed.ReadMaskedOutput(u, f, b);
      if (!status[u].ok()) return;
      const auto of_output = Phases(params, segments_[k].torus, key.keys[f], a, b, positions, {});
      phases.insert(phases.end(), of_output.begin(), of_output.end());
    }
    if (!status[u].ok()) return;
    ForEachValue(g, images, u,
                 [&](size_t at, uint64_t value) { shares[value] = RoundToBits(phases[at], params.plain_bits()); });
  });
  for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
  const uint64_t per_image = g.spec().values_per_image();
  const uint32_t mask = (uint32_t{1} << params.plain_bits()) - 1;
  ParallelFor(images, threads, [&](size_t image) {
    const auto of_image = std::span(shares).subspan(image * per_image, per_image);
    if (!inputs.empty()) {
      MultiplyShares(g, key.kernels, ShareMap(g, inputs.subspan(image * size, size)), of_image);
    }
    for (uint32_t f = 0; f < g.spec().outputs(); ++f) {
      const auto bias = static_cast<uint32_t>(key.bias.Reveal()[f]);
      const uint64_t first = g.first_value(f), positions = g.spec().groups[g.group(f)].positions();
      for (uint64_t i = first; i < first + positions; ++i) of_image[i] = (of_image[i] + bias) & mask;
    }
  });
  return shares;
}

}  // namespace privdnn
