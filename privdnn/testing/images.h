// Files of data sets for tests and fuzz seeds.
#pragma once

#include <filesystem>
#include <string_view>

#include "privdnn/base/bytes.h"
#include "privdnn/data/formats.h"

namespace privdnn {

// The pixel at (c, y, x) is (37 x^2 + 91 y + 13 x y + 53 c) mod 256.
Image PatternImage(int64_t channels, int64_t height, int64_t width);

// "P6 WIDTH HEIGHT 255" and the pixels of a 3-channel image.
Bytes WritePpm(const Image& image);

// A baseline JPEG of quality 90, made by libjpeg: grayscale from 1 channel, colour from 3, CMYK from 4.
Bytes WriteJpeg(const Image& image);

// A gzip file that holds these bytes.
Bytes Gzip(std::span<const uint8_t> bytes);

// Writes a file and the directories above it; a failure ends the test program.
void PutFile(const std::filesystem::path& path, std::span<const uint8_t> bytes);
void PutFile(const std::filesystem::path& path, std::string_view text);

// MNIST under the data root `root`: 40 training and 20 test images of 28x28 pixels, of which the even ones (label 0)
// have the shade 20 and the odd ones (label 1) the shade 220.
void PutMnistInTwoShades(const std::filesystem::path& root);

}  // namespace privdnn
