// Reconstructs images from the features that a network computes of them, with a network trained to invert it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct DecoderOptions {
  int epochs = 20;
  int64_t batch = 16;           // images per step
  double learning_rate = 3e-3;  // Adam's initial rate; falls to 0 along a cosine
  // Set if every channel of every image was multiplied by an unknown positive factor. Channels are then divided by
  // their root mean square first, so the result is the same for any factors.
  bool unknown_scales = false;
  uint64_t seed = 1;  // for initial weights, order, and the choice of held-out images
};

// A small convolutional network from features to images, trained on the mean square difference of pixels. Features are
// standardised per channel. Maps go through a 3x3 convolution; vectors and small maps (also) go through a fully
// connected layer. Both give maps of one size, which are added up. 3x3 convolutions with rectifiers follow; the last of
// them double height and width by sub-pixel convolution (Shi et al., CVPR 2016) until they match the image's. The
// output is added to the mean image, from which training starts.
class Decoder {
 public:
  // `features` holds tensors (N, C, H, W) or (N, C), all with the same N; `images` is (N, C', H', W') in [0, 1], N >=
  // 2. Holds out a tenth of the images, at least one, and keeps the epoch that is best on these. Repeatable for a given
  // seed, machine and thread count (SetExecutorThreads). `progress` counts steps. Fails with Cancelled if it returns
  // false, with InvalidArgument if shapes don't fit, values aren't finite or options are out of range, and with
  // FailedPrecondition if the loss becomes infinite or NaN.
  static absl::StatusOr<Decoder> Train(const std::vector<Tensor>& features, const Tensor& images,
                                       const DecoderOptions& options, const ProgressFn& progress);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  // Returns images in [0, 1] for features like those used in training, of any number of images. Fails with
  // InvalidArgument if the features don't fit.
  absl::StatusOr<Tensor> Decode(const std::vector<Tensor>& features) const;

 private:
  struct Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
