#include "privdnn/attack/image_quality.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace privdnn {
namespace {

constexpr int64_t kWindow = 11;
constexpr double kDeviation = 1.5;
constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;

// A Gaussian's values at `side` points around its middle; their sum is 1.
std::vector<double> GaussianWeights(int64_t side) {
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = 0; i < side; ++i) {
    const double x = static_cast<double>(i) - static_cast<double>(side - 1) / 2;
    weights.push_back(std::exp(-x * x / (2 * kDeviation * kDeviation)));
    sum += weights.back();
  }
  for (double& w : weights) w /= sum;
  return weights;
}

// Weighted means of all windows inside an image of one channel; `value(i)` is the value at index i.
class WindowMeans {
 public:
  WindowMeans(int64_t height, int64_t width)
      : height_(height),
        width_(width),
        rows_(GaussianWeights(std::min(kWindow, height))),
        columns_(GaussianWeights(std::min(kWindow, width))) {}

  template <typename Value>
  std::vector<double> operator()(const Value& value) const {
    const int64_t rows = std::ssize(rows_), columns = std::ssize(columns_);
    const int64_t out_width = width_ - columns + 1, out_height = height_ - rows + 1;
    std::vector<double> across, means;
    for (int64_t i = 0; i < height_ * out_width; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < columns; ++k) {
        sum +=
            columns_[static_cast<size_t>(k)] * value(static_cast<size_t>(i / out_width * width_ + i % out_width + k));
      }
      across.push_back(sum);
    }
    for (int64_t i = 0; i < out_height * out_width; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < rows; ++k)
        sum += rows_[static_cast<size_t>(k)] * across[static_cast<size_t>(i + k * out_width)];
      means.push_back(sum);
    }
    return means;
  }

 private:
  int64_t height_, width_;
  std::vector<double> rows_, columns_;
};

double MeanOfChannel(std::span<const float> a, std::span<const float> b, int64_t height, int64_t width) {
  const WindowMeans means(height, width);
  const auto mean_a = means([&](size_t i) { return double{a[i]}; });
  const auto mean_b = means([&](size_t i) { return double{b[i]}; });
  const auto square_a = means([&](size_t i) { return double{a[i]} * a[i]; });
  const auto square_b = means([&](size_t i) { return double{b[i]} * b[i]; });
  const auto product = means([&](size_t i) { return double{a[i]} * b[i]; });
  double sum = 0;
  for (size_t i = 0; i < mean_a.size(); ++i) {
    const double both = mean_a[i] * mean_b[i], aa = mean_a[i] * mean_a[i], bb = mean_b[i] * mean_b[i];
    const double luminance = (2 * both + kC1) / (aa + bb + kC1);
    const double structure = (2 * (product[i] - both) + kC2) / (square_a[i] - aa + square_b[i] - bb + kC2);
    sum += luminance * structure;
  }
  return sum / static_cast<double>(mean_a.size());
}

}  // namespace

double Psnr(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  const double mean = sum / static_cast<double>(a.size());
  return mean > 0 ? std::min(kMaxPsnr, -10 * std::log10(mean)) : kMaxPsnr;
}

double Ssim(std::span<const float> a, std::span<const float> b, const ImageSize& size) {
  const auto area = static_cast<size_t>(size.height * size.width);
  double sum = 0;
  for (size_t c = 0; c < static_cast<size_t>(size.channels); ++c) {
    sum += MeanOfChannel(a.subspan(c * area, area), b.subspan(c * area, area), size.height, size.width);
  }
  return sum / static_cast<double>(size.channels);
}

}  // namespace privdnn
