#include <algorithm>

#include "package/package.h"

namespace privdnn {
namespace {

// magic | version | package id | user | header | bias | keys, 2 bits a coefficient holding s+1 | SHA-256 of all before
// it
constexpr std::string_view kMagic = "PVDNNKEY";
constexpr uint32_t kVersion = 1;
constexpr int kTernaryBits = 2;

uint64_t KeyBytes(size_t n) { return PackedBytes(n, kTernaryBits); }

}  // namespace

ZeroizingVector<uint8_t> WriteOwnerKey(const OwnerKey& key) {
  ByteWriter w;
  w.Raw(kMagic);
  w.U32(kVersion);
  w.Raw(key.package_id);
  w.String(key.user);
  WriteHeader(key.header, w);
  const size_t n = key.header.parameters.n, plain = w.size();
  // Secrets are written straight into zeroised memory of the final size.
  ZeroizingVector<uint8_t> out(plain + key.keys.size() * (8 + KeyBytes(n)) + 32);
  std::copy(w.view().begin(), w.view().end(), out.begin());
  auto rest = std::span(out).subspan(plain);
  for (const int64_t bias : key.bias) {
    PackBits(std::array{static_cast<uint64_t>(bias)}, 64, rest.first(8));
    rest = rest.subspan(8);
  }
  for (const OutputKey& k : key.keys) {
    ZeroizingVector<uint64_t> digits;
    for (const int32_t s : k.coefficients().Reveal()) digits.push_back(static_cast<uint64_t>(s + 1));
    PackBits(digits, kTernaryBits, rest.first(KeyBytes(n)));
    rest = rest.subspan(KeyBytes(n));
  }
  const auto digest = Sha256(std::span(out).first(out.size() - 32));
  std::copy(digest.begin(), digest.end(), rest.begin());
  return out;
}

absl::StatusOr<OwnerKey> ParseOwnerKey(std::span<const uint8_t> bytes, const std::string& what) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Expect(kMagic, "magic"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kVersion, kVersion, "version").status());
  OwnerKey key;
  PRIVDNN_ASSIGN_OR_RETURN(const auto id, r.Take(key.package_id.size(), "package id"));
  std::copy(id.begin(), id.end(), key.package_id.begin());
  PRIVDNN_ASSIGN_OR_RETURN(key.user, r.String(kMaxUserName, "user"));
  if (key.user.empty()) return r.Error("user", "is empty");
  PRIVDNN_ASSIGN_OR_RETURN(key.header, ReadHeader(r));
  auto params = Parameters::Create(key.header.parameters);
  if (!params.ok()) return Annotate(params.status(), what);
  for (uint32_t f = 0; f < key.header.segment.outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t bias, r.U64("bias"));
    key.bias.push_back(static_cast<int64_t>(bias));
  }
  const size_t n = key.header.parameters.n;
  for (uint32_t f = 0; f < key.header.segment.outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto packed, r.Take(KeyBytes(n), "secret key"));
    ZeroizingVector<uint64_t> digits(n);
    const bool good = UnpackBits(packed, kTernaryBits, digits);
    Secret<int32_t> s(n);
    for (size_t i = 0; i < n; ++i) s.RevealMutable()[i] = static_cast<int32_t>(digits[i]) - 1;
    auto output_key = OutputKey::FromCoefficients(*params, std::move(s));
    if (!good || !output_key.ok()) return r.Error("secret key", fmt::format("output {} is not ternary", f));
    key.keys.push_back(*std::move(output_key));
  }
  const auto digest = Sha256(bytes.first(r.offset()));
  PRIVDNN_ASSIGN_OR_RETURN(const auto stored, r.Take(digest.size(), "digest"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (!std::equal(digest.begin(), digest.end(), stored.begin()))
    return DataLoss("{}: damaged: its SHA-256 does not match", what);
  return key;
}

}  // namespace privdnn
