#include "privdnn/torch/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>
#include <random>

#include "privdnn/base/random.h"
#include "privdnn/torch/adam.h"
#include "privdnn/torch/program.h"

namespace privdnn {
namespace {

using Size = std::array<int64_t, 2>;  // height and width

// How many maps at first, where these are large and where not; half as many whenever sides double, down to kLeastWidth.
constexpr int64_t kWidthOfLarge = 32, kWidthOfSmall = 64, kLeastWidth = 8;
constexpr int64_t kLarge = 256;  // positions
// Features of an image of which each may reach every pixel, by a full layer; and that layer's weights at most.
constexpr int64_t kMostDense = 4096;
constexpr int64_t kMostDenseWeights = int64_t{1} << 22;
constexpr int64_t kVectorSide = 4;  // at least, of the maps that vectors become
constexpr int64_t kHoldOutEvery = 10;
constexpr int64_t kDecodeBatch = 64;
constexpr double kLeastShare = 1e-10;  // of a channel's mean square that its variance has if it isn't rounding

// What becomes of one tensor of features: maps of the layout's first size.
struct Entry {
  std::vector<int64_t> shape;  // without the images
  bool convolved;              // a map: by a 3x3 convolution of its own size, then scaled
  std::optional<Size> dense;   // a vector or a small map: by a full layer to maps of this size, then scaled
  int64_t values() const { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }
};

// Shapes from features to image: all that is decided before training.
struct Layout {
  std::vector<Entry> entries;
  std::vector<Size> sizes;      // from that of the sum of all entries' maps to the image's
  std::vector<int64_t> widths;  // of each of these
  std::vector<int64_t> image;   // {C, H, W}
};

// The image's size, halved again and again, down to 1x1.
std::vector<Size> Halvings(Size size) {
  std::vector<Size> sizes{size};
  while (size[0] > 1 || size[1] > 1) {
    size = {(size[0] + 1) / 2, (size[1] + 1) / 2};
    sizes.push_back(size);
  }
  return sizes;
}

Layout MakeLayout(const std::vector<Tensor>& features, const Tensor& images) {
  Layout layout;
  layout.image.assign(images.shape.begin() + 1, images.shape.end());
  const std::vector<Size> halvings = Halvings({images.dim(2), images.dim(3)});
  // The first size is the smallest that holds every map, or for vectors alone kVectorSide.
  size_t first = halvings.size() - 1;
  const auto holds = [&](size_t k, int64_t height, int64_t width) {
    return halvings[k][0] >= height && halvings[k][1] >= width;
  };
  for (const Tensor& f : features) {
    const bool map = f.shape.size() == 4;
    while (first > 0 && !holds(first, map ? f.dim(2) : kVectorSide, map ? f.dim(3) : kVectorSide)) --first;
  }
  const int64_t positions = halvings[first][0] * halvings[first][1];
  int64_t width = positions > kLarge ? kWidthOfLarge : kWidthOfSmall;
  for (const Tensor& f : features) {
    Entry entry{{f.shape.begin() + 1, f.shape.end()}, f.shape.size() == 4, {}};
    if (!entry.convolved || entry.values() <= kMostDense) {
      size_t k = first;
      const auto weights = [&] { return entry.values() * width * halvings[k][0] * halvings[k][1]; };
      while (k + 1 < halvings.size() && weights() > kMostDenseWeights) ++k;
      entry.dense = halvings[k];
    }
    layout.entries.push_back(std::move(entry));
  }
  for (size_t k = first + 1; k-- > 0; width = std::max(width / 2, kLeastWidth)) {
    layout.sizes.push_back(halvings[k]);
    layout.widths.push_back(width);
  }
  return layout;
}

absl::Status CheckFeatures(const std::vector<Tensor>& features) {
  if (features.empty()) return InvalidArgument("decoder: no features");
  for (size_t i = 0; i < features.size(); ++i) {
    const Tensor& f = features[i];
    const int64_t count = ElementCount(f.shape).value_or(-1);
    if ((f.shape.size() != 2 && f.shape.size() != 4) || count != f.size() || count < 1 ||
        f.dim(0) != features[0].dim(0)) {
      return InvalidArgument("decoder: features {} have shape ({}) and {} values: needs (N, C, H, W) or (N, C), N = {}",
                             i, fmt::join(f.shape, ", "), f.size(), features[0].shape.empty() ? 0 : features[0].dim(0));
    }
    if (!std::all_of(f.values.begin(), f.values.end(), [](float v) { return std::isfinite(v); })) {
      return InvalidArgument("decoder: features {} have a value that is not finite", i);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTraining(const std::vector<Tensor>& features, const Tensor& images, const DecoderOptions& o) {
  PRIVDNN_RETURN_IF_ERROR(CheckFeatures(features));
  if (o.epochs < 1 || o.batch < 1 || !(o.learning_rate > 0)) {
    return InvalidArgument("decoder: {} epochs in batches of {} at rate {}: needs 1 or more of each, a positive rate",
                           o.epochs, o.batch, o.learning_rate);
  }
  const bool fits = images.shape.size() == 4 && ElementCount(images.shape).value_or(-1) == images.size() &&
                    images.size() > 0 && images.dim(0) == features[0].dim(0) && images.dim(0) >= 2;
  if (!fits) {
    return InvalidArgument(
        "decoder: images of shape ({}) for features of {}: needs (N, C, H, W) with as many, 2 or more",
        fmt::join(images.shape, ", "), features[0].dim(0));
  }
  if (!std::all_of(images.values.begin(), images.values.end(), [](float v) { return v >= 0 && v <= 1; })) {
    return InvalidArgument("decoder: an image has a pixel outside [0, 1]");
  }
  return absl::OkStatus();
}

// How features are brought to mean 0 and variance 1, a channel: (1, C) or (1, C, 1, 1) each.
struct Standard {
  at::Tensor mean, scale;
};

// (N, C, ...) divided by the root mean square of each channel of each image.
at::Tensor WithoutScales(const at::Tensor& x) {
  const at::Tensor square = x.reshape({x.size(0), x.size(1), -1}).square().mean(2);
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  shape[1] = x.size(1);
  // A channel of zeros stays so, however small the others are.
  return x * at::where(square > 0, square.rsqrt(), at::zeros_like(square)).reshape(shape);
}

Standard Standardise(const at::Tensor& x) {
  const std::vector<int64_t> axes = x.dim() == 4 ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>{0};
  const at::Tensor mean = x.mean(axes, true);
  const at::Tensor variance = (x - mean).square().mean(axes, true);
  // A channel that never changes stays 0.
  return {mean, at::where(variance > kLeastShare * mean.square(), variance.rsqrt(), at::zeros_like(variance))};
}

// The network's weights in the order in which Forward takes them.
std::vector<at::Tensor> FirstWeights(const Layout& layout, std::mt19937_64& engine) {
  std::vector<at::Tensor> weights;
  // He et al., ICCV 2015: variance 2 / fan-in in front of rectifiers.
  const auto add = [&](std::vector<int64_t> shape, double gain) {
    Tensor w = Tensor::Zeros(shape);
    const auto fan_in = static_cast<double>(w.size() / shape[0]);
    const auto bound = static_cast<float>(gain * std::sqrt(6 / fan_in));
    for (float& v : w.values) v = bound * SymmetricUniform<float>(engine());
    weights.push_back(ToTorch(w));
    weights.push_back(at::zeros({shape[0]}));
  };
  const int64_t width = layout.widths[0];
  for (const Entry& entry : layout.entries) {
    if (entry.convolved) add({width, entry.shape[0], 3, 3}, 1);
    if (entry.dense) add({width * (*entry.dense)[0] * (*entry.dense)[1], entry.values()}, 1);
  }
  add({width, width, 3, 3}, 1);
  for (size_t k = 1; k < layout.sizes.size(); ++k) add({4 * layout.widths[k], layout.widths[k - 1], 3, 3}, 1);
  add({layout.image[0], layout.widths.back(), 3, 3}, 0);  // starts with the mean image
  return weights;
}

// inputs: standardised features. Returns images, not clamped.
at::Tensor Forward(const Layout& layout, const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& inputs,
                   const at::Tensor& mean_image) {
  size_t next = 0;
  const auto convolve = [&](const at::Tensor& x) {
    next += 2;
    return at::conv2d(x, weights[next - 2], weights[next - 1], /*stride=*/1, /*padding=*/1);
  };
  at::Tensor x;
  const auto add = [&](at::Tensor maps) {
    if (maps.size(2) != layout.sizes[0][0] || maps.size(3) != layout.sizes[0][1]) {
      maps = at::upsample_bilinear2d(maps, layout.sizes[0], /*align_corners=*/false);
    }
    x = x.defined() ? x + maps : maps;
  };
  for (size_t i = 0; i < layout.entries.size(); ++i) {
    const Entry& entry = layout.entries[i];
    if (entry.convolved) add(convolve(inputs[i]));
    if (entry.dense) {
      next += 2;
      add(at::linear(inputs[i].flatten(1), weights[next - 2], weights[next - 1])
              .reshape({-1, layout.widths[0], (*entry.dense)[0], (*entry.dense)[1]}));
    }
  }
  x = convolve(x.relu()).relu();
  for (size_t k = 1; k < layout.sizes.size(); ++k) {
    const auto [height, width] = layout.sizes[k];
    x = at::pixel_shuffle(convolve(x), 2).slice(2, 0, height).slice(3, 0, width).relu();
  }
  return convolve(x) + mean_image;
}

struct Network {
  Layout layout;
  bool unknown_scales;
  std::vector<Standard> standards;  // of each tensor of features
  at::Tensor mean_image;            // (1, C, H, W)
  std::vector<at::Tensor> weights;

  at::Tensor Run(const std::vector<at::Tensor>& features, const std::vector<at::Tensor>& at_weights) const {
    std::vector<at::Tensor> inputs;
    for (size_t i = 0; i < features.size(); ++i) {
      const at::Tensor x = unknown_scales ? WithoutScales(features[i]) : features[i];
      inputs.push_back((x - standards[i].mean) * standards[i].scale);
    }
    return Forward(layout, at_weights, inputs, mean_image);
  }
  at::Tensor Images(const std::vector<at::Tensor>& features) const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> pieces;
    for (int64_t begin = 0; begin < features[0].size(0); begin += kDecodeBatch) {
      std::vector<at::Tensor> batch;
      for (const at::Tensor& f : features) batch.push_back(f.slice(0, begin, begin + kDecodeBatch));
      pieces.push_back(Run(batch, weights).clamp(0, 1));
    }
    return at::cat(pieces);
  }
};

// The attacker's own images and their features.
struct Samples {
  std::vector<at::Tensor> features;
  at::Tensor images;

  int64_t count() const { return images.size(0); }
  Samples Pick(const at::Tensor& indices) const {
    Samples picked{{}, images.index_select(0, indices)};
    for (const at::Tensor& f : features) picked.features.push_back(f.index_select(0, indices));
    return picked;
  }
};

// 0 to count - 1 in random order.
at::Tensor RandomOrder(int64_t count, std::mt19937_64& engine) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[engine() % i]);
  return at::tensor(order, at::kLong);
}

class Trainer {
 public:
  Trainer(Network& network, const Samples& samples, const DecoderOptions& options, std::mt19937_64& engine)
      : network_(network), samples_(samples), options_(options), engine_(engine) {
    for (const at::Tensor& w : network.weights) {
      first_moments_.push_back(at::zeros_like(w));
      second_moments_.push_back(at::zeros_like(w));
    }
  }

  // Leaves the network with the weights of the epoch that is best on `held_out`.
  absl::Status Run(const Samples& held_out, const ProgressFn& progress) {
    double best_error = std::numeric_limits<double>::infinity();
    std::vector<at::Tensor> best_weights;
    const int64_t batches = (samples_.count() + options_.batch - 1) / options_.batch;
    const auto total = static_cast<uint64_t>(batches) * static_cast<uint64_t>(options_.epochs);
    for (int epoch = 1; epoch <= options_.epochs; ++epoch) {
      const at::Tensor order = RandomOrder(samples_.count(), engine_);
      for (int64_t b = 0; b < batches; ++b) {
        PRIVDNN_RETURN_IF_ERROR(
            Step(samples_.Pick(order.slice(0, b * options_.batch, (b + 1) * options_.batch)), total));
        const std::string note = fmt::format("epoch {}", epoch);
        if (!Proceeds(progress, step_, total, note)) {
          return absl::CancelledError(fmt::format("decoder stopped after {} of {} steps", step_, total));
        }
      }
      const double error = (network_.Images(held_out.features) - held_out.images).square().mean().item<double>();
      if (!best_weights.empty() && !(error < best_error)) continue;
      best_error = error;
      best_weights.clear();
      for (const at::Tensor& w : network_.weights) best_weights.push_back(w.clone());
    }
    network_.weights = std::move(best_weights);
    return absl::OkStatus();
  }

 private:
  absl::Status Step(const Samples& batch, uint64_t total) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& w : network_.weights) leaves.push_back(w.detach().requires_grad_());
    const at::Tensor loss = (network_.Run(batch.features, leaves) - batch.images).square().mean();
    const double value = loss.item<double>();
    if (!std::isfinite(value)) return FailedPrecondition("decoder: the loss of step {} is {}", step_ + 1, value);
    loss.backward();
    const at::NoGradGuard no_grad;
    const double progress = static_cast<double>(step_) / static_cast<double>(total);
    const double rate = options_.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * progress));
    const auto step = static_cast<double>(++step_);
    for (size_t i = 0; i < leaves.size(); ++i) {
      const at::Tensor root = AdamRoot(first_moments_[i], second_moments_[i], leaves[i].grad(), step);
      network_.weights[i].addcdiv_(first_moments_[i], root, -AdamRate(rate, step));
    }
    return absl::OkStatus();
  }

  Network& network_;
  const Samples& samples_;
  const DecoderOptions& options_;
  std::mt19937_64& engine_;
  std::vector<at::Tensor> first_moments_, second_moments_;
  uint64_t step_ = 0;
};

}  // namespace

struct Decoder::Impl {
  Network network;
};

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

absl::StatusOr<Decoder> Decoder::Train(const std::vector<Tensor>& features, const Tensor& images,
                                       const DecoderOptions& options, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckTraining(features, images, options));
  try {
    std::mt19937_64 engine(options.seed);
    Samples all{{}, ToTorch(images)};
    for (const Tensor& f : features) all.features.push_back(ToTorch(f));
    const at::Tensor order = RandomOrder(all.count(), engine);
    const int64_t out = std::max<int64_t>(1, all.count() / kHoldOutEvery);
    const Samples held_out = all.Pick(order.slice(0, 0, out)), samples = all.Pick(order.slice(0, out));
    Network network{MakeLayout(features, images), options.unknown_scales, {}, samples.images.mean({0}, true), {}};
    for (const at::Tensor& f : samples.features) {
      network.standards.push_back(Standardise(options.unknown_scales ? WithoutScales(f) : f));
    }
    network.weights = FirstWeights(network.layout, engine);
    PRIVDNN_RETURN_IF_ERROR(Trainer(network, samples, options, engine).Run(held_out, progress));
    return Decoder(std::make_unique<Impl>(Impl{std::move(network)}));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("decoder: {}", e.what()));
  }
}

absl::StatusOr<Tensor> Decoder::Decode(const std::vector<Tensor>& features) const {
  PRIVDNN_RETURN_IF_ERROR(CheckFeatures(features));
  const std::vector<Entry>& entries = impl_->network.layout.entries;
  if (features.size() != entries.size()) {
    return InvalidArgument("decoder: {} tensors of features, trained with {}", features.size(), entries.size());
  }
  std::vector<at::Tensor> inputs;
  for (size_t i = 0; i < features.size(); ++i) {
    const std::vector<int64_t>& shape = features[i].shape;
    if (!std::equal(shape.begin() + 1, shape.end(), entries[i].shape.begin(), entries[i].shape.end())) {
      return InvalidArgument("decoder: features {} have shape ({}), trained with ({}) an image", i,
                             fmt::join(shape, ", "), fmt::join(entries[i].shape, ", "));
    }
    inputs.push_back(ToTorch(features[i]));
  }
  try {
    return FromTorch(impl_->network.Images(inputs));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("decoder: {}", e.what()));
  }
}

}  // namespace privdnn
