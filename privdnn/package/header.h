// What packages and key files say in the clear; docs/package-format.md is the specification.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/ring/sampling.h"
#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// SHA-256 over everything in a package but the digest itself: names the package, and shows that it arrived whole.
using PackageId = std::array<uint8_t, 32>;
inline constexpr uint32_t kMaxSegments = 64;

// What a package says in the clear about one segment.
struct SegmentHeader {
  SegmentSpec spec;
  EncryptionParameters parameters;
  Seed seed{};                       // of the public polynomials
  std::vector<double> output_scale;  // [F]: real value of an output = integer * scale
};
// What a package says in the clear.
struct PackageHeader {
  uint64_t image_budget = 0;  // images that may ever be asked, of each segment
  std::vector<SegmentHeader> segments;
};

// A segment as parties compute with it: what a header says, checked, with all that follows from it.
struct PreparedSegment {
  SegmentHeader header;
  Parameters parameters;
  Geometry geometry;
};
// Returns the segments of a header. Fails with InvalidArgument if one does not fit its ring, or if they are worth less
// than kMinStatisticalSecurity bits together; `what` names the header in errors. `kernels`, if given, computes in place
// of ChooseKernels().
absl::StatusOr<std::vector<PreparedSegment>> PrepareSegments(const PackageHeader& header, const std::string& what,
                                                             const Kernels* kernels = nullptr);

// Returns whether -2^(plain_bits-1) <= value < 2^(plain_bits-1): whether an integer is a plaintext. plain_bits: 2
// to 60.
constexpr bool FitsPlaintext(int64_t value, int plain_bits) {
  const uint64_t half = uint64_t{1} << (plain_bits - 1);
  return static_cast<uint64_t>(value) + half < 2 * half;
}

// Returns the bits over all that is ever released under a package's keys (see Parameters).
double StatisticalSecurity(std::span<const PreparedSegment> segments);

// Write and read the header's fields, as both files hold them.
void WriteHeader(const PackageHeader& header, ByteWriter& writer);
absl::StatusOr<PackageHeader> ReadHeader(ByteReader& reader);

}  // namespace privdnn
