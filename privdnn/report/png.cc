#include "privdnn/report/png.h"

#include <png.h>

#include <algorithm>

namespace privdnn {
namespace {

constexpr int64_t kMaxSide = 65'535;
// Lines between the pictures of a grid, in pixels of the result.
constexpr int64_t kGap = 4;

}  // namespace

absl::StatusOr<Bytes> EncodePng(const Picture& p) {
  const bool sides = p.height >= 1 && p.width >= 1 && p.height <= kMaxSide && p.width <= kMaxSide;
  if (!sides || (p.channels != 1 && p.channels != 3) || std::ssize(p.pixels) != p.channels * p.height * p.width) {
    return InvalidArgument("PNG: {} pixels for {} channels of {}x{}: needs 1 or 3 channels, sides of 1 to {}",
                           p.pixels.size(), p.channels, p.height, p.width, kMaxSide);
  }
  const auto area = static_cast<size_t>(p.height * p.width), channels = static_cast<size_t>(p.channels);
  Bytes interleaved(p.pixels.size());
  for (size_t i = 0; i < p.pixels.size(); ++i) interleaved[i % area * channels + i / area] = p.pixels[i];

  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(p.width);
  image.height = static_cast<png_uint_32>(p.height);
  image.format = p.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  Bytes file(size);
  if (!png_image_write_to_memory(&image, file.data(), &size, 0, interleaved.data(), 0, nullptr)) {
    return absl::InternalError(fmt::format("PNG: {}", image.message));
  }
  file.resize(size);
  return file;
}

Picture Grid(const std::vector<std::vector<Picture>>& rows, int64_t scale) {
  const Picture& first = rows[0][0];
  const int64_t cell_height = scale * first.height + kGap, cell_width = scale * first.width + kGap;
  Picture grid{first.channels, std::ssize(rows) * cell_height - kGap, std::ssize(rows[0]) * cell_width - kGap, {}};
  grid.pixels.assign(static_cast<size_t>(grid.channels * grid.height * grid.width), 255);
  for (int64_t c = 0; c < grid.channels; ++c) {
    for (int64_t y = 0; y < grid.height; ++y) {
      for (int64_t x = 0; x < grid.width; ++x) {
        const int64_t row = y % cell_height / scale, column = x % cell_width / scale;
        if (row >= first.height || column >= first.width) continue;
        const Picture& cell = rows[static_cast<size_t>(y / cell_height)][static_cast<size_t>(x / cell_width)];
        grid.pixels[static_cast<size_t>((c * grid.height + y) * grid.width + x)] =
            cell.pixels[static_cast<size_t>((c * cell.height + row) * cell.width + column)];
      }
    }
  }
  return grid;
}

}  // namespace privdnn
