// The encrypted model as one file, as the user reads it; docs/package-format.md is its specification.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "privdnn/base/file.h"
#include "privdnn/package/header.h"

namespace privdnn {

inline constexpr std::string_view kPackageMagic = "PVDNNPKG";
inline constexpr uint32_t kPackageVersion = 3;

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

}  // namespace privdnn
