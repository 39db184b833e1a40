// The user: evaluates a package on its own images, asks the owner to decrypt blinded results, unblinds them.
#pragma once

#include <tbb/enumerable_thread_specific.h>

#include "party/wire.h"
#include "rlwe/evaluation.h"

namespace privdnn {

// A query and what its reply needs to be read. The masks never leave the user.
struct PreparedQuery {
  Bytes message;
  std::vector<Masks> masks;  // one an image
};

// Pure computation on bytes. Const and thread-safe; memory to work in belongs to the caller.
class User {
 public:
  using Workspace = tbb::enumerable_thread_specific<EvaluationScratch>;

  // Expands the package's public polynomials and lays its ciphertexts out for the inner product, on `threads` threads.
  static absl::StatusOr<User> Create(Package package, int threads = 1);

  const Package& package() const { return package_; }
  const WireSizes& sizes() const { return sizes_; }
  // Pixels of one image: channels * height * width.
  size_t image_size() const;

  // A query for images.size() / image_size() images, 1 to kMaxImagesPerMessage, pixels [image][channel][row][column].
  // `random` must be SystemRandom in use: masks and v are what hides the images.
  absl::StatusOr<PreparedQuery> Prepare(std::span<const float> images, const RandomSource& random, Workspace& workspace,
                                        int threads = 1) const;
  // Encrypted outputs [image][output][position], exact integers, from the owner's reply.
  absl::StatusOr<std::vector<int64_t>> Unmask(const PreparedQuery& query, std::span<const uint8_t> reply) const;
  // The same as real numbers, in the shape that the rest of the network reads: (images, outputs, height, width).
  nn::Tensor Dequantize(std::span<const int64_t> outputs) const;

 private:
  User(Package package, EncryptedKernels kernels);
  void PrepareGroup(std::span<const float> images, RandomSource& random, EvaluationScratch& scratch,
                    std::span<Masks> masks, std::span<uint8_t> out) const;
  Package package_;
  EncryptedKernels kernels_;
  WireSizes sizes_;
  TorusMap torus_;
};

}  // namespace privdnn
