#include "package/package.h"

#include <algorithm>

#include "base/parallel.h"
#include "lifting/packing.h"
#include "ring/residues.h"

namespace privdnn {
namespace {

constexpr std::string_view kMagic = "PVDNNPKG";
constexpr uint64_t kPrologueSize = 56;  // magic, version, header size, total size, digest
constexpr uint64_t kDigestOffset = 24;

PackageId Digest(std::span<const uint8_t> bytes) {
  Bytes joined;  // the prologue without the digest, hashed first, binds version and sizes
  joined.insert(joined.end(), bytes.begin(), bytes.begin() + kDigestOffset);
  const auto rest = Sha256(bytes.subspan(kPrologueSize));
  joined.insert(joined.end(), rest.begin(), rest.end());
  return Sha256(joined);
}

uint64_t CiphertextBytes(const ParameterSpec& spec) { return PackedResidueBytes(spec.primes, spec.n); }

// The parameters that follow from the segment's shape and the budget rather than being stored.
absl::Status DeriveParameters(PackageHeader& header) {
  PRIVDNN_ASSIGN_OR_RETURN(const Geometry geometry, Geometry::Create(header.segment, header.parameters.n));
  header.parameters.terms = geometry.terms();
  header.parameters.max_feature = geometry.max_feature();
  const uint64_t per_image = uint64_t{header.segment.outputs} * geometry.positions_per_output();
  PRIVDNN_ASSIGN_OR_RETURN(header.parameters.released_values, CheckedMul(header.image_budget, per_image));
  return absl::OkStatus();
}

}  // namespace

void WriteHeader(const PackageHeader& header, ByteWriter& w) {
  w.U32(static_cast<uint32_t>(header.parameters.n));
  w.U32(static_cast<uint32_t>(header.parameters.primes.size()));
  for (const uint64_t q : header.parameters.primes) w.U64(q);
  w.U32(static_cast<uint32_t>(header.parameters.plain_bits));
  w.U64(header.image_budget);
  w.U32(kExpansionVersion);
  w.Raw(header.seed);
  WriteSpec(header.segment, w);
  for (const double scale : header.output_scale) w.F64(scale);
}

absl::StatusOr<PackageHeader> ReadHeader(ByteReader& r) {
  PackageHeader h;
  PRIVDNN_ASSIGN_OR_RETURN(h.parameters.n, r.U32InRange(2048, 16384, "ring dimension"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t primes, r.U32InRange(1, kMaxPrimes, "number of primes"));
  for (uint32_t i = 0; i < primes; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t q, r.U64("prime"));
    h.parameters.primes.push_back(q);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t plain_bits, r.U32InRange(2, 60, "plaintext bits"));
  h.parameters.plain_bits = static_cast<int>(plain_bits);
  PRIVDNN_ASSIGN_OR_RETURN(h.image_budget, r.U64("image budget"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kExpansionVersion, kExpansionVersion, "expansion version").status());
  PRIVDNN_ASSIGN_OR_RETURN(const auto seed, r.Take(h.seed.size(), "seed"));
  std::copy(seed.begin(), seed.end(), h.seed.begin());
  PRIVDNN_ASSIGN_OR_RETURN(h.segment, ReadSpec(r));
  for (uint32_t f = 0; f < h.segment.outputs; ++f) {
    PRIVDNN_ASSIGN_OR_RETURN(const double scale, r.F64("output scale"));
    if (!(scale > 0)) return r.Error("output scale", fmt::format("is {}, must be positive", scale));
    h.output_scale.push_back(scale);
  }
  PRIVDNN_RETURN_IF_ERROR(DeriveParameters(h));
  return h;
}

absl::StatusOr<Package> Package::Open(const std::filesystem::path& path, const Kernels* kernels) {
  PRIVDNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Parse(file.bytes(), path.string(), kernels));
  package.file_ = std::move(file);
  return package;
}

absl::StatusOr<Package> Package::Parse(std::span<const uint8_t> bytes, const std::string& what,
                                       const Kernels* kernels) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Expect(kMagic, "magic"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kPackageVersion, kPackageVersion, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t header_size, r.U32("header size"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t total, r.U64("total size"));
  if (total != bytes.size())
    return r.Error("total size", fmt::format("is {}, the file has {} bytes", total, bytes.size()));
  PRIVDNN_ASSIGN_OR_RETURN(const auto digest, r.Take(32, "digest"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto header_bytes, r.Take(header_size, "header"));
  ByteReader header_reader(header_bytes, what + ": header");
  PRIVDNN_ASSIGN_OR_RETURN(PackageHeader header, ReadHeader(header_reader));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t rest_size, header_reader.U64("size of the plaintext model"));
  PRIVDNN_RETURN_IF_ERROR(header_reader.Finish());
  PRIVDNN_ASSIGN_OR_RETURN(Geometry geometry, Geometry::Create(header.segment, header.parameters.n));
  auto parameters = Parameters::Create(header.parameters, kernels);
  if (!parameters.ok()) return Annotate(parameters.status(), what);

  Package package(std::move(header), *std::move(parameters), std::move(geometry));
  package.bytes_ = bytes;
  PRIVDNN_ASSIGN_OR_RETURN(package.rest_, r.Take(rest_size, "plaintext model"));
  const ParameterSpec& spec = package.header_.parameters;
  const uint64_t ciphertexts = uint64_t{package.header_.segment.outputs} * (spec.terms + 1) * CiphertextBytes(spec);
  PRIVDNN_ASSIGN_OR_RETURN(package.ciphertexts_, r.Take(ciphertexts, "ciphertexts"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  package.id_ = Digest(bytes);
  if (!std::equal(digest.begin(), digest.end(), package.id_.begin())) {
    return DataLoss("{}: damaged: its SHA-256 is {}, it says {}", what, HexEncode(package.id_), HexEncode(digest));
  }
  return package;
}

absl::Status Package::ReadCiphertext(size_t output, size_t term, std::span<uint64_t> residues) const {
  const ParameterSpec& spec = header_.parameters;
  const uint64_t size = CiphertextBytes(spec);
  auto bytes = ciphertexts_.subspan((output * (spec.terms + 1) + term) * size, size);
  for (size_t i = 0; i < spec.primes.size(); ++i) {
    const uint64_t q = spec.primes[i];
    const auto limb = residues.subspan(i * spec.n, spec.n);
    const uint64_t limb_bytes = PackedLimbBytes(q, spec.n);
    const bool good = UnpackLimb(q, bytes.first(limb_bytes), limb);
    bytes = bytes.subspan(limb_bytes);
    if (!good)
      return InvalidArgument("package: ciphertext ({}, {}): a residue is not below its prime {}", output, term, q);
  }
  return absl::OkStatus();
}

void Package::DropResidentPages() const {
  if (file_) file_->DropResidentPages();
}

namespace {

// Everything before the ciphertexts, and room for them.
Bytes LayOut(const PackageHeader& header, std::span<const uint8_t> rest_model, uint64_t& ciphertext_offset) {
  ByteWriter header_writer;
  WriteHeader(header, header_writer);
  header_writer.U64(rest_model.size());
  const uint64_t ciphertexts =
      uint64_t{header.segment.outputs} * (header.parameters.terms + 1) * CiphertextBytes(header.parameters);
  ciphertext_offset = kPrologueSize + header_writer.size() + rest_model.size();
  ByteWriter w;
  w.Raw(kMagic);
  w.U32(kPackageVersion);
  w.U32(static_cast<uint32_t>(header_writer.size()));
  w.U64(ciphertext_offset + ciphertexts);
  w.Grow(32);
  w.Raw(header_writer.view());
  w.Raw(rest_model);
  w.Grow(ciphertexts);
  return std::move(w).Take();
}

}  // namespace

absl::StatusOr<EncryptedModel> EncryptModel(const QuantizedSegment& segment, const SegmentPlan& plan,
                                            std::span<const uint8_t> rest_model, const std::string& user,
                                            const RandomSource& random, int threads) {
  if (user.empty() || user.size() > kMaxUserName) {
    return InvalidArgument("encrypt: the user's name has {} bytes, must have 1 to {}", user.size(), kMaxUserName);
  }
  PackageHeader header{segment.spec, plan.parameters, plan.image_budget, {}, segment.output_scale};
  PRIVDNN_RETURN_IF_ERROR(DeriveParameters(header));
  if (segment.plain_bits() > header.parameters.plain_bits) {
    return InvalidArgument("encrypt: outputs need {} plaintext bits, the plan has {}", segment.plain_bits(),
                           header.parameters.plain_bits);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Parameters params, Parameters::Create(header.parameters));
  const size_t outputs = segment.kernels.size(), terms = params.terms() + 1;
  // Streams: 0 the seed, 1 + f the key of output f, 1 + outputs + f*terms + j the errors of one ciphertext.
  random.Fork(0)->Fill(std::span<uint8_t>(header.seed));
  std::vector<OutputKey> keys;
  for (size_t f = 0; f < outputs; ++f) keys.push_back(OutputKey::Generate(params, *random.Fork(1 + f)));

  uint64_t offset = 0;
  Bytes package = LayOut(header, rest_model, offset);
  const uint64_t size = CiphertextBytes(header.parameters);
  const std::vector<NttPoly> a = ExpandPublic(params, header.seed);
  ParallelFor(outputs * terms, threads, [&](size_t task) {
    const size_t f = task / terms, j = task % terms;
    const auto errors = random.Fork(1 + outputs + task);
    ZeroizingVector<int32_t> message;
    if (j < params.terms()) {
      const auto packed = PackKernel(plan.geometry, segment.kernels[f], j);
      message.assign(packed.begin(), packed.end());
    }
    PackResidues(header.parameters.primes, EncryptTerm(params, a[j], keys[f], message, *errors).all(),
                 std::span(package).subspan(offset + task * size, size));
  });
  const PackageId id = Digest(package);
  std::copy(id.begin(), id.end(), package.begin() + kDigestOffset);
  return EncryptedModel{std::move(package), {id, user, std::move(header), segment.bias, std::move(keys)}};
}

}  // namespace privdnn
