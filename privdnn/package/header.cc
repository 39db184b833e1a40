#include "privdnn/package/header.h"

#include <algorithm>

#include "privdnn/segment/encryption_plan.h"

namespace privdnn {
namespace {

void WriteSegment(const SegmentHeader& segment, ByteWriter& w) {
  w.U32(static_cast<uint32_t>(segment.parameters.n));
  w.U32(static_cast<uint32_t>(segment.parameters.primes.size()));
  for (const uint64_t q : segment.parameters.primes) w.U64(q);
  w.U32(static_cast<uint32_t>(segment.parameters.plain_bits));
  w.U32(segment.parameters.shares ? 1 : 0);
  w.Raw(segment.seed);
  WriteSpec(segment.spec, w);
  for (const double scale : segment.output_scale) w.F64(scale);
}

absl::StatusOr<SegmentHeader> ReadSegment(ByteReader& r) {
  SegmentHeader h;
  PRIVDNN_ASSIGN_OR_RETURN(h.parameters.n, r.U32InRange(2048, 16384, "ring dimension"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t primes, r.U32InRange(1, kMaxPrimes, "number of primes"));
  for (uint32_t i = 0; i < primes; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t q, r.U64("prime"));
    h.parameters.primes.push_back(q);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t plain_bits, r.U32InRange(2, 60, "plaintext bits"));
  h.parameters.plain_bits = static_cast<int>(plain_bits);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t shares, r.U32InRange(0, 1, "shares"));
  h.parameters.shares = shares == 1;
  PRIVDNN_ASSIGN_OR_RETURN(const auto seed, r.Take(h.seed.size(), "seed"));
  std::copy(seed.begin(), seed.end(), h.seed.begin());
  PRIVDNN_ASSIGN_OR_RETURN(h.spec, ReadSpec(r));
  for (uint32_t f = 0; f < h.spec.outputs(); ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const double scale, r.F64("output scale"));
    if (!(scale > 0)) return r.Error("output scale", fmt::format("is {}, must be positive", scale));
    h.output_scale.push_back(scale);
  }
  return h;
}

}  // namespace

void WriteHeader(const PackageHeader& header, ByteWriter& w) {
  w.U32(kExpansionVersion);
  w.U64(header.image_budget);
  w.U32(static_cast<uint32_t>(header.segments.size()));
  for (const SegmentHeader& segment : header.segments) WriteSegment(segment, w);
}

absl::StatusOr<PackageHeader> ReadHeader(ByteReader& r) {
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kExpansionVersion, kExpansionVersion, "expansion version").status());
  PackageHeader header;
  PRIVDNN_ASSIGN_OR_RETURN(header.image_budget, r.U64("image budget"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t segments, r.U32InRange(1, kMaxSegments, "number of segments"));
  for (uint32_t k = 0; k < segments; ++k) {
    PRIVDNN_ASSIGN_OR_RETURN(SegmentHeader segment, ReadSegment(r));
    header.segments.push_back(std::move(segment));
  }
  return header;
}

double StatisticalSecurity(std::span<const PreparedSegment> segments) {
  std::vector<ParameterSpec> specs;
  for (const PreparedSegment& segment : segments) specs.push_back(segment.parameters.spec());
  return privdnn::StatisticalSecurity(specs);
}

absl::StatusOr<std::vector<PreparedSegment>> PrepareSegments(const PackageHeader& header, const std::string& what,
                                                             const Kernels* kernels) {
  std::vector<PreparedSegment> prepared;
  for (size_t k = 0; k < header.segments.size(); ++k) {
    const std::string where = fmt::format("{}: segment {}", what, k);
    const SegmentHeader& segment = header.segments[k];
    auto geometry = Geometry::Create(segment.spec, segment.parameters.n);
    if (!geometry.ok()) return Annotate(geometry.status(), where);
    const auto derived = DeriveParameters(segment.parameters, *geometry, header.image_budget);
    if (!derived.ok()) return Annotate(derived.status(), where);
    auto parameters = Parameters::Create(*derived, kernels);
    if (!parameters.ok()) return Annotate(parameters.status(), where);
    prepared.push_back({segment, *std::move(parameters), *std::move(geometry)});
  }
  if (const double s = StatisticalSecurity(prepared); s < kMinStatisticalSecurity) {
    return InvalidArgument(
        "{}: {} segments have a statistical security of {:.1f} bits together, at least {} are needed", what,
        prepared.size(), s, kMinStatisticalSecurity);
  }
  return prepared;
}

}  // namespace privdnn
