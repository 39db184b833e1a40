// The user: evaluates a package on its own images, asks the owner to decrypt blinded results, unblinds them.
#pragma once

#include <tbb/enumerable_thread_specific.h>

#include "privdnn/package/package.h"
#include "privdnn/party/wire.h"
#include "privdnn/rlwe/evaluation.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

// A query and what its reply needs to be read. The masks never leave the user.
struct PreparedQuery {
  Bytes message;
  MessageHeader header;
  std::vector<Masks> masks;  // one a unit
  Clamping clamping;         // of the inputs
};

// Pure computation on bytes. Const and thread-safe; memory to work in belongs to the caller.
class User {
 public:
  using Workspace = tbb::enumerable_thread_specific<EvaluationScratch>;

  // Expands the package's public polynomials and lays its ciphertexts out for the inner product, on `threads` threads.
  static absl::StatusOr<User> Create(Package package, int threads = 1);

  const Package& package() const { return package_; }
  size_t num_segments() const { return segments_.size(); }
  const PreparedSegment& segment(size_t k) const { return package_.segments()[k]; }
  const MessageLayout& layout(size_t k) const { return layouts_[k]; }
  // Values that segment k reads of one image: channels * height * width.
  size_t input_size(size_t k) const;

  // A query of segment k for inputs.size() / input_size(k) images, 1 to kMaxImagesPerMessage, values
  // [image][channel][row][column]. `random` must be SystemRandom in use: masks and v are what hides the images.
  absl::StatusOr<PreparedQuery> Prepare(size_t k, std::span<const float> inputs, RandomSource& random,
                                        Workspace& workspace, int threads = 1) const;
  // A query of segment k, whose outputs stay shared modulo t, for shares of its inputs modulo 2^input_bits,
  // [image][channel][row][column]; and this party's shares of the outputs, [image][output][position].
  struct SharesQuery {
    Bytes message;
    ZeroizingVector<uint32_t> shares;
  };
  absl::StatusOr<SharesQuery> PrepareShares(size_t k, std::span<const uint32_t> inputs, RandomSource& random,
                                            Workspace& workspace, int threads = 1) const;
  // Encrypted outputs [image][output][position], exact integers, from the owner's reply. InvalidArgument if the reply
  // is not well-formed, or answers another query or a query for another package.
  absl::StatusOr<std::vector<int64_t>> Unmask(const PreparedQuery& query, std::span<const uint8_t> reply) const;

 private:
  struct Segment {
    EncryptedKernels kernels;
    TorusMap torus;
  };
  User(Package package, std::vector<Segment> segments, std::vector<MessageLayout> layouts)
      : package_(std::move(package)), segments_(std::move(segments)), layouts_(std::move(layouts)) {}
  template <typename Z>
  struct Wave;
  // Checks the number of values; the images that they are.
  absl::StatusOr<uint32_t> CountImages(size_t k, size_t values) const;
  // A query of so many images, whose planes `planes` makes.
  template <typename Z, typename PlanesFn>
  Bytes PrepareQuery(size_t k, uint32_t images, const PlanesFn& planes, std::span<Masks> masks, RandomSource& random,
                     Workspace& workspace, int threads) const;
  template <typename Z>
  void PreparePass(size_t k, const Wave<Z>& wave, uint64_t first_unit, std::span<Masks> masks, RandomSource& random,
                   int threads, EvaluationScratch& scratch, QueryWriter& query) const;
  Package package_;
  std::vector<Segment> segments_;
  std::vector<MessageLayout> layouts_;  // [segment]
};

}  // namespace privdnn
