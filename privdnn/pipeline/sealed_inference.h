// The user's side of the sealed mode: from a package and images to answers, over whatever carries messages.
#pragma once

#include "privdnn/pipeline/seal_on_images.h"
#include "privdnn/pipeline/transport.h"

namespace privdnn {

// What a sealed package holds in place of a plaintext rest: the program and the network in front of it.
Bytes WriteSealedPart(const SealedModel& model);

// A sealed package, opened by its user. Foreign bytes: everything is checked.
class SealedUser {
 public:
  // Whether a package is of the sealed mode, by its segments.
  static bool Takes(const Package& package);
  // Fails with InvalidArgument, naming what is wrong in the package.
  static absl::StatusOr<SealedUser> Create(Package package, int threads);

  const User& user() const { return user_; }
  const SealedProgram& program() const { return program_; }
  // The shape of an image, without the batch.
  const std::vector<int64_t>& image_shape() const { return image_shape_; }

  struct Asked {
    SealedAnswer answer;
    uint64_t bytes_up = 0, bytes_down = 0;
    uint64_t messages = 0;          // of the user
    double owner_ms = 0;            // as the owner says
    uint64_t images_remaining = 0;  // left in the budget, as the owner says
  };
  // Asks `owner` about images (N, ...), 1 to kMaxImagesPerMessage. Their answer is one flow: nothing is answered if it
  // fails, and nothing is taken from the budget unless it fails behind the reveal.
  absl::StatusOr<Asked> Ask(OwnerTransport& owner, const Tensor& images, std::chrono::milliseconds deadline) const;

 private:
  SealedUser(User user, SealedProgram program, SealedFront front, std::vector<int64_t> image_shape, int threads)
      : user_(std::move(user)),
        program_(std::move(program)),
        front_(std::move(front)),
        image_shape_(std::move(image_shape)),
        threads_(threads) {}
  User user_;
  SealedProgram program_;
  SealedFront front_;
  std::vector<int64_t> image_shape_;
  int threads_;
};

}  // namespace privdnn
