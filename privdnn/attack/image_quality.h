// Measures how similar two images are.
#pragma once

#include <cstdint>
#include <span>

namespace privdnn {

struct ImageSize {
  int64_t channels, height, width;
  int64_t values() const { return channels * height * width; }
};

// Returns the peak signal-to-noise ratio of images with values in [0, 1], in dB: -10 log10 of the mean square
// difference over all channels. At most kMaxPsnr, which is the value for equal images.
inline constexpr double kMaxPsnr = 100;
double Psnr(std::span<const float> a, std::span<const float> b);

// Returns the mean structural similarity of Wang, Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing
// 13(4), 2004, equations 13 to 17, for values in [0, 1]: Gaussian windows of 11x11 with deviation 1.5, all that lie
// inside the image, K1 = 0.01, K2 = 0.03; the mean over channels. In [-1, 1], 1 for equal images. If a side of an image
// is under 11, its windows have that side. Values are [channel][row][column].
double Ssim(std::span<const float> a, std::span<const float> b, const ImageSize& size);

}  // namespace privdnn
