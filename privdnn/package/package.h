// The encrypted model as one file; docs/package-format.md is its specification.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "privdnn/base/file.h"
#include "privdnn/base/progress.h"
#include "privdnn/base/random.h"
#include "privdnn/ring/sampling.h"
#include "privdnn/rlwe/encryption.h"
#include "privdnn/segment/planner.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

// SHA-256 over everything in a package but the digest itself: names the package, and shows that it arrived whole.
using PackageId = std::array<uint8_t, 32>;
inline constexpr std::string_view kPackageMagic = "PVDNNPKG";
inline constexpr uint32_t kPackageVersion = 2;
inline constexpr uint32_t kMaxSegments = 64;

// What a package says in the clear about one segment.
struct SegmentHeader {
  SegmentSpec spec;
  ParameterSpec parameters;
  Seed seed{};                       // of the public polynomials
  std::vector<double> output_scale;  // [F]: real value of an output = integer * scale
};
// What a package says in the clear. Reading one derives the parameters that follow from shapes and budget.
struct PackageHeader {
  uint64_t image_budget = 0;  // images that may ever be asked, of each segment
  std::vector<SegmentHeader> segments;
};
// A segment as parties compute with it: what a header says, checked.
struct PreparedSegment {
  SegmentHeader header;
  Parameters parameters;
  Geometry geometry;
};
// Bits, over all that is ever released under a package's keys (see Parameters).
double StatisticalSecurity(std::span<const PreparedSegment> segments);

// The segments of a header, which must be worth at least kMinStatisticalSecurity bits together; `what` names it in
// errors. `kernels`, if given, computes in place of ChooseKernels().
absl::StatusOr<std::vector<PreparedSegment>> PrepareSegments(const PackageHeader& header, const std::string& what,
                                                             const Kernels* kernels = nullptr);

// A package in memory-mapped bytes, every field checked: holding one proves that the header is consistent, that the
// rings are within the security table, that sizes agree to the byte and that the digest is right. Ciphertext residues
// are checked as they are read.
class Package {
 public:
  static absl::StatusOr<Package> Open(const std::filesystem::path& path, const Kernels* kernels = nullptr);
  // The same for bytes that outlive the package. `what` names them in errors; `kernels`, if given, computes in place of
  // ChooseKernels().
  static absl::StatusOr<Package> Parse(std::span<const uint8_t> bytes, const std::string& what,
                                       const Kernels* kernels = nullptr);

  uint64_t image_budget() const { return image_budget_; }
  const std::vector<PreparedSegment>& segments() const { return segments_; }
  const PackageId& id() const { return id_; }
  uint64_t size() const { return bytes_.size(); }
  // The plaintext rest of the network: an ONNX model (see PlaintextRest).
  std::span<const uint8_t> rest_model() const { return rest_; }

  // b_{output,term} of a segment in NTT form, prime-major; InvalidArgument if a residue is not below its prime.
  absl::Status ReadCiphertext(size_t segment, size_t output, size_t term, std::span<uint64_t> residues) const;
  // Lets go of the mapped pages that reading brought in.
  void DropResidentPages() const;

 private:
  Package() = default;
  static absl::StatusOr<Package> Parse(std::span<const uint8_t> bytes, const std::string& what, const Kernels* kernels,
                                       const std::function<void()>& drop_pages);
  std::optional<MappedFile> file_;
  std::span<const uint8_t> bytes_;
  uint64_t image_budget_ = 0;
  std::vector<PreparedSegment> segments_;
  PackageId id_{};
  std::span<const uint8_t> rest_;
  std::vector<std::span<const uint8_t>> ciphertexts_;  // a segment's: [output][term]
};

inline constexpr uint32_t kMaxUserName = 64;

// The secrets of one segment.
struct SegmentKey {
  std::vector<int64_t> bias;    // [F], integers at output_scale
  std::vector<OutputKey> keys;  // [F]
};
// What the owner keeps: the secrets that answer queries for one package. A package is made for one user: the budget and
// the statistical security that follows from it are for all that is ever released under its keys.
struct OwnerKey {
  PackageId package_id{};
  std::string user;  // the only one who is answered; 1 to kMaxUserName bytes
  PackageHeader header;
  std::vector<SegmentKey> segments;
};

// A lifted segment and the plan by which it is encrypted; both must outlive the encryption.
struct EncryptionTask {
  const QuantizedSegment* quantized;
  const SegmentPlan* plan;
};
// Takes the bytes of a package in order.
using ByteSink = std::function<absl::Status(std::span<const uint8_t>)>;

// Encrypts quantised segments under fresh keys for one user. `random` must be SystemRandom in use. The package goes to
// `sink` as it is made, so that memory does not grow with it. `progress` counts ciphertexts; when it returns false the
// result is Cancelled.
absl::StatusOr<OwnerKey> EncryptModel(std::span<const EncryptionTask> tasks, std::span<const uint8_t> rest_model,
                                      const std::string& user, RandomSource& random, int threads, const ByteSink& sink,
                                      const ProgressFn& progress);
// Bytes of the package that EncryptModel makes.
uint64_t PackageBytes(std::span<const EncryptionTask> tasks, uint64_t rest_model_bytes);
// Of these, at most, what is neither ciphertexts nor the plaintext rest: known before rings are chosen.
uint64_t HeaderAllowance(std::span<const PlanTask> tasks);

// The key file: secret, 1 KB an output. Parse checks it like a package.
ZeroizingVector<uint8_t> WriteOwnerKey(const OwnerKey& key);
absl::StatusOr<OwnerKey> ParseOwnerKey(std::span<const uint8_t> bytes, const std::string& what);

// The header's fields, as both files hold them.
void WriteHeader(const PackageHeader& header, ByteWriter& writer);
absl::StatusOr<PackageHeader> ReadHeader(ByteReader& reader);

}  // namespace privdnn
