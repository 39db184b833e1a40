#include "privdnn/package/package.h"

#include <algorithm>

#include "privdnn/ring/residues.h"
#include "privdnn/segment/encryption_plan.h"

namespace privdnn {
namespace {

constexpr uint64_t kDigestSize = 32;
// Bytes hashed before mapped pages are let go.
constexpr uint64_t kHashBlock = uint64_t{16} << 20;

}  // namespace

absl::StatusOr<Package> Package::Open(const std::filesystem::path& path, const Kernels* kernels) {
  PRIVDNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  PRIVDNN_ASSIGN_OR_RETURN(Package package,
                           Parse(file.bytes(), path.string(), kernels, [&file] { file.DropResidentPages(); }));
  package.file_ = std::move(file);
  return package;
}

absl::StatusOr<Package> Package::Parse(std::span<const uint8_t> bytes, const std::string& what,
                                       const Kernels* kernels) {
  return Parse(bytes, what, kernels, [] {});
}

absl::StatusOr<Package> Package::Parse(std::span<const uint8_t> bytes, const std::string& what, const Kernels* kernels,
                                       const std::function<void()>& drop_pages) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Magic(kPackageMagic, "package files"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kPackageVersion, kPackageVersion, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t header_size, r.U32("header size"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t total, r.U64("total size"));
  if (total != bytes.size())
    return r.Error("total size", fmt::format("is {}, the file has {} bytes", total, bytes.size()));
  PRIVDNN_ASSIGN_OR_RETURN(const auto header_bytes, r.Take(header_size, "header"));
  ByteReader header_reader(header_bytes, what + ": header");
  PRIVDNN_ASSIGN_OR_RETURN(const PackageHeader header, ReadHeader(header_reader));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t rest_size, header_reader.U64("size of the plaintext model"));
  PRIVDNN_RETURN_IF_ERROR(header_reader.Finish());

  Package package;
  package.bytes_ = bytes;
  package.image_budget_ = header.image_budget;
  PRIVDNN_ASSIGN_OR_RETURN(package.segments_, PrepareSegments(header, what, kernels));
  PRIVDNN_ASSIGN_OR_RETURN(package.rest_, r.Take(rest_size, "plaintext model"));
  for (const PreparedSegment& segment : package.segments_) {
    const uint64_t size = CiphertextBytes(segment.parameters.spec(), segment.geometry);
    PRIVDNN_ASSIGN_OR_RETURN(const auto ciphertexts, r.Take(size, "ciphertexts"));
    package.ciphertexts_.push_back(ciphertexts);
  }
  Sha256Stream hash;
  for (auto left = bytes.first(r.offset()); !left.empty();) {
    const auto block = left.first(std::min<uint64_t>(left.size(), kHashBlock));
    hash.Update(block);
    left = left.subspan(block.size());
    drop_pages();
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto digest, r.Take(kDigestSize, "digest"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  package.id_ = hash.Finish();
  if (!std::equal(digest.begin(), digest.end(), package.id_.begin())) {
    return DataLoss("{}: damaged: its SHA-256 is {}, it says {}", what, HexEncode(package.id_), HexEncode(digest));
  }
  return package;
}

absl::Status Package::ReadCiphertext(size_t segment, size_t output, size_t term, std::span<uint64_t> residues) const {
  const ParameterSpec& spec = segments_[segment].parameters.spec();
  const uint64_t size = PackedResidueBytes(spec.primes, spec.n);
  auto bytes = ciphertexts_[segment].subspan((output * (spec.terms + 1) + term) * size, size);
  for (size_t i = 0; i < spec.primes.size(); ++i) {
    const uint64_t q = spec.primes[i];
    const auto limb = residues.subspan(i * spec.n, spec.n);
    const uint64_t limb_bytes = PackedLimbBytes(q, spec.n);
    const bool good = UnpackLimb(q, bytes.first(limb_bytes), limb);
    bytes = bytes.subspan(limb_bytes);
    if (!good) {
      return InvalidArgument("package: segment {}: ciphertext ({}, {}): a residue is not below its prime {}", segment,
                             output, term, q);
    }
  }
  return absl::OkStatus();
}

void Package::DropResidentPages() const {
  if (file_) file_->DropResidentPages();
}

}  // namespace privdnn
