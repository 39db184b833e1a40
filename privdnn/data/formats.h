// The formats that data sets come in, each as a parser of untrusted bytes. Internal to nn and its fuzz targets. `name`
// is the file's name in error messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/data/dataset.h"

namespace privdnn {

// No file of a data set is larger, compressed or not.
inline constexpr uint64_t kMaxDataFileBytes = uint64_t{1} << 30;

// An image as it comes out of a file: channels x height x width, 0..255.
struct Image {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

// The content of a gzip file with one IDX file in it. The IDX header inside says how many bytes there are; no more is
// allocated, and what follows is an error.
absl::StatusOr<Bytes> GunzipIdx(std::span<const uint8_t> file, const std::string& name);

// CIFAR-10's binary format, appended to `set`: records of a label (0..9) and 3 x 32 x 32 pixels. Returns the number of
// records, at least 1.
absl::StatusOr<int64_t> ParseCifar10(std::span<const uint8_t> file, const std::string& name, ImageSet& set);

// A binary PPM (P6) with at most 255 as largest value, 1 to 4,096 pixels high and wide, and nothing behind it.
absl::StatusOr<Image> ParsePpm(std::span<const uint8_t> file, const std::string& name);

// A JPEG of exactly this size, in colour or grayscale, as 3 channels (equal ones if grayscale). Whatever libjpeg warns
// of is an error.
absl::StatusOr<Image> DecodeJpeg(std::span<const uint8_t> file, const std::string& name, int64_t height, int64_t width);

// Scaled with a triangle filter whose support grows with the reduction, in Pillow's integer arithmetic: the same pixels
// as Image.resize((width, height), BILINEAR).
Image ResizeBilinear(const Image& image, int64_t height, int64_t width);

// A line of a list of images.
struct ImageRow {
  std::string file;         // a plain name, without directories
  std::string label;        // of TinyImageNet's validation list: the class's id
  int32_t class_index = 0;  // of GTSRB
};

// GT-*.csv of GTSRB: the official header line, then Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId with a
// region inside the image and a class in [0, classes). At least one row.
absl::StatusOr<std::vector<ImageRow>> ParseGtsrbList(std::string_view text, const std::string& name, int32_t classes);

// wnids.txt: one class id ("n" and 8 digits) a line, at most 1,000 and no two the same. Returned sorted, as labels
// count.
absl::StatusOr<std::vector<std::string>> ParseClassIds(std::string_view text, const std::string& name);
// NAME_boxes.txt (file and box, `with_label` false) or val_annotations.txt (file, class id and box), separated by tabs;
// boxes lie in [0, 64]. At least one row.
absl::StatusOr<std::vector<ImageRow>> ParseBoxList(std::string_view text, const std::string& name, bool with_label);

// An image file of a set and what is known of it.
struct ImageFile {
  std::filesystem::path path;
  int32_t label = 0;
  int32_t group = -1;  // -1: a group of its own
};

// Indices 0..count-1 in a random order that depends on the arguments only.
std::vector<int64_t> RandomOrder(int64_t count, uint64_t seed);

// The files with their groups (neighbours of the same number) in a random order, seed 0; the order within a group
// stays.
std::vector<ImageFile> ShuffleGroups(const std::vector<ImageFile>& files);

// Reads and decodes all files, on options.threads threads, into `set`, whose image size and classes are given. The
// error is that of the first bad file. `decode` must return images of the set's size, or an error.
using DecodeFn = absl::StatusOr<Image> (*)(std::span<const uint8_t> file, const std::string& name);
absl::Status LoadImageFiles(const std::vector<ImageFile>& files, DecodeFn decode, const LoadOptions& options,
                            ImageSet& set);

// The official training images, or the official test images with labels; `folder` is the set's in the data root.
absl::StatusOr<ImageSet> LoadCifar10(const std::filesystem::path& folder, bool train);
absl::StatusOr<ImageSet> LoadGtsrb(const std::filesystem::path& folder, bool train, const LoadOptions& options);
absl::StatusOr<ImageSet> LoadTinyImageNet(const std::filesystem::path& folder, bool train, const LoadOptions& options);

}  // namespace privdnn
