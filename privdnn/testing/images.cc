#include "privdnn/testing/images.h"

#include <zlib.h>

#include <cstdio>

#include <jpeglib.h>  // needs what <cstdio> declares

#include <cstdlib>
#include <fstream>

#include "privdnn/data/dataset.h"

namespace privdnn {
namespace {

std::vector<uint8_t> Interleaved(const Image& image) {
  const auto plane = static_cast<size_t>(image.height * image.width), channels = static_cast<size_t>(image.channels);
  std::vector<uint8_t> out(plane * channels);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < channels; ++c) out[i * channels + c] = image.pixels[c * plane + i];
  }
  return out;
}

}  // namespace

Image PatternImage(int64_t channels, int64_t height, int64_t width) {
  Image image{channels, height, width, {}};
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        image.pixels.push_back(static_cast<uint8_t>(x * x * 37 + y * 91 + x * y * 13 + c * 53));
      }
    }
  }
  return image;
}

Bytes WritePpm(const Image& image) {
  const std::string header = fmt::format("P6\n# made for a test\n{} {}\n255\n", image.width, image.height);
  Bytes file(header.begin(), header.end());
  const auto pixels = Interleaved(image);
  file.insert(file.end(), pixels.begin(), pixels.end());
  return file;
}

Bytes WriteJpeg(const Image& image) {
  constexpr J_COLOR_SPACE kSpaces[] = {JCS_UNKNOWN, JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB, JCS_CMYK};
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* out = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  jpeg_mem_dest(&jpeg, &out, &size);
  jpeg.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.input_components = static_cast<int>(image.channels);
  jpeg.in_color_space = kSpaces[image.channels];
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 90, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  auto pixels = Interleaved(image);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = pixels.data() + jpeg.next_scanline * static_cast<size_t>(image.width * image.channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  Bytes file(out, out + size);
  jpeg_destroy_compress(&jpeg);
  std::free(out);
  return file;
}

Bytes Gzip(std::span<const uint8_t> bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes file(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = file.data();
  stream.avail_out = static_cast<uInt>(file.size());
  deflate(&stream, Z_FINISH);
  file.resize(stream.total_out);
  deflateEnd(&stream);
  return file;
}

// Not WriteFile, which waits for the disk: trees have hundreds of files.
void PutFile(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (file.flush()) return;
  std::fprintf(stderr, "%s can't be written\n", path.c_str());
  std::abort();
}

void PutFile(const std::filesystem::path& path, std::string_view text) { PutFile(path, AsBytes(text)); }

void PutMnistInTwoShades(const std::filesystem::path& root) {
  for (const auto& [prefix, count] : {std::pair("train", 40), std::pair("t10k", 20)}) {
    ImageSet set{count, 1, 28, 28, {}, {}, 10};
    for (int32_t i = 0; i < count; ++i) {
      set.labels.push_back(i % 2);
      set.pixels.insert(set.pixels.end(), 28 * 28, static_cast<uint8_t>(i % 2 == 0 ? 20 : 220));
    }
    PutFile(root / "mnist" / fmt::format("{}-images-idx3-ubyte", prefix), WriteIdxImages(set));
    PutFile(root / "mnist" / fmt::format("{}-labels-idx1-ubyte", prefix), WriteIdxLabels(set));
  }
}

}  // namespace privdnn
