#include "privdnn/report/png.h"

#include <gtest/gtest.h>
#include <png.h>

namespace privdnn {
namespace {

// A picture as libpng reads it back from a file.
Picture Decode(const Bytes& file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&image, file.data(), file.size())) << image.message;
  const int64_t channels = image.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Picture picture{channels, image.height, image.width, {}};
  Bytes interleaved(PNG_IMAGE_SIZE(image));
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, interleaved.data(), 0, nullptr)) << image.message;
  for (int64_t c = 0; c < channels; ++c) {
    for (size_t i = static_cast<size_t>(c); i < interleaved.size(); i += static_cast<size_t>(channels)) {
      picture.pixels.push_back(interleaved[i]);
    }
  }
  return picture;
}

TEST(EncodePng, LibpngReadsThePixelsBack) {
  for (const int64_t channels : {1, 3}) {
    Picture picture{channels, 5, 7, {}};
    for (int64_t i = 0; i < channels * 5 * 7; ++i) picture.pixels.push_back(static_cast<uint8_t>(41 * i + i * i));
    const auto file = EncodePng(picture);
    ASSERT_TRUE(file.ok()) << file.status();
    const Picture back = Decode(*file);
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.height, 5);
    EXPECT_EQ(back.width, 7);
    EXPECT_EQ(back.pixels, picture.pixels);
  }
}

TEST(EncodePng, RefusesWhatIsNoPicture) {
  EXPECT_FALSE(EncodePng({2, 1, 1, {0, 0}}).ok());
  EXPECT_FALSE(EncodePng({1, 2, 2, {0, 0, 0}}).ok());
  EXPECT_FALSE(EncodePng({1, 0, 0, {}}).ok());
  EXPECT_FALSE(EncodePng({1, 1, 65'536, std::vector<uint8_t>(65'536)}).ok());
}

TEST(Grid, PutsPicturesSideBySide) {
  const Picture dark{1, 1, 2, {1, 2}}, bright{1, 1, 2, {201, 202}};
  const Picture grid = Grid({{dark, bright}, {bright, dark}}, 2);
  ASSERT_EQ(grid.height, 2 * 2 + 4);
  ASSERT_EQ(grid.width, 2 * 4 + 4);
  const auto at = [&](int64_t y, int64_t x) { return grid.pixels[static_cast<size_t>(y * grid.width + x)]; };
  EXPECT_EQ(at(0, 0), 1);
  EXPECT_EQ(at(1, 1), 1);
  EXPECT_EQ(at(1, 3), 2);
  EXPECT_EQ(at(0, 4), 255);  // a line between
  EXPECT_EQ(at(2, 0), 255);
  EXPECT_EQ(at(0, 8), 201);
  EXPECT_EQ(at(6, 0), 201);
  EXPECT_EQ(at(7, 11), 2);
}

}  // namespace
}  // namespace privdnn
