#include "nn/batches.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>
#include <random>

namespace privdnn::nn {
namespace {

enum class Stream : uint32_t { kShuffle = 1, kAugment = 2 };

// The engine's sequence and seed_seq are fixed by the C++ standard, unlike its distributions.
std::mt19937_64 Engine(uint64_t seed, Stream stream, uint64_t index) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(stream),
                         static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32)};
  return std::mt19937_64(sequence);
}

// Uniform in [-bound, bound).
double Symmetric(std::mt19937_64& engine, double bound) {
  return (static_cast<double>(engine() >> 11) * 0x1p-52 - 1) * bound;
}

// The 2x3 matrix that takes output coordinates to input coordinates, both running from -1 to 1 over the image.
std::array<double, 6> RandomAffineMap(std::mt19937_64& engine, const Augmentation& options, int64_t height,
                                      int64_t width) {
  const double angle = Symmetric(engine, options.rotation_degrees) * std::numbers::pi / 180;
  const double zoom_x = std::exp(Symmetric(engine, options.log_scale));
  const double zoom_y = std::exp(Symmetric(engine, options.log_scale));
  const double shear = Symmetric(engine, options.shear);
  const double shift_x = Symmetric(engine, options.shift_pixels) * 2 / static_cast<double>(width);
  const double shift_y = Symmetric(engine, options.shift_pixels) * 2 / static_cast<double>(height);
  // In pixels: rotation * (zoom with shear); then the axes' units.
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double aspect = static_cast<double>(height) / static_cast<double>(width);
  return {cosine * zoom_x,        (cosine * shear - sine) * zoom_y * aspect, shift_x,
          sine * zoom_x / aspect, (sine * shear + cosine) * zoom_y,          shift_y};
}

at::Tensor ToUnitRange(const uint8_t* pixels, std::array<int64_t, 4> shape) {
  return at::from_blob(const_cast<uint8_t*>(pixels), shape, at::kByte).to(at::kFloat).div_(255.0);
}

}  // namespace

BatchSource::BatchSource(const ImageSet& set, const TrainOptions& options, Normalization normalization)
    : set_(set),
      options_(options),
      normalization_(std::move(normalization)),
      batch_(std::min(options.batch, set.count)),
      steps_per_epoch_(batch_ == 0 ? 0 : static_cast<uint64_t>(set.count / batch_)),
      order_(static_cast<size_t>(set.count)) {}

void BatchSource::Shuffle(uint64_t epoch) {
  std::iota(order_.begin(), order_.end(), 0);
  std::mt19937_64 engine = Engine(options_.seed, Stream::kShuffle, epoch);
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[engine() % i]);
  shuffled_epoch_ = epoch;
}

std::pair<at::Tensor, at::Tensor> BatchSource::Training(uint64_t step) {
  const uint64_t epoch = step / steps_per_epoch_;
  if (epoch != shuffled_epoch_) Shuffle(epoch);
  const auto first = order_.begin() + static_cast<int64_t>(step % steps_per_epoch_) * batch_;
  const int64_t image_bytes = set_.channels * set_.height * set_.width;
  std::vector<uint8_t> pixels(static_cast<size_t>(batch_ * image_bytes));
  at::Tensor labels = at::empty({batch_}, at::kLong);
  for (int64_t i = 0; i < batch_; ++i) {
    std::memcpy(pixels.data() + i * image_bytes, set_.pixels.data() + first[i] * image_bytes,
                static_cast<size_t>(image_bytes));
    labels.data_ptr<int64_t>()[i] = set_.labels[static_cast<size_t>(first[i])];
  }
  at::Tensor images = ToUnitRange(pixels.data(), {batch_, set_.channels, set_.height, set_.width});
  if (options_.augment) images = Augment(images, step);
  return {Normalize(images), std::move(labels)};
}

at::Tensor BatchSource::Plain(int64_t begin, int64_t end) const {
  const int64_t image_bytes = set_.channels * set_.height * set_.width;
  return Normalize(
      ToUnitRange(set_.pixels.data() + begin * image_bytes, {end - begin, set_.channels, set_.height, set_.width}));
}

at::Tensor BatchSource::Augment(const at::Tensor& images, uint64_t step) const {
  std::mt19937_64 engine = Engine(options_.seed, Stream::kAugment, step);
  at::Tensor maps = at::empty({images.size(0), 2, 3}, at::kFloat);
  float* out = maps.data_ptr<float>();
  for (int64_t i = 0; i < images.size(0); ++i) {
    for (const double v : RandomAffineMap(engine, options_.augmentation, set_.height, set_.width)) {
      *out++ = static_cast<float>(v);
    }
  }
  constexpr int64_t kBilinear = 0, kZerosOutside = 0;
  const at::Tensor grid = at::affine_grid_generator(maps, images.sizes(), false);
  return at::grid_sampler(images, grid, kBilinear, kZerosOutside, false);
}

at::Tensor BatchSource::Normalize(const at::Tensor& images) const {
  at::Tensor result = images;
  for (int64_t c = 0; c < set_.channels; ++c) {
    const auto channel = static_cast<size_t>(c);
    result.select(1, c).sub_(normalization_.mean[channel]).div_(normalization_.deviation[channel]);
  }
  return result;
}

}  // namespace privdnn::nn
