// Pictures as PNG files.
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

// InvalidArgument for other channels, for an empty picture, for sides above 65,535 and for pixels that are not as many
// as the sides say.
absl::StatusOr<Bytes> EncodePng(const Picture& picture);

// Pictures side by side in rows, each pixel drawn `scale` x `scale` times, with white lines between. All pictures have
// one size, and all rows are as long as the first; at least one picture.
Picture Grid(const std::vector<std::vector<Picture>>& rows, int64_t scale);

}  // namespace privdnn
