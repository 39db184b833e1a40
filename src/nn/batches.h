// Batches of a training set as LibTorch tensors: shuffled, augmented, normalised. Internal to nn.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "nn/normalization.h"
#include "nn/train.h"

namespace at {
class Tensor;
}

namespace privdnn::nn {

// All randomness comes from (seed, epoch) and (seed, step), so that a training can be taken up at any step.
class BatchSource {
 public:
  // The set and the options must outlive the source.
  BatchSource(const ImageSet& set, const TrainOptions& options, Normalization normalization);

  // Images in an epoch come in full batches; the rest of the shuffled set is left out. A set smaller than a batch is
  // one.
  uint64_t steps_per_epoch() const { return steps_per_epoch_; }
  // (images (batch, C, H, W), labels (batch)) of a step, counted over all epochs.
  std::pair<at::Tensor, at::Tensor> Training(uint64_t step);
  // Images [begin, end) in order, as they are but for normalisation.
  at::Tensor Plain(int64_t begin, int64_t end) const;

 private:
  void Shuffle(uint64_t epoch);
  at::Tensor Augment(const at::Tensor& images, uint64_t step) const;
  at::Tensor Normalize(const at::Tensor& images) const;

  const ImageSet& set_;
  const TrainOptions& options_;
  Normalization normalization_;
  int64_t batch_;
  uint64_t steps_per_epoch_;
  uint64_t shuffled_epoch_ = UINT64_MAX;
  std::vector<int64_t> order_;
};

}  // namespace privdnn::nn
