// JPEG images with libjpeg-turbo.
#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>  // needs what <cstdio> declares

#include <algorithm>

#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

// libjpeg's error manager must be the first member: its callbacks get a pointer to it.
struct Decoder {
  jpeg_error_mgr errors;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  jpeg_decompress_struct jpeg;
  bool grayscale;
};

[[noreturn]] void Fail(j_common_ptr common) {
  auto* decoder = reinterpret_cast<Decoder*>(common->err);
  (*common->err->format_message)(common, decoder->message);
  std::longjmp(decoder->escape, 1);
}

// Negative levels are warnings of damaged data, which libjpeg would fill with gray.
void FailOnWarning(j_common_ptr common, int level) {
  if (level < 0) Fail(common);
}

// False, with a message, if the file is no JPEG of this size. Decodes into `out`, height x width x 3 bytes (x 1 if
// grayscale). A jump leaves this function from within libjpeg: nothing in it has a destructor.
bool Decode(Decoder& decoder, const uint8_t* data, size_t size, uint32_t height, uint32_t width, uint8_t* out) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (setjmp(decoder.escape) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  if (jpeg.image_height != height || jpeg.image_width != width) {
    std::snprintf(decoder.message, sizeof decoder.message, "%u x %u pixels, needs %u x %u", jpeg.image_width,
                  jpeg.image_height, width, height);
    return false;
  }
  decoder.grayscale = jpeg.num_components == 1;
  // Of other colour spaces (CMYK) libjpeg says that it has no conversion.
  jpeg.out_color_space = decoder.grayscale ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  const size_t row_bytes = size_t{width} * (decoder.grayscale ? 1 : 3);
  while (jpeg.output_scanline < height) {
    JSAMPROW row = out + jpeg.output_scanline * row_bytes;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

absl::StatusOr<Image> DecodeJpeg(std::span<const uint8_t> file, const std::string& name, int64_t height,
                                 int64_t width) {
  if (file.empty()) return InvalidArgument("{}: JPEG: empty file", name);
  const auto plane = static_cast<size_t>(height * width);
  std::vector<uint8_t> interleaved(plane * 3);
  Decoder decoder{};
  decoder.jpeg.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = Fail;
  decoder.errors.emit_message = FailOnWarning;
  const bool good = Decode(decoder, file.data(), file.size(), static_cast<uint32_t>(height),
                           static_cast<uint32_t>(width), interleaved.data());
  const size_t left = decoder.jpeg.src != nullptr ? std::min(decoder.jpeg.src->bytes_in_buffer, file.size()) : 0;
  jpeg_destroy_decompress(&decoder.jpeg);
  if (!good) {
    return InvalidArgument("{}: JPEG: {} (decoded up to byte {} of {})", name, decoder.message, file.size() - left,
                           file.size());
  }

  Image image{3, height, width, std::vector<uint8_t>(plane * 3)};
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[c * plane + i] = decoder.grayscale ? interleaved[i] : interleaved[3 * i + c];
    }
  }
  return image;
}

}  // namespace privdnn
