// Writes pictures as PNG files.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/base/bytes.h"

namespace privdnn {

// Values 0..255, [channel][row][column]; 1 channel is grey, 3 are red, green and blue.
struct Picture {
  int64_t channels = 1, height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

// Encodes a picture. Fails with InvalidArgument if it has another number of channels, is empty, has a side above
// 65,535, or the number of pixels doesn't match the sides.
absl::StatusOr<Bytes> EncodePng(const Picture& picture);

// Arranges pictures side by side in rows, each pixel drawn `scale` x `scale` times, with white lines between. All
// pictures must have one size, and all rows the same length; there must be at least one picture.
Picture Grid(const std::vector<std::vector<Picture>>& rows, int64_t scale);

}  // namespace privdnn
