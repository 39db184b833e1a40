#include "privdnn/package/owner_key.h"

#include <algorithm>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

// magic | version | package id | user | header | u64 bytes of the program, program | for each segment: bias, keys of 2
// bits a coefficient holding s+1, kernels of 32 bits a coefficient if its outputs stay shared | SHA-256 of all before
// it
constexpr uint32_t kVersion = 3;
constexpr int kTernaryBits = 2;

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 28;

uint64_t KeyBytes(size_t n) { return PackedBytes(n, kTernaryBits); }

// Coefficients of output f's kernel in the key file.
uint64_t KernelSize(const PreparedSegment& segment, uint32_t f) {
  if (!segment.header.parameters.shares) return 0;
  return segment.geometry.features() * segment.header.spec.groups[segment.geometry.group(f)].kernel.area();
}

// Bias, keys and kernels of a segment.
uint64_t SecretBytes(const PreparedSegment& segment) {
  const uint32_t outputs = segment.header.spec.outputs();
  uint64_t bytes = uint64_t{outputs} * (8 + KeyBytes(segment.geometry.n()));
  for (uint32_t f = 0; f < outputs; ++f) bytes += 4 * KernelSize(segment, f);
  return bytes;
}

void WriteSecrets(const SegmentKey& key, size_t n, std::span<uint8_t> out) {
  for (const int64_t bias : key.bias.Reveal()) {
    PackBits(std::array{static_cast<uint64_t>(bias)}, 64, out.first(8));
    out = out.subspan(8);
  }
  for (const OutputKey& k : key.keys) {
    ZeroizingVector<uint64_t> digits;
    for (const int32_t s : k.coefficients().Reveal()) digits.push_back(static_cast<uint64_t>(s + 1));
    PackBits(digits, kTernaryBits, out.first(KeyBytes(n)));
    out = out.subspan(KeyBytes(n));
  }
  for (const Secret<int32_t>& kernel : key.kernels) {
    for (const int32_t w : kernel.Reveal()) {
      PackBits(std::array{static_cast<uint64_t>(static_cast<uint32_t>(w))}, 32, out.first(4));
      out = out.subspan(4);
    }
  }
}

absl::StatusOr<SegmentKey> ReadSecrets(const PreparedSegment& segment, ByteReader& r) {
  const uint32_t outputs = segment.header.spec.outputs();
  const size_t n = segment.geometry.n();
  SegmentKey key{.bias = Secret<int64_t>(outputs), .keys = {}};
  for (uint32_t f = 0; f < outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t bits, r.U64("bias"));
    const auto bias = static_cast<int64_t>(bits);
    if (!FitsPlaintext(bias, segment.parameters.plain_bits())) {
      return r.Error("bias", fmt::format("output {} is beyond +-2^{}", f, segment.parameters.plain_bits() - 1));
    }
    key.bias.RevealMutable()[f] = bias;
  }
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
  for (uint32_t f = 0; segment.header.parameters.shares && f < outputs; ++f) {
    const uint64_t size = KernelSize(segment, f);
    PRIVDNN_ASSIGN_OR_RETURN(const auto packed, r.Take(4 * size, "kernel"));
    ByteReader words(packed, "kernel");
    Secret<int32_t> kernel(size);
    for (int32_t& w : kernel.RevealMutable()) {
      PRIVDNN_ASSIGN_OR_RETURN(const uint32_t word, words.U32("coefficient"));
      w = static_cast<int32_t>(word);
    }
    key.kernels.push_back(std::move(kernel));
  }
  return key;
}

}  // namespace

OwnerKey::OwnerKey(const PackageId& package_id, std::string user, uint64_t image_budget,
                   std::vector<PreparedSegment> segments, std::vector<SegmentKey> secrets, Bytes program)
    : package_id_(package_id),
      user_(std::move(user)),
      image_budget_(image_budget),
      segments_(std::move(segments)),
      secrets_(std::move(secrets)),
      program_(std::move(program)) {}

absl::StatusOr<OwnerKey> OwnerKey::Open(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto bytes, ReadSecretFile(path, kMaxFileBytes));
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key, Parse(bytes, path.string()));
  PRIVDNN_RETURN_IF_ERROR(CheckPrivate(path));
  return key;
}

absl::StatusOr<OwnerKey> OwnerKey::Parse(std::span<const uint8_t> bytes, const std::string& what) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Magic(kOwnerKeyMagic, "owners' key files"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kVersion, kVersion, "version").status());
  PackageId package_id;
  PRIVDNN_ASSIGN_OR_RETURN(const auto id, r.Take(package_id.size(), "package id"));
  std::copy(id.begin(), id.end(), package_id.begin());
  PRIVDNN_ASSIGN_OR_RETURN(std::string user, r.String(kMaxUserName, "user"));
  if (user.empty()) return r.Error("user", "is empty");
  PRIVDNN_ASSIGN_OR_RETURN(const PackageHeader header, ReadHeader(r));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t program_bytes, r.U64("program size"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto program, r.Take(program_bytes, "program"));
  PRIVDNN_ASSIGN_OR_RETURN(auto segments, PrepareSegments(header, what));
  std::vector<SegmentKey> secrets;
  for (const PreparedSegment& segment : segments) {
    PRIVDNN_ASSIGN_OR_RETURN(SegmentKey read, ReadSecrets(segment, r));
    secrets.push_back(std::move(read));
  }
  const auto digest = Sha256(bytes.first(r.offset()));
  PRIVDNN_ASSIGN_OR_RETURN(const auto stored, r.Take(digest.size(), "digest"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (!std::equal(digest.begin(), digest.end(), stored.begin()))
    return DataLoss("{}: damaged: its SHA-256 does not match", what);
  return OwnerKey(package_id, std::move(user), header.image_budget, std::move(segments), std::move(secrets),
                  Bytes(program.begin(), program.end()));
}

ZeroizingVector<uint8_t> OwnerKey::Write() const {
  PackageHeader header{.image_budget = image_budget_, .segments = {}};
  for (const PreparedSegment& segment : segments_) header.segments.push_back(segment.header);
  ByteWriter w;
  w.Raw(kOwnerKeyMagic);
  w.U32(kVersion);
  w.Raw(package_id_);
  w.String(user_);
  WriteHeader(header, w);
  w.U64(program_.size());
  w.Raw(program_);
  uint64_t size = w.size() + 32;
  for (const PreparedSegment& segment : segments_) size += SecretBytes(segment);
  // Secrets are written straight into zeroised memory of the final size.
  ZeroizingVector<uint8_t> out(size);
  std::copy(w.view().begin(), w.view().end(), out.begin());
  auto rest = std::span(out).subspan(w.size());
  for (size_t k = 0; k < segments_.size(); ++k) {
    WriteSecrets(secrets_[k], segments_[k].geometry.n(), rest.first(SecretBytes(segments_[k])));
    rest = rest.subspan(SecretBytes(segments_[k]));
  }
  const auto digest = Sha256(std::span(out).first(out.size() - 32));
  std::copy(digest.begin(), digest.end(), rest.begin());
  return out;
}

}  // namespace privdnn
