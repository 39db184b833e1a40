// Parsers of untrusted bytes for the formats of data sets. Internal to data and its fuzz targets. `name` is the file's
// name in error messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/data/dataset.h"

namespace privdnn {

// The largest file of a data set, compressed or not.
inline constexpr uint64_t kMaxDataFileBytes = uint64_t{1} << 30;

// An image read from a file: channels x height x width, 0..255.
struct Image {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

// Returns a file's content, decompressed if it begins like a gzip file. `name` in errors is its path.
absl::StatusOr<Bytes> ReadDataFile(const std::filesystem::path& path);

// Parse an IDX file (see ParseIdx) that holds inputs, or labels: a view of its bytes.
absl::StatusOr<ImageSet> ParseIdxInputs(std::span<const uint8_t> file, const std::string& name);
absl::StatusOr<std::span<const uint8_t>> ParseIdxLabels(std::span<const uint8_t> file, const std::string& name);

// Parses NumPy's .npy format, versions 1 to 3: an array in C order of bytes, integers or floats. Returns the values,
// and pixels instead of values for unsigned bytes.
struct NumpyArray {
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;   // of type u1
  std::vector<double> numbers;  // of any other type
};
absl::StatusOr<NumpyArray> ParseNumpy(std::span<const uint8_t> file, const std::string& name);
// Returns whether a file begins like one of NumPy's.
bool IsNumpy(std::span<const uint8_t> file);

// Parses rows of as many numbers each, also in quotes, separated by commas, semicolons, tabs or blanks. The first line
// may hold names: it has no number then, and one with some numbers is an error. A byte order mark is skipped.
struct NumberTable {
  int64_t rows = 0, columns = 0;
  std::vector<double> numbers;
  bool named = false;  // the first line names columns, and is no row
};
absl::StatusOr<NumberTable> ParseNumberTable(std::string_view text, const std::string& name);

// Returns what a file is, by its first bytes, for messages: "a PNG picture"; empty for what isn't known.
std::string LooksLike(std::span<const uint8_t> file);

// Returns the content of a gzip file that holds one IDX file. Allocates no more bytes than the IDX header inside says;
// trailing data is an error.
absl::StatusOr<Bytes> GunzipIdx(std::span<const uint8_t> file, const std::string& name);

// Parses CIFAR-10's binary format and appends it to `set`: records of a label (0..9) and 3 x 32 x 32 pixels. Returns
// the number of records, at least 1.
absl::StatusOr<int64_t> ParseCifar10(std::span<const uint8_t> file, const std::string& name, ImageSet& set);

// Parses a binary PPM (P6) with a largest value of at most 255, 1 to 4,096 pixels high and wide, and no trailing data.
absl::StatusOr<Image> ParsePpm(std::span<const uint8_t> file, const std::string& name);

// Decodes a JPEG of exactly this size, in colour or greyscale, to 3 channels (equal if greyscale). Treats libjpeg's
// warnings as errors.
absl::StatusOr<Image> DecodeJpeg(std::span<const uint8_t> file, const std::string& name, int64_t height, int64_t width);

// Scales an image with a triangle filter whose support grows with the reduction, in Pillow's integer arithmetic. Gives
// the same pixels as Image.resize((width, height), BILINEAR).
Image ResizeBilinear(const Image& image, int64_t height, int64_t width);

// A line of a list of images.
struct ImageRow {
  std::string file;         // a plain name, without directories
  std::string label;        // the class's id, in TinyImageNet's validation list
  int32_t class_index = 0;  // in GTSRB
};

// Parses GTSRB's GT-*.csv: the official header line, then Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId
// with a region inside the image and a class in [0, classes). At least one row.
absl::StatusOr<std::vector<ImageRow>> ParseGtsrbList(std::string_view text, const std::string& name, int32_t classes);

// Parses wnids.txt: one class id ("n" and 8 digits) per line, at most 1,000, all different. Returns the ids sorted, in
// the order of the labels.
absl::StatusOr<std::vector<std::string>> ParseClassIds(std::string_view text, const std::string& name);
// Parses NAME_boxes.txt (file and box, `with_label` false) or val_annotations.txt (file, class id and box), separated
// by tabs; boxes lie in [0, 64]. At least one row.
absl::StatusOr<std::vector<ImageRow>> ParseBoxList(std::string_view text, const std::string& name, bool with_label);

// An image file of a set, with its label and group.
struct ImageFile {
  std::filesystem::path path;
  int32_t label = 0;
  int32_t group = -1;  // -1: a group of its own
};

// Returns indices 0..count-1 in a random order that depends only on the arguments.
std::vector<int64_t> RandomOrder(int64_t count, uint64_t seed);

// Returns the files with their groups (adjacent files with the same number) in a random order, seed 0. Keeps the order
// within each group.
std::vector<ImageFile> ShuffleGroups(const std::vector<ImageFile>& files);

// Reads and decodes all files, on options.threads threads, into `set`. The image size and classes of `set` must be
// filled in. Returns the error of the first bad file. `decode` must return an image of the set's size, or an error.
using DecodeFn = absl::StatusOr<Image> (*)(std::span<const uint8_t> file, const std::string& name);
absl::Status LoadImageFiles(const std::vector<ImageFile>& files, DecodeFn decode, const LoadOptions& options,
                            ImageSet& set);

// Load the official training images, or the official test images with labels. `folder` is the set's folder in the data
// root.
absl::StatusOr<ImageSet> LoadCifar10(const std::filesystem::path& folder, bool train);
absl::StatusOr<ImageSet> LoadGtsrb(const std::filesystem::path& folder, bool train, const LoadOptions& options);
absl::StatusOr<ImageSet> LoadTinyImageNet(const std::filesystem::path& folder, bool train, const LoadOptions& options);

}  // namespace privdnn
