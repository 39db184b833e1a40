#include <algorithm>

#include "privdnn/package/package.h"

namespace privdnn {
namespace {

// magic | version | package id | user | header | for each segment: bias, keys of 2 bits a coefficient holding s+1 |
// SHA-256 of all before it
constexpr std::string_view kMagic = "PVDNNKEY";
constexpr uint32_t kVersion = 2;
constexpr int kTernaryBits = 2;

uint64_t KeyBytes(size_t n) { return PackedBytes(n, kTernaryBits); }

// Bias and keys of a segment.
uint64_t SecretBytes(const SegmentHeader& segment) {
  return uint64_t{segment.spec.outputs()} * (8 + KeyBytes(segment.parameters.n));
}

void WriteSecrets(const SegmentKey& key, size_t n, std::span<uint8_t> out) {
  for (const int64_t bias : key.bias) {
    PackBits(std::array{static_cast<uint64_t>(bias)}, 64, out.first(8));
    out = out.subspan(8);
  }
  for (const OutputKey& k : key.keys) {
    ZeroizingVector<uint64_t> digits;
    for (const int32_t s : k.coefficients().Reveal()) digits.push_back(static_cast<uint64_t>(s + 1));
    PackBits(digits, kTernaryBits, out.first(KeyBytes(n)));
    out = out.subspan(KeyBytes(n));
  }
}

absl::StatusOr<SegmentKey> ReadSecrets(const PreparedSegment& segment, ByteReader& r) {
  const uint32_t outputs = segment.header.spec.outputs();
  SegmentKey key;
  for (uint32_t f = 0; f < outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t bias, r.U64("bias"));
    // Encrypting refuses outputs beyond the plaintext modulus, of which the bias is a part.
    const uint64_t half = uint64_t{1} << (segment.parameters.plain_bits() - 1);
    if (bias + half >= 2 * half)
      return r.Error("bias", fmt::format("output {} is beyond +-2^{}", f, segment.parameters.plain_bits() - 1));
    key.bias.push_back(static_cast<int64_t>(bias));
  }
  const size_t n = segment.header.parameters.n;
  for (uint32_t f = 0; f < outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto packed, r.Take(KeyBytes(n), "secret key"));
    ZeroizingVector<uint64_t> digits(n);
    const bool good = UnpackBits(packed, kTernaryBits, digits);
    Secret<int32_t> s(n);
    for (size_t i = 0; i < n; ++i) s.RevealMutable()[i] = static_cast<int32_t>(digits[i]) - 1;
    auto output_key = OutputKey::FromCoefficients(segment.parameters, std::move(s));
    if (!good || !output_key.ok()) return r.Error("secret key", fmt::format("output {} is not ternary", f));
    key.keys.push_back(*std::move(output_key));
  }
  return key;
}

}  // namespace

ZeroizingVector<uint8_t> WriteOwnerKey(const OwnerKey& key) {
  ByteWriter w;
  w.Raw(kMagic);
  w.U32(kVersion);
  w.Raw(key.package_id);
  w.String(key.user);
  WriteHeader(key.header, w);
  uint64_t size = w.size() + 32;
  for (const SegmentHeader& segment : key.header.segments) size += SecretBytes(segment);
  // Secrets are written straight into zeroised memory of the final size.
  ZeroizingVector<uint8_t> out(size);
  std::copy(w.view().begin(), w.view().end(), out.begin());
  auto rest = std::span(out).subspan(w.size());
  for (size_t k = 0; k < key.segments.size(); ++k) {
    const SegmentHeader& header = key.header.segments[k];
    WriteSecrets(key.segments[k], header.parameters.n, rest.first(SecretBytes(header)));
    rest = rest.subspan(SecretBytes(header));
  }
  const auto digest = Sha256(std::span(out).first(out.size() - 32));
  std::copy(digest.begin(), digest.end(), rest.begin());
  return out;
}

absl::StatusOr<OwnerKey> ParseOwnerKey(std::span<const uint8_t> bytes, const std::string& what) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Magic(kMagic, "owners' key files"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kVersion, kVersion, "version").status());
  OwnerKey key;
  PRIVDNN_ASSIGN_OR_RETURN(const auto id, r.Take(key.package_id.size(), "package id"));
  std::copy(id.begin(), id.end(), key.package_id.begin());
  PRIVDNN_ASSIGN_OR_RETURN(key.user, r.String(kMaxUserName, "user"));
  if (key.user.empty()) return r.Error("user", "is empty");
  PRIVDNN_ASSIGN_OR_RETURN(key.header, ReadHeader(r));
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, PrepareSegments(key.header, what));
  for (const PreparedSegment& segment : segments) {
    PRIVDNN_ASSIGN_OR_RETURN(SegmentKey secrets, ReadSecrets(segment, r));
    key.segments.push_back(std::move(secrets));
  }
  const auto digest = Sha256(bytes.first(r.offset()));
  PRIVDNN_ASSIGN_OR_RETURN(const auto stored, r.Take(digest.size(), "digest"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (!std::equal(digest.begin(), digest.end(), stored.begin()))
    return DataLoss("{}: damaged: its SHA-256 does not match", what);
  return key;
}

}  // namespace privdnn
