// Labelled images in their official file formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "nn/graph.h"

namespace privdnn::nn {

struct ImageSet {
  int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // NCHW, 0..255
  std::vector<int32_t> labels;  // one an image, 0..classes-1
  int32_t classes = 0;

  // Images [begin, end) as floats in [0, 1]: pixel / 255.
  Tensor Batch(int64_t begin, int64_t end) const;
  // Images [begin, end), both clamped to [0, count].
  ImageSet Slice(int64_t begin, int64_t end) const;
  // The first `limit` images (all if there are fewer).
  ImageSet Head(int64_t limit) const;
};

// MNIST's IDX format: magic 0x00000803 (u8, 3 dimensions) for images, 0x00000801 for labels, big-endian sizes. The file
// must hold exactly what its header says; the counts must agree; labels must be below `classes`. Errors name the file.
absl::StatusOr<ImageSet> ParseIdx(std::span<const uint8_t> images, const std::string& images_name,
                                  std::span<const uint8_t> labels, const std::string& labels_name, int32_t classes);
absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes = 10);
// Images whose labels nobody knows: all 0, of 0 classes.
absl::StatusOr<ImageSet> LoadIdxImages(const std::filesystem::path& images);
Bytes WriteIdxImages(const ImageSet& set);
Bytes WriteIdxLabels(const ImageSet& set);

enum class Split { kTrain, kTest };
// `root`/mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte, as the official distribution names them.
absl::StatusOr<ImageSet> LoadMnist(const std::filesystem::path& root, Split split);

// The set without its last `held_out` images, and those. MNIST's last 5,000 training images choose the epoch of the
// assets.
std::pair<ImageSet, ImageSet> SplitValidation(const ImageSet& set, int64_t held_out = 5000);

}  // namespace privdnn::nn
