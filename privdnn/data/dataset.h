// Loads labelled images from their official file formats, and data sets by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/progress.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Images, or other inputs of a network: as pixels or, where `values` isn't empty, as floats.
struct ImageSet {
  int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // NCHW, 0..255; 3 channels are red, green, blue. Empty if there are values
  std::vector<int32_t> labels;  // one per image, 0..classes-1
  int32_t classes = 0;
  // One number per image. Images with the same number show the same object and are adjacent. Empty: all differ.
  std::vector<int32_t> groups = {};
  std::vector<float> values = {};  // NCHW, finite; as the network reads them, where pixels are divided by 255
  // The dimensions of an input: 3 for (C, H, W), 2 for (C, W) of height 1, 1 for (C) of height and width 1.
  int rank = 3;
  bool named = false;  // read from a table whose first line names columns, and is no input

  int64_t PerImage() const { return channels * height * width; }
  // The dimensions of an input.
  std::vector<int64_t> Shape() const;
  // The pixels or values as they lie in memory, for telling sets apart.
  std::span<const uint8_t> Content() const;
  // Returns images [begin, end), behind each other: pixel / 255, or the values.
  Tensor Batch(int64_t begin, int64_t end) const;
  // Returns images [begin, end), with both bounds clamped to [0, count].
  ImageSet Slice(int64_t begin, int64_t end) const;
  // Returns the first `limit` images (all if there are fewer).
  ImageSet Head(int64_t limit) const;
  // Returns the images with these indices, in this order. Each index must be below count.
  ImageSet Pick(std::span<const int64_t> indices) const;

 private:
  ImageSet Empty() const;
  void Append(const ImageSet& from, int64_t begin, int64_t end);
};

// Returns whether inputs of shape `given` are in memory what a network reads as `needed` (both without the batch): the
// same shape, or one that differs in dimensions of 1 only, or a row of all values.
bool IsSameInput(const std::vector<int64_t>& given, const std::vector<int64_t>& needed);
// Lets a set be read as inputs of shape `needed`, (C, H, W), (C, W) or (C). Fails with InvalidArgument, giving both
// shapes, if it isn't the same input.
absl::Status FitInputs(const std::vector<int64_t>& needed, ImageSet& set);

// The part of a data set to load. The halves are those of kTest after a random permutation with seed 0, as in the
// paper; they are always the same. If the number of images is odd, kTestHalf has one more.
enum class Split {
  kTrain,           // the official training images
  kTest,            // the official test images with published labels
  kValidationHalf,  // half of kTest, for making choices
  kTestHalf,        // the other half, for reporting
};

struct DataSetInfo {
  std::string_view name;
  std::string_view description;
  std::string_view source;  // where the official files come from
  std::string_view layout;  // what the data root must contain
  int64_t channels, height, width;
  int32_t classes;  // 0: as many as there are
};

// The data sets that LoadDataSet knows.
std::span<const DataSetInfo> DataSets();
// Fails with NotFound, listing the known names.
absl::StatusOr<DataSetInfo> FindDataSet(std::string_view name);

struct LoadOptions {
  int threads = 1;      // for decoding images, where needed
  ProgressFn progress;  // for sets of single image files; called from this thread
};

// Loads a split of a data set by name. The data root must have the layout of the official distribution
// (DataSetInfo::layout). In sets with a folder for each class, training images come in a random order (seed 0), since
// the official order is by class. All other images keep the official order. GTSRB images are scaled to 32x32 as by
// Pillow's bilinear filter: the whole image, as in the paper, not only the region of interest. GTSRB's groups are
// tracks. EMNIST images are transposed, so that letters are upright; EMNIST labels count from 0.
//
// A missing or damaged file is an error that names the file and says what is wrong and where (byte, line or record).
// Reads only files that the official lists name; sizes are bounded. Returns Cancelled if `progress` returns false.
absl::StatusOr<ImageSet> LoadDataSet(const std::string& name, const std::filesystem::path& root, Split split,
                                     const LoadOptions& options = {});

// Splits off the last `held_out` images; returns the others, then these. If the border would divide a group, the whole
// group is held out. MNIST's last 5,000 training images choose the epoch of the assets.
std::pair<ImageSet, ImageSet> SplitValidation(const ImageSet& set, int64_t held_out = 5000);

// The IDX format of MNIST: a magic of two zeros, the type (8: bytes, 13: floats) and the number of dimensions, then
// big-endian sizes. Inputs have 2 dimensions (N, C), 3 (N, H, W) or 4 (N, C, H, W), labels 1 dimension of bytes. The
// file must hold exactly what its header says, and the counts must agree. Labels must lie in [first_label, first_label
// + classes); in the set they count from 0. Errors name the file.
absl::StatusOr<ImageSet> ParseIdx(std::span<const uint8_t> images, const std::string& images_name,
                                  std::span<const uint8_t> labels, const std::string& labels_name, int32_t classes,
                                  int32_t first_label = 0);
// Loads IDX files. Decompresses files that start like gzip files, to exactly the size given by their IDX header.
absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes = 10, int32_t first_label = 0);
Bytes WriteIdxImages(const ImageSet& set);
// A label is a byte: they must lie in 0..255.
Bytes WriteIdxLabels(const ImageSet& set);

// Loads inputs without labels from a file whose content says what it is: IDX, also compressed; NumPy's .npy of bytes
// (pixels) or numbers, (N, C), (N, C, W) or (N, C, H, W); or text with a row of numbers a line, separated by commas,
// semicolons, tabs or blanks, behind a line of names (without any number) or not. All labels are 0, and there are 0
// classes. Fails with InvalidArgument, naming the file and what it looks like, if it is none of these.
absl::StatusOr<ImageSet> LoadInputs(const std::filesystem::path& path);
// Returns whether a file begins like one that LoadInputs reads.
bool LooksLikeInputs(std::span<const uint8_t> file);
// Loads labels, 0 or more, from IDX, from a .npy of integers (N) or (N, 1), or from text with one a line.
absl::StatusOr<std::vector<int32_t>> LoadLabels(const std::filesystem::path& path);

}  // namespace privdnn
