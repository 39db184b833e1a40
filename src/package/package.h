// The encrypted model as one file; docs/package-format.md is its specification.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/random.h"
#include "lifting/lift.h"
#include "lifting/planner.h"
#include "ring/sampling.h"
#include "rlwe/encryption.h"

namespace privdnn {

// SHA-256 over everything in a package but the digest itself: names the package, and shows that it arrived whole.
using PackageId = std::array<uint8_t, 32>;
inline constexpr uint32_t kPackageVersion = 1;

// What a package says in the clear about its segment.
struct PackageHeader {
  SegmentSpec segment;
  ParameterSpec parameters;
  uint64_t image_budget = 0;
  Seed seed{};                       // of the public polynomials
  std::vector<double> output_scale;  // [F]: real value of an output = integer * scale
};

// A package in memory-mapped bytes, every field checked: holding one proves that the header is consistent, that the
// ring is within the security table, that sizes agree to the byte and that the digest is right. Ciphertext residues are
// checked as they are read.
class Package {
 public:
  static absl::StatusOr<Package> Open(const std::filesystem::path& path, const Kernels* kernels = nullptr);
  // The same for bytes that outlive the package. `what` names them in errors; `kernels`, if given, computes in place of
  // ChooseKernels().
  static absl::StatusOr<Package> Parse(std::span<const uint8_t> bytes, const std::string& what,
                                       const Kernels* kernels = nullptr);

  const PackageHeader& header() const { return header_; }
  const Parameters& parameters() const { return parameters_; }
  const Geometry& geometry() const { return geometry_; }
  const PackageId& id() const { return id_; }
  uint64_t size() const { return bytes_.size(); }
  // The plaintext rest of the network: an ONNX model (see nn::PlaintextRest).
  std::span<const uint8_t> rest_model() const { return rest_; }

  // b_{output,term} in NTT form, prime-major; InvalidArgument if a residue is not below its prime.
  absl::Status ReadCiphertext(size_t output, size_t term, std::span<uint64_t> residues) const;
  // Lets go of the mapped pages that reading brought in.
  void DropResidentPages() const;

 private:
  Package(PackageHeader header, Parameters parameters, Geometry geometry)
      : header_(std::move(header)), parameters_(std::move(parameters)), geometry_(std::move(geometry)) {}
  std::optional<MappedFile> file_;
  std::span<const uint8_t> bytes_;
  PackageHeader header_;
  Parameters parameters_;
  Geometry geometry_;
  PackageId id_{};
  std::span<const uint8_t> rest_, ciphertexts_;
};

inline constexpr uint32_t kMaxUserName = 64;

// What the owner keeps: the secrets that answer queries for one package. A package is made for one user: the budget and
// the statistical security that follows from it are for all that is ever released under its keys.
struct OwnerKey {
  PackageId package_id{};
  std::string user;  // the only one who is answered; 1 to kMaxUserName bytes
  PackageHeader header;
  std::vector<int64_t> bias;    // [F], integers at output_scale
  std::vector<OutputKey> keys;  // [F]
};

// Encrypts a quantised segment under fresh keys for one user. `random` must be SystemRandom in use.
struct EncryptedModel {
  Bytes package;
  OwnerKey owner_key;
};
absl::StatusOr<EncryptedModel> EncryptModel(const QuantizedSegment& segment, const SegmentPlan& plan,
                                            std::span<const uint8_t> rest_model, const std::string& user,
                                            const RandomSource& random, int threads);

// The key file: secret, 1 KB an output. Parse checks it like a package.
ZeroizingVector<uint8_t> WriteOwnerKey(const OwnerKey& key);
absl::StatusOr<OwnerKey> ParseOwnerKey(std::span<const uint8_t> bytes, const std::string& what);

// The header's fields, as both files hold them.
void WriteHeader(const PackageHeader& header, ByteWriter& writer);
absl::StatusOr<PackageHeader> ReadHeader(ByteReader& reader);

}  // namespace privdnn
