#include "privdnn/torch/batches.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>
#include <random>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

enum class Stream : uint32_t { kShuffle = 1, kAffine = 2, kPixels = 3 };

// The engine's sequence and seed_seq are fixed by the C++ standard, unlike its distributions.
std::mt19937_64 Engine(uint64_t seed, Stream stream, uint64_t index) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(stream),
                         static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32)};
  return std::mt19937_64(sequence);
}

// Uniform in [-bound, bound).
double Symmetric(std::mt19937_64& engine, double bound) { return SymmetricUniform<double>(engine()) * bound; }

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

// True with this probability.
bool Decide(std::mt19937_64& engine, double probability) { return UnitUniform<double>(engine()) < probability; }

// One image of `channels` planes.
struct Planes {
  uint8_t* pixels;
  int64_t channels, height, width;

  // Moves the image by (dy, dx) pixels; what comes in is black. `scratch` is of the image's size.
  void Shift(int64_t dy, int64_t dx, std::vector<uint8_t>& scratch) const {
    std::fill(scratch.begin(), scratch.end(), uint8_t{0});
    const int64_t rows = std::max<int64_t>(height - std::abs(dy), 0);
    const int64_t columns = std::max<int64_t>(width - std::abs(dx), 0);
    for (int64_t row = 0; row < channels * rows && columns > 0; ++row) {
      const int64_t plane = row / rows * height, y = row % rows;
      const uint8_t* from = pixels + (plane + y + std::max<int64_t>(-dy, 0)) * width + std::max<int64_t>(-dx, 0);
      std::copy_n(from, columns,
                  scratch.data() + (plane + y + std::max<int64_t>(dy, 0)) * width + std::max<int64_t>(dx, 0));
    }
    std::copy(scratch.begin(), scratch.end(), pixels);
  }
  void Mirror() const {
    for (int64_t row = 0; row < channels * height; ++row) {
      std::reverse(pixels + row * width, pixels + (row + 1) * width);
    }
  }
  // As Pillow converts RGB to L.
  void LoseColours() const {
    const int64_t area = height * width;
    for (int64_t i = 0; i < area; ++i) {
      const uint32_t luma =
          (19595u * pixels[i] + 38470u * pixels[area + i] + 7471u * pixels[2 * area + i] + 0x8000u) >> 16;
      for (int64_t c = 0; c < 3; ++c) pixels[c * area + i] = static_cast<uint8_t>(luma);
    }
  }
};

at::Tensor ToUnitRange(const uint8_t* pixels, std::array<int64_t, 4> shape) {
  return at::from_blob(const_cast<uint8_t*>(pixels), shape, at::kByte).to(at::kFloat).div_(255.0);
}

}  // namespace

Normalization MeasureNormalization(const ImageSet& set) {
  const int64_t area = set.height * set.width;
  std::vector<double> sum(static_cast<size_t>(set.channels)), squares(sum.size());
  for (int64_t map = 0; map < set.count * set.channels; ++map) {
    uint64_t map_sum = 0, map_squares = 0;
    for (int64_t i = 0; i < area; ++i) {
      const uint64_t pixel = set.pixels[static_cast<size_t>(map * area + i)];
      map_sum += pixel;
      map_squares += pixel * pixel;
    }
    const auto channel = static_cast<size_t>(map % set.channels);
    sum[channel] += static_cast<double>(map_sum);
    squares[channel] += static_cast<double>(map_squares);
  }
  Normalization result;
  const double pixels = static_cast<double>(set.count * area);
  for (size_t c = 0; c < sum.size(); ++c) {
    const double mean = sum[c] / pixels;
    const double variance = squares[c] / pixels - mean * mean;
    result.mean.push_back(mean / 255);
    result.deviation.push_back(variance > 0 ? std::sqrt(variance) / 255 : 1);
  }
  return result;
}

BatchSource::BatchSource(const ImageSet& set, const TrainOptions& options, Normalization normalization,
                         const std::array<int64_t, 4>& border)
    : set_(set),
      options_(options),
      normalization_(std::move(normalization)),
      border_(border),
      batch_(std::min(options.batch, set.count)),
      steps_per_epoch_(batch_ == 0 ? 0 : static_cast<uint64_t>(set.count / batch_)),
      order_(static_cast<size_t>(set.count)) {}

void BatchSource::Shuffle(uint64_t epoch) {
  std::iota(order_.begin(), order_.end(), 0);
  std::mt19937_64 engine = Engine(options_.seed, Stream::kShuffle, epoch);
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[engine() % i]);
  shuffled_epoch_ = epoch;
}

std::pair<at::Tensor, at::Tensor> BatchSource::Training(uint64_t step, bool half_size) {
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
  ChangePixels(pixels, step);
  at::Tensor images = ToUnitRange(pixels.data(), {batch_, set_.channels, set_.height, set_.width});
  if (options_.augmentation.HasAffineMaps()) images = Distort(images, step);
  return {Finish(std::move(images), half_size), std::move(labels)};
}

at::Tensor BatchSource::Plain(int64_t begin, int64_t end, bool half_size) const {
  const int64_t image_bytes = set_.channels * set_.height * set_.width;
  return Finish(
      ToUnitRange(set_.pixels.data() + begin * image_bytes, {end - begin, set_.channels, set_.height, set_.width}),
      half_size);
}

void BatchSource::ChangePixels(std::span<uint8_t> pixels, uint64_t step) const {
  const Augmentation& options = options_.augmentation;
  if (options.crop_padding == 0 && options.flip == 0 && options.grayscale == 0) return;
  std::mt19937_64 engine = Engine(options_.seed, Stream::kPixels, step);
  const int64_t size = set_.channels * set_.height * set_.width;
  std::vector<uint8_t> scratch(static_cast<size_t>(size));
  for (int64_t i = 0; i < batch_; ++i) {
    const Planes image{pixels.data() + i * size, set_.channels, set_.height, set_.width};
    if (const int64_t padding = options.crop_padding; padding > 0) {
      const auto places = static_cast<uint64_t>(2 * padding + 1);
      const int64_t dy = static_cast<int64_t>(engine() % places) - padding;
      const int64_t dx = static_cast<int64_t>(engine() % places) - padding;
      image.Shift(dy, dx, scratch);
    }
    if (Decide(engine, options.flip)) image.Mirror();
    if (Decide(engine, options.grayscale) && set_.channels == 3) image.LoseColours();
  }
}

at::Tensor BatchSource::Distort(const at::Tensor& images, uint64_t step) const {
  std::mt19937_64 engine = Engine(options_.seed, Stream::kAffine, step);
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

at::Tensor BatchSource::Finish(at::Tensor images, bool half_size) const {
  if (half_size) images = at::avg_pool2d(images, {2, 2});
  if (border_ != std::array<int64_t, 4>{}) {
    const std::array<int64_t, 4> last_dimension_first = {border_[1], border_[3], border_[0], border_[2]};
    images = at::constant_pad_nd(images, last_dimension_first, 0);
  }
  for (int64_t c = 0; c < set_.channels; ++c) {
    const auto channel = static_cast<size_t>(c);
    images.select(1, c).sub_(normalization_.mean[channel]).div_(normalization_.deviation[channel]);
  }
  return images;
}

}  // namespace privdnn
