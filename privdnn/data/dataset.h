// Labelled images in their official file formats, and the data sets that are known by name.
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

struct ImageSet {
  int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // NCHW, 0..255; 3 channels are red, green, blue
  std::vector<int32_t> labels;  // one an image, 0..classes-1
  int32_t classes = 0;
  // One number an image; images with the same number show the same object and stand side by side. Empty: all differ.
  std::vector<int32_t> groups = {};

  // Images [begin, end) as floats in [0, 1]: pixel / 255.
  Tensor Batch(int64_t begin, int64_t end) const;
  // Images [begin, end), both clamped to [0, count].
  ImageSet Slice(int64_t begin, int64_t end) const;
  // The first `limit` images (all if there are fewer).
  ImageSet Head(int64_t limit) const;
  // The images of these indices, each below count, in this order.
  ImageSet Pick(std::span<const int64_t> indices) const;
};

// What to load of a data set. The halves are the two halves of kTest after a random permutation of it with seed 0 (as
// the paper does it), always the same ones; of an odd number of images kTestHalf has one more.
enum class Split {
  kTrain,           // the official training images
  kTest,            // the official test images with published labels
  kValidationHalf,  // half of kTest, to choose with
  kTestHalf,        // the other half, to report
};

struct DataSetInfo {
  std::string_view name;
  std::string_view description;
  std::string_view source;  // where the official files come from
  std::string_view layout;  // what must lie under the data root
  int64_t channels, height, width;
  int32_t classes;  // 0: as many as are there
};

// The data sets that LoadDataSet knows.
std::span<const DataSetInfo> DataSets();
// NotFound, with the names there are.
absl::StatusOr<DataSetInfo> FindDataSet(std::string_view name);

struct LoadOptions {
  int threads = 1;      // that decode images, where there is something to decode
  ProgressFn progress;  // of sets of single image files; called from this thread
};

// Loads a split of a data set by name from a data root that holds it as its official distribution lays it out
// (DataSetInfo::layout). Training images of sets with a folder for each class come in a random order (seed 0), since
// the official order is by class; all others in the official order. GTSRB images are scaled to 32x32 as Pillow's
// bilinear filter does it (the whole image, as the paper does; the region of interest is not cut out); its groups are
// tracks. EMNIST images are transposed, so that letters stand upright, and its labels count from 0.
//
// A missing or damaged file is an error that names it and says what is wrong and where (byte, line or record). Nothing
// but what the official lists name is read; sizes are bounded. Cancelled if `progress` returns false.
absl::StatusOr<ImageSet> LoadDataSet(const std::string& name, const std::filesystem::path& root, Split split,
                                     const LoadOptions& options = {});

// The set without its last `held_out` images, and those. Where the border would part a group, the whole group is held
// out. MNIST's last 5,000 training images choose the epoch of the assets.
std::pair<ImageSet, ImageSet> SplitValidation(const ImageSet& set, int64_t held_out = 5000);

// MNIST's IDX format: magic 0x00000803 (u8, 3 dimensions) for images, 0x00000804 (4 dimensions, channels second) for
// images of several channels, 0x00000801 for labels, big-endian sizes. The file
// must hold exactly what its header says; the counts must agree; labels must lie in [first_label, first_label +
// classes) and are counted from 0 in the set. Errors name the file.
absl::StatusOr<ImageSet> ParseIdx(std::span<const uint8_t> images, const std::string& images_name,
                                  std::span<const uint8_t> labels, const std::string& labels_name, int32_t classes,
                                  int32_t first_label = 0);
// Files that begin as gzip files do are decompressed, to exactly the size that their IDX header says.
absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes = 10, int32_t first_label = 0);
// Images whose labels nobody knows: all 0, of 0 classes.
absl::StatusOr<ImageSet> LoadIdxImages(const std::filesystem::path& images);
Bytes WriteIdxImages(const ImageSet& set);
Bytes WriteIdxLabels(const ImageSet& set);

}  // namespace privdnn
