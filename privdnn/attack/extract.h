// Extraction: computes encrypted kernels from what every user has, its inputs and the decrypted outputs (SECURITY.md,
// statement 3). Outputs are exact integers, linear in the kernel's coefficients, so enough of them determine everything
// that outputs depend on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/attack/modular_system.h"
#include "privdnn/attack/output_polynomial.h"

namespace privdnn {

// The kernels found for one group: for each output, the sums of coefficients that OutputPolynomial lists.
struct ExtractedKernels {
  std::vector<std::vector<int64_t>> sums;  // [output][unknown]
  // Returns the outputs [output][position] of an image, from its z map, without the owner.
  std::vector<int64_t> Outputs(const OutputPolynomial& polynomial, std::span<const int16_t> z_map) const;
};

// Collects images and their outputs until they determine the kernels of one group.
class Extractor {
 public:
  // `polynomial` must outlive the extractor.
  Extractor(const OutputPolynomial& polynomial, int threads);

  // What the user knows of an image: its z map and its outputs [output][position].
  struct Image {
    std::vector<int16_t> z_map;
    std::vector<int64_t> outputs;
  };
  // Adds images; several at a time are faster. Fails with InvalidArgument if they contradict each other or earlier
  // ones: outputs then don't match the geometry, or are not exact.
  absl::Status Add(std::vector<Image> images);
  // Stores images without solving, for inexact outputs, to which kernels can only be fitted (approximate.h).
  void Observe(std::vector<Image> images);

  size_t unknowns() const { return system_.unknowns(); }
  size_t rank() const { return system_.rank(); }
  bool determined() const { return system_.determined(); }
  uint64_t images() const { return images_.size(); }
  std::span<const Image> observed() const { return images_; }
  // Returns the number of images after which nothing was left to find; 0 before that.
  uint64_t images_needed() const { return needed_; }

  // Returns the kernels. Fails with FailedPrecondition, giving the rank, unless determined().
  absl::StatusOr<ExtractedKernels> Solve() const;

 private:
  const OutputPolynomial& polynomial_;
  int threads_;
  ModularSystem system_;
  std::vector<Image> images_;
  uint64_t needed_ = 0;
};

}  // namespace privdnn
