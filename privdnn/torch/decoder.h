// Images from what a network makes of them, by a network that was trained to turn it round.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

struct DecoderOptions {
  int epochs = 20;
  int64_t batch = 16;           // images a step
  double learning_rate = 3e-3;  // Adam's, at the beginning; it falls to 0 by a cosine
  // Every channel of every image was multiplied by a positive factor that isn't known: channels are divided by their
  // root mean square first, so that the result is the same for any factors.
  bool unknown_scales = false;
  uint64_t seed = 1;  // of first weights, order, and which images are held out
};

// A small convolutional network from features to images, trained by the mean square difference of pixels. Features are
// standardised, a channel. Those that are maps go through a 3x3 convolution, vectors and small maps (also) through a
// full layer; both give maps of one size, which are added up. 3x3 convolutions with rectifiers follow, the last of
// which double height and width by sub-pixel convolution (Shi et al., CVPR 2016) until they are the image's. What comes
// out is added to the mean image, from which training starts.
class Decoder {
 public:
  // features: tensors (N, C, H, W) or (N, C), N of all the same; images: (N, C', H', W') in [0, 1], N >= 2. A tenth of
  // them, one at least, is held out: the epoch that is best on these counts. Repeats for a seed, a machine and a thread
  // count (SetExecutorThreads). `progress` counts steps; Cancelled if it returns false. InvalidArgument for shapes that
  // don't fit, values that aren't finite, options out of range; FailedPrecondition for a loss that isn't finite.
  static absl::StatusOr<Decoder> Train(const std::vector<Tensor>& features, const Tensor& images,
                                       const DecoderOptions& options, const ProgressFn& progress);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  // Images in [0, 1] from features like those that it was trained on, of any number of images. InvalidArgument if they
  // don't fit.
  absl::StatusOr<Tensor> Decode(const std::vector<Tensor>& features) const;

 private:
  struct Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
