#include "privdnn/torch/batches.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

namespace privdnn {
namespace {

constexpr int64_t kHeight = 5, kWidth = 4, kSize = 3 * kHeight * kWidth;

// Images of 3 channels; no pixel is black and all pixels of an image differ.
ImageSet Pictures(int64_t count) {
  ImageSet set{count, 3, kHeight, kWidth, {}, {}, 256};
  for (int64_t i = 0; i < count; ++i) {
    set.labels.push_back(static_cast<int32_t>(i));
    for (int64_t p = 0; p < kSize; ++p) set.pixels.push_back(static_cast<uint8_t>(1 + (p * 4 + i) % 255));
  }
  return set;
}

Normalization Identity() { return {{0, 0, 0}, {1, 1, 1}}; }

// Pixels of a batch as they were before division by 255.
std::vector<int> Pixels(const at::Tensor& images) {
  const at::Tensor whole = (images * 255).round().to(at::kInt).contiguous();
  return {whole.data_ptr<int>(), whole.data_ptr<int>() + whole.numel()};
}

struct Changed {
  int64_t label;
  std::vector<int> pixels;
};
// Training images of the first step, one by one.
std::vector<Changed> FirstStep(const ImageSet& set, const Augmentation& augmentation) {
  TrainOptions options;
  options.batch = set.count;
  options.augmentation = augmentation;
  BatchSource source(set, options, Identity(), {});
  const auto [images, labels] = source.Training(0, false);
  std::vector<Changed> result;
  for (int64_t i = 0; i < set.count; ++i) {
    result.push_back({labels[i].item<int64_t>(), Pixels(images[i])});
  }
  return result;
}

int Original(int64_t label, int64_t c, int64_t y, int64_t x) {
  return static_cast<int>(1 + ((c * kHeight + y) * kWidth + x) * 4 + label) % 256;
}
int At(const Changed& image, int64_t c, int64_t y, int64_t x) {
  return image.pixels[static_cast<size_t>((c * kHeight + y) * kWidth + x)];
}

TEST(BatchSource, LeavesImagesAloneWithoutAugmentation) {
  std::set<int64_t> labels;
  for (const Changed& image : FirstStep(Pictures(10), Augmentation::None())) {
    labels.insert(image.label);
    for (int64_t p = 0; p < kSize; ++p) {
      ASSERT_EQ(image.pixels[static_cast<size_t>(p)], Original(image.label, 0, 0, p));
    }
  }
  EXPECT_EQ(labels.size(), 10u);
}

TEST(BatchSource, Flips) {
  for (const double probability : {0.5, 1.0}) {
    Augmentation augmentation = Augmentation::None();
    augmentation.flip = probability;
    int flipped = 0;
    for (const Changed& image : FirstStep(Pictures(16), augmentation)) {
      const bool is_flipped = At(image, 0, 0, 0) == Original(image.label, 0, 0, kWidth - 1);
      flipped += is_flipped;
      for (int64_t c = 0; c < 3; ++c) {
        for (int64_t y = 0; y < kHeight; ++y) {
          for (int64_t x = 0; x < kWidth; ++x) {
            ASSERT_EQ(At(image, c, y, x), Original(image.label, c, y, is_flipped ? kWidth - 1 - x : x));
          }
        }
      }
    }
    if (probability == 1) {
      EXPECT_EQ(flipped, 16);
    }
    EXPECT_GT(flipped, 2);
  }
}

// Every image is one of the 9 crops, and over several images different ones.
TEST(BatchSource, CropsAnywhere) {
  Augmentation augmentation = Augmentation::None();
  augmentation.crop_padding = 1;
  std::set<std::pair<int64_t, int64_t>> seen;
  for (const Changed& image : FirstStep(Pictures(15), augmentation)) {
    int matches = 0;
    for (int64_t dy = -1; dy <= 1; ++dy) {
      for (int64_t dx = -1; dx <= 1; ++dx) {
        bool same = true;
        for (int64_t p = 0; p < kSize; ++p) {
          const int64_t c = p / (kHeight * kWidth), y = p / kWidth % kHeight - dy, x = p % kWidth - dx;
          const bool inside = y >= 0 && y < kHeight && x >= 0 && x < kWidth;
          same = same && image.pixels[static_cast<size_t>(p)] == (inside ? Original(image.label, c, y, x) : 0);
        }
        matches += same;
        if (same) seen.insert({dy, dx});
      }
    }
    EXPECT_EQ(matches, 1);
  }
  EXPECT_GT(seen.size(), 3u);
}

TEST(BatchSource, TakesColoursAway) {
  Augmentation augmentation = Augmentation::None();
  augmentation.grayscale = 1;
  ImageSet set{1, 3, 1, 4, {255, 0, 0, 10, 0, 255, 0, 20, 0, 0, 255, 30}, {0}, 1};
  const std::vector<Changed> images = FirstStep(set, augmentation);
  // Pillow 9.4: Image.convert("L") of these four pixels.
  EXPECT_EQ(images[0].pixels, (std::vector<int>{76, 150, 29, 18, 76, 150, 29, 18, 76, 150, 29, 18}));
}

TEST(BatchSource, HalvesNormalisesAndAddsABorder) {
  const ImageSet set{1, 1, 2, 4, {10, 20, 50, 60, 30, 40, 70, 80}, {0}, 1};
  const TrainOptions options;
  const Normalization normalization{{0.5}, {0.25}};
  const BatchSource source(set, options, normalization, {1, 0, 0, 2});
  const at::Tensor half = source.Plain(0, 1, true);
  EXPECT_EQ(half.sizes().vec(), (std::vector<int64_t>{1, 1, 2, 4}));
  const at::Tensor pixels = half * 0.25 + 0.5;
  EXPECT_EQ(Pixels(pixels), (std::vector<int>{0, 0, 0, 0, 25, 65, 0, 0}));
  EXPECT_EQ(source.Plain(0, 1, false).sizes().vec(), (std::vector<int64_t>{1, 1, 3, 6}));
}

TEST(BatchSource, ChangesImagesAnewInEachStep) {
  Augmentation augmentation = Augmentation::None();
  augmentation.crop_padding = 2;
  augmentation.flip = 0.5;
  TrainOptions options;
  options.batch = 8;
  options.augmentation = augmentation;
  const ImageSet set = Pictures(8);
  BatchSource source(set, options, Identity(), {});
  const auto sorted = [&](uint64_t step) {
    const auto [images, labels] = source.Training(step, false);
    return Pixels(images.index_select(0, labels.argsort()));
  };
  const std::vector<int> first = sorted(0);
  EXPECT_NE(first, sorted(1));
  EXPECT_EQ(first, sorted(0));
  options.seed = 2;
  EXPECT_NE(first, sorted(0));
}

}  // namespace
}  // namespace privdnn
