#include "privdnn/attack/image_quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace privdnn {
namespace {

std::vector<float> Wave(int64_t count, double frequency) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(0.5 + 0.5 * std::sin(frequency * static_cast<double>(i))));
  }
  return values;
}

// The definition, window by window, with the two-dimensional Gaussian.
double SsimByDefinition(const std::vector<float>& a, const std::vector<float>& b, int64_t height, int64_t width) {
  constexpr int64_t kSide = 11;
  double total = 0, windows = 0;
  for (int64_t top = 0; top + kSide <= height; ++top) {
    for (int64_t left = 0; left + kSide <= width; ++left) {
      double weights = 0, mean_a = 0, mean_b = 0, variance_a = 0, variance_b = 0, covariance = 0;
      const auto each = [&](const auto& f) {
        for (int64_t y = 0; y < kSide; ++y) {
          for (int64_t x = 0; x < kSide; ++x) {
            const auto i = static_cast<size_t>((top + y) * width + left + x);
            const double r2 = static_cast<double>((y - 5) * (y - 5) + (x - 5) * (x - 5));
            f(std::exp(-r2 / (2 * 1.5 * 1.5)), a[i], b[i]);
          }
        }
      };
      each([&](double w, double p, double q) { weights += w, mean_a += w * p, mean_b += w * q; });
      mean_a /= weights;
      mean_b /= weights;
      each([&](double w, double p, double q) {
        variance_a += w / weights * (p - mean_a) * (p - mean_a);
        variance_b += w / weights * (q - mean_b) * (q - mean_b);
        covariance += w / weights * (p - mean_a) * (q - mean_b);
      });
      total += (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4) /
               ((mean_a * mean_a + mean_b * mean_b + 1e-4) * (variance_a + variance_b + 9e-4));
      ++windows;
    }
  }
  return total / windows;
}

TEST(Psnr, MatchesKnownValues) {
  const std::vector<float> black(64, 0), white(64, 1), grey(64, 0.5f);
  EXPECT_DOUBLE_EQ(Psnr(black, white), 0);
  EXPECT_NEAR(Psnr(black, grey), 20 * std::log10(2), 1e-12);
  EXPECT_EQ(Psnr(grey, grey), kMaxPsnr);
  std::vector<float> one = black;
  one[5] = 0.1f;  // mean square 0.01/64
  EXPECT_NEAR(Psnr(black, one), 20 + 10 * std::log10(64), 1e-6);
}

TEST(Ssim, MatchesTheDefinition) {
  const auto a = Wave(17 * 14, 0.3), b = Wave(17 * 14, 0.37);
  EXPECT_NEAR(Ssim(a, b, {1, 17, 14}), SsimByDefinition(a, b, 17, 14), 1e-9);
}

TEST(Ssim, MatchesKnownValues) {
  const std::vector<float> black(28 * 28, 0), white(28 * 28, 1), grey(28 * 28, 0.5f);
  const auto wave = Wave(28 * 28, 0.7);
  std::vector<float> negative;
  for (const float v : wave) negative.push_back(1 - v);
  EXPECT_NEAR(Ssim(wave, wave, {1, 28, 28}), 1, 1e-12);
  // Flat images differ in luminance only: (2 m n + C1) / (m^2 + n^2 + C1).
  EXPECT_NEAR(Ssim(black, white, {1, 28, 28}), 1e-4 / (1 + 1e-4), 1e-9);
  EXPECT_NEAR(Ssim(grey, white, {1, 28, 28}), (1 + 1e-4) / (1.25 + 1e-4), 1e-6);
  EXPECT_LT(Ssim(wave, negative, {1, 28, 28}), -0.9);
  EXPECT_DOUBLE_EQ(Ssim(wave, black, {1, 28, 28}), Ssim(black, wave, {1, 28, 28}));
}

TEST(Ssim, IsTheMeanOverChannels) {
  std::vector<float> a = Wave(12 * 12, 0.5), b = Wave(12 * 12, 0.6);
  const double alone = Ssim(a, b, {1, 12, 12});
  a.insert(a.end(), b.begin(), b.end());  // the second channels are the same
  const std::vector<float> second = b;
  b.insert(b.end(), second.begin(), second.end());
  EXPECT_NEAR(Ssim(a, b, {2, 12, 12}), (alone + 1) / 2, 1e-12);
}

TEST(Ssim, SmallImagesHaveSmallWindows) {
  const std::vector<float> a = {0, 1, 0, 1, 0, 1}, b = {1, 0, 1, 0, 1, 0};
  EXPECT_NEAR(Ssim(a, a, {1, 2, 3}), 1, 1e-12);
  EXPECT_LT(Ssim(a, b, {1, 2, 3}), 0);
}

}  // namespace
}  // namespace privdnn
