// Extraction: encrypted kernels from what a user is given anyway, its inputs and the decrypted outputs (SECURITY.md,
// statement 3). Outputs are exact integers, linear in the kernel's coefficients, so enough of them determine all that
// outputs depend on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/attack/modular_system.h"
#include "privdnn/attack/output_polynomial.h"

namespace privdnn {

// What was found of one group's kernels: for each output the sums of coefficients that OutputPolynomial lists.
struct ExtractedKernels {
  std::vector<std::vector<int64_t>> sums;  // [output][unknown]
  // The outputs [output][position] of an image, from its z map, without the owner.
  std::vector<int64_t> Outputs(const OutputPolynomial& polynomial, std::span<const int16_t> z_map) const;
};

// Collects images and their outputs until they determine the kernels of one group.
class Extractor {
 public:
  // `polynomial` must outlive it.
  Extractor(const OutputPolynomial& polynomial, int threads);

  // What the user knows of an image: its z map and its outputs [output][position].
  struct Image {
    std::vector<int16_t> z_map;
    std::vector<int64_t> outputs;
  };
  // Several at a time are quicker. InvalidArgument if they contradict each other or those before: then outputs are not
  // what the geometry says, or not exact.
  absl::Status Add(std::vector<Image> images);
  // Remembers images without solving: for outputs that aren't exact, which kernels can only be fitted to
  // (approximate.h).
  void Observe(std::vector<Image> images);

  size_t unknowns() const { return system_.unknowns(); }
  size_t rank() const { return system_.rank(); }
  bool determined() const { return system_.determined(); }
  uint64_t images() const { return images_.size(); }
  std::span<const Image> observed() const { return images_; }
  // Images after which nothing was left to find; 0 before.
  uint64_t images_needed() const { return needed_; }

  // FailedPrecondition, with the rank, unless determined().
  absl::StatusOr<ExtractedKernels> Solve() const;

 private:
  const OutputPolynomial& polynomial_;
  int threads_;
  ModularSystem system_;
  std::vector<Image> images_;
  uint64_t needed_ = 0;
};

}  // namespace privdnn
