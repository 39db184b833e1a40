#include "privdnn/torch/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "privdnn/testing/graphs.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using testing::Each;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

// Uniform in [0, 1).
Tensor RandomTensor(std::vector<int64_t> shape, uint64_t seed) {
  Tensor tensor = Tensor::Zeros(std::move(shape));
  std::mt19937_64 engine(seed);
  for (float& v : tensor.values) v = static_cast<float>(engine() >> 40) * 0x1p-24f;
  return tensor;
}

// Images in which neighbours are alike: a ramp between random ends, and a square of noise on it.
Tensor Pictures(int64_t count, int64_t side, uint64_t seed) {
  Tensor images = RandomTensor({count, 1, side, side}, seed);
  std::mt19937_64 engine(seed + 1000);
  const auto uniform = [&] { return static_cast<float>(engine() >> 40) * 0x1p-24f; };
  for (int64_t i = 0; i < count; ++i) {
    const float left = uniform(), right = uniform(), top = uniform();
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        const float along = static_cast<float>(x) / static_cast<float>(side - 1);
        const float down = static_cast<float>(y) / static_cast<float>(side - 1);
        float& pixel = images.values[static_cast<size_t>((i * side + y) * side + x)];
        pixel = 0.1f * pixel + 0.6f * (left + (right - left) * along) + 0.3f * top * down;
      }
    }
  }
  return images;
}

// Squares of six mixtures of each 2x2 window.
Tensor Maps(const Tensor& images) {
  op::Conv conv;
  conv.window.kernel = {2, 2};
  conv.window.strides = {2, 2};
  Tensor w = RandomTensor({6, 1, 2, 2}, 3);
  for (float& v : w.values) v -= 0.3f;
  const Graph graph = SingleNodeGraph({1, images.dim(2), images.dim(3)}, conv, {{"w", w}}, {"x", "w"},
                                      {6, images.dim(2) / 2, images.dim(3) / 2});
  Tensor maps = std::move(Executor::Create(graph)->Run({{"x", images}})->at("y"));
  for (float& v : maps.values) v *= v;
  return maps;
}

// The same as vectors (N, C).
Tensor Vectors(const Tensor& maps) { return {{maps.dim(0), maps.size() / maps.dim(0)}, maps.values}; }

double MeanSquare(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double sum = 0;
  for (size_t i = 0; i < a.values.size(); ++i) sum += std::pow(double{a.values[i]} - b.values[i], 2);
  return sum / static_cast<double>(a.values.size());
}

// What a guess is off without looking: the mean image.
double Spread(const Tensor& images) {
  Tensor mean = Tensor::Zeros(images.shape);
  const auto size = static_cast<size_t>(images.size() / images.dim(0));
  for (size_t i = 0; i < images.values.size(); ++i) {
    mean.values[i % size] += images.values[i] / static_cast<float>(images.dim(0));
  }
  for (size_t i = size; i < mean.values.size(); ++i) mean.values[i] = mean.values[i % size];
  return MeanSquare(mean, images);
}

DecoderOptions Epochs(int epochs) {
  DecoderOptions options;
  options.epochs = epochs;
  options.batch = 8;
  return options;
}

// The error on images that it wasn't trained on, as a share of the mean image's.
double ErrorShare(const std::vector<Tensor>& features, const Tensor& images, const std::vector<Tensor>& other_features,
                  const Tensor& others, const DecoderOptions& options) {
  const auto decoder = Decoder::Train(features, images, options, {});
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  if (!decoder.ok()) return 1;
  const auto found = decoder->Decode(other_features);
  EXPECT_TRUE(found.ok()) << found.status();
  if (!found.ok()) return 1;
  EXPECT_THAT(found->values, Each(testing::AllOf(Ge(0.0f), Le(1.0f))));
  return MeanSquare(*found, others) / Spread(others);
}

TEST(Decoder, TurnsMapsVectorsAndSeveralOfThemIntoImages) {
  // Sides that halve to odd numbers.
  const Tensor images = Pictures(100, 10, 1), others = Pictures(20, 10, 2);
  const Tensor maps = Maps(images), other_maps = Maps(others);
  EXPECT_LT(ErrorShare({maps}, images, {other_maps}, others, Epochs(20)), 0.4);
  EXPECT_LT(ErrorShare({Vectors(maps)}, images, {Vectors(other_maps)}, others, Epochs(20)), 0.5);
  EXPECT_LT(ErrorShare({maps, Vectors(maps)}, images, {other_maps, Vectors(other_maps)}, others, Epochs(20)), 0.4);
}

TEST(Decoder, MapsTooLargeForFullLayersAreConvolved) {
  const Tensor images = Pictures(30, 64, 1), others = Pictures(5, 64, 2);
  const Tensor maps = Maps(images);
  ASSERT_GT(maps.size() / maps.dim(0), 4096);
  EXPECT_LT(ErrorShare({maps}, images, {Maps(others)}, others, Epochs(10)), 0.6);
}

TEST(Decoder, ScalesDontMatterIfUnknown) {
  const Tensor images = Pictures(100, 8, 1), others = Pictures(20, 8, 2);
  Tensor maps = Maps(images), scaled = maps;
  for (size_t i = 0; i < scaled.values.size(); ++i) {  // powers of two, another for each channel of 16 values
    scaled.values[i] *= std::pow(2.0f, static_cast<float>(i / 16 % 7));
  }
  DecoderOptions options = Epochs(3);
  options.unknown_scales = true;
  const auto a = Decoder::Train({maps}, images, options, {}), b = Decoder::Train({scaled}, images, options, {});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_LT(MeanSquare(*a->Decode({Maps(others)}), *b->Decode({Maps(others)})), 1e-8);
  EXPECT_LT(MeanSquare(*a->Decode({maps}), *a->Decode({scaled})), 1e-10);
}

// What noise says is nothing, and the mean image is the best that can be said then.
TEST(Decoder, GivesTheMeanImageFromNoise) {
  const Tensor images = Pictures(200, 8, 1), others = Pictures(50, 8, 2);
  const double share =
      ErrorShare({RandomTensor({200, 6, 4, 4}, 3)}, images, {RandomTensor({50, 6, 4, 4}, 4)}, others, Epochs(5));
  EXPECT_GT(share, 0.9);
  EXPECT_LT(share, 1.2);
}

TEST(Decoder, RepeatsAndIsCancelled) {
  const Tensor images = Pictures(40, 8, 1), maps = Maps(images);
  uint64_t calls = 0;
  const ProgressFn count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 10u);  // 36 images are trained on, in batches of 8
    return true;
  };
  const auto first = Decoder::Train({maps}, images, Epochs(2), count);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(calls, 10u);
  EXPECT_EQ(first->Decode({maps})->values, Decoder::Train({maps}, images, Epochs(2), {})->Decode({maps})->values);
  DecoderOptions other = Epochs(2);
  other.seed = 2;
  EXPECT_NE(first->Decode({maps})->values, Decoder::Train({maps}, images, other, {})->Decode({maps})->values);
  const ProgressFn stop = [](uint64_t done, uint64_t, const std::string&) { return done < 3; };
  const absl::Status status = Decoder::Train({maps}, images, Epochs(2), stop).status();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST(Decoder, RefusesWhatDoesNotFit) {
  const Tensor images = Pictures(4, 8, 1), maps = Maps(images);
  const auto error = [&](const std::vector<Tensor>& features, const Tensor& of, const DecoderOptions& options) {
    return std::string(Decoder::Train(features, of, options, {}).status().message());
  };
  EXPECT_THAT(error({}, images, Epochs(1)), HasSubstr("no features"));
  EXPECT_THAT(error({Tensor::Zeros({4, 3, 2})}, images, Epochs(1)), HasSubstr("have shape (4, 3, 2)"));
  EXPECT_THAT(error({maps, Tensor::Zeros({3, 2})}, images, Epochs(1)),
              HasSubstr("needs (N, C, H, W) or (N, C), N = 4"));
  EXPECT_THAT(error({maps}, Pictures(3, 8, 1), Epochs(1)), HasSubstr("images of shape (3, 1, 8, 8)"));
  EXPECT_THAT(error({maps}, images, Epochs(0)), HasSubstr("0 epochs"));
  Tensor infinite = maps, bright = images;
  infinite.values[3] = std::numeric_limits<float>::infinity();
  bright.values[3] = 1.5f;
  EXPECT_THAT(error({infinite}, images, Epochs(1)), HasSubstr("not finite"));
  EXPECT_THAT(error({maps}, bright, Epochs(1)), HasSubstr("outside [0, 1]"));
  const auto decoder = Decoder::Train({maps}, images, Epochs(1), {});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  EXPECT_THAT(std::string(decoder->Decode({maps, maps}).status().message()), HasSubstr("2 tensors of features"));
  EXPECT_THAT(std::string(decoder->Decode({Tensor::Zeros({1, 6, 3, 4})}).status().message()),
              HasSubstr("have shape (1, 6, 3, 4), trained with (6, 4, 4)"));
}

}  // namespace
}  // namespace privdnn
