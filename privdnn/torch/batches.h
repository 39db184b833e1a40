// Batches of a training set as LibTorch tensors: shuffled, augmented, normalised. Internal to torch.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "privdnn/data/dataset.h"
#include "privdnn/graph/normalization.h"
#include "privdnn/torch/train.h"

namespace at {
class Tensor;
}

namespace privdnn {

// Measures all pixels of a set, on the scale [0, 1]. A channel without variation gets deviation 1.
Normalization MeasureNormalization(const ImageSet& set);

// All randomness comes from (seed, epoch) and (seed, step), so training can resume at any step.
class BatchSource {
 public:
  // The set and the options must outlive the source. `border` is the number of black pixels (top, left, bottom, right)
  // around each image.
  BatchSource(const ImageSet& set, const TrainOptions& options, Normalization normalization,
              const std::array<int64_t, 4>& border);

  // An epoch consists of full batches; the rest of the shuffled set is left out. A set smaller than a batch is one
  // batch.
  uint64_t steps_per_epoch() const { return steps_per_epoch_; }
  // Returns the images (batch, C, H, W) with their border, and the labels (batch), of a step; steps are counted over
  // all epochs. If `half_size`, halves the images, by means of 2x2 pixels, before adding the border.
  std::pair<at::Tensor, at::Tensor> Training(uint64_t step, bool half_size);
  // Returns images [begin, end) in order, changed only in size, border and normalisation.
  at::Tensor Plain(int64_t begin, int64_t end, bool half_size) const;

 private:
  void Shuffle(uint64_t epoch);
  // Crops and flips a batch of images and changes their colours, in place.
  void ChangePixels(std::span<uint8_t> pixels, uint64_t step) const;
  at::Tensor Distort(const at::Tensor& images, uint64_t step) const;
  // Applies size, border and normalisation. May work in place.
  at::Tensor Finish(at::Tensor images, bool half_size) const;

  const ImageSet& set_;
  const TrainOptions& options_;
  Normalization normalization_;
  std::array<int64_t, 4> border_;
  int64_t batch_;
  uint64_t steps_per_epoch_;
  uint64_t shuffled_epoch_ = UINT64_MAX;
  std::vector<int64_t> order_;
};

}  // namespace privdnn
