// What data sets are read from. Input: which format (1 byte), then the file.
#include "fuzz_support.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

template <typename T>
bool Good(const absl::StatusOr<T>& result) {
  fuzz::Require(result.ok() || Message(result.status()).starts_with("f:"), "an error names the file");
  return result.ok();
}

void RequirePixels(const Image& image) {
  fuzz::Require(image.channels == 3 && image.height >= 1 && image.width >= 1, "an image has a size");
  fuzz::Require(static_cast<int64_t>(image.pixels.size()) == 3 * image.height * image.width, "all pixels are there");
}

void RequireRows(const std::vector<ImageRow>& rows) {
  fuzz::Require(!rows.empty(), "a list isn't empty");
  for (const ImageRow& row : rows) {
    fuzz::Require(row.file.find('/') == std::string::npos && row.file[0] != '.', "files lie in their folder");
    fuzz::Require(row.class_index >= 0 && row.class_index < 43, "classes are in range");
  }
}

void Read(uint8_t format, std::span<const uint8_t> file) {
  const auto text = AsStringView(file);
  switch (format % 8) {
    case 0: {
      const auto content = GunzipIdx(file, "f");
      if (Good(content)) fuzz::Require(content->size() >= 8, "an IDX file has a header");
      return;
    }
    case 1: {
      ImageSet set;
      const auto records = ParseCifar10(file, "f", set);
      const bool good = Good(records);
      fuzz::Require(set.count == (good ? *records : 0), "all records are taken or none");
      fuzz::Require(set.pixels.size() == 3072 * set.labels.size(), "all pixels are there");
      return;
    }
    case 2: {
      const auto image = ParsePpm(file, "f");
      if (!Good(image)) return;
      RequirePixels(*image);
      RequirePixels(ResizeBilinear(*image, 32, 32));
      return;
    }
    case 3: {
      const auto image = DecodeJpeg(file, "f", 16, 16);
      if (Good(image)) RequirePixels(*image);
      return;
    }
    case 4: {
      const auto rows = ParseGtsrbList(text, "f", 43);
      if (Good(rows)) RequireRows(*rows);
      return;
    }
    case 5: {
      const auto ids = ParseClassIds(text, "f");
      if (Good(ids)) fuzz::Require(std::is_sorted(ids->begin(), ids->end()) && ids->size() <= 1000, "ids are sorted");
      return;
    }
    default: {
      const auto rows = ParseBoxList(text, "f", format % 8 == 7);
      if (Good(rows)) RequireRows(*rows);
    }
  }
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) privdnn::Read(data[0], {data + 1, size - 1});
  return 0;
}
