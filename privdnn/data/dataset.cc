#include "privdnn/data/dataset.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>
#include <numeric>

#include "privdnn/base/random.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

constexpr std::array<DataSetInfo, 7> kDataSets{{
    {"mnist", "handwritten digits", "MNIST database of LeCun, Cortes and Burges",
     "mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz; also in MNIST/raw", 1, 28, 28, 10},
    {"fashion-mnist", "articles of clothing", "Fashion-MNIST of Zalando Research; Debian package dataset-fashion-mnist",
     "fashion-mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz", 1, 28, 28, 10},
    {"emnist-letters", "handwritten letters a to z", "EMNIST of NIST (Cohen et al. 2017), the file in IDX format",
     "emnist/emnist-letters-{train,test}-{images-idx3,labels-idx1}-ubyte, plain or .gz", 1, 28, 28, 26},
    {"emnist-letters13", "handwritten letters a to m, a part of EMNIST letters",
     "cut from EMNIST letters by the user: labels 1 to 13",
     "emnist/emnist-letters13-{train,test}-{images-idx3,labels-idx1}-ubyte, plain or .gz", 1, 28, 28, 13},
    {"cifar10", "photographs of animals and vehicles", "CIFAR-10 of Krizhevsky, the binary version",
     "cifar10/cifar-10-batches-bin/{data_batch_1..5,test_batch}.bin", 3, 32, 32, 10},
    {"gtsrb", "traffic signs, scaled to 32x32",
     "German Traffic Sign Recognition Benchmark: training images, test images, extended test annotations",
     "gtsrb/GTSRB/Final_Training/Images/000NN/{GT-000NN.csv,*.ppm}, "
     "gtsrb/GTSRB/Final_Test/Images/{GT-final_test.csv,*.ppm}",
     3, 32, 32, 43},
    {"tiny-imagenet", "photographs of 200 classes or as many as are there; its validation images are the test set",
     "Tiny ImageNet of Stanford's course CS231n",
     "tiny-imagenet/tiny-imagenet-200/{wnids.txt,train/nNNNNNNNN/{nNNNNNNNN_boxes.txt,images/*.JPEG},"
     "val/{val_annotations.txt,images/*.JPEG}}",
     3, 64, 64, 0},
}};

// A file under its plain name or, if that isn't there, with .gz behind it. The plain name if neither is.
std::filesystem::path PlainOrGz(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::path compressed = path;
  compressed += ".gz";
  return !std::filesystem::exists(path, ignored) && std::filesystem::exists(compressed, ignored) ? compressed : path;
}

// The file "PREFIX-WHAT" in the first of the folders that has it, also as Kaggle names it, "PREFIX-images.idx3-ubyte".
std::filesystem::path FindIdx(std::span<const std::filesystem::path> folders, const std::string& prefix,
                              const std::string& what) {
  std::string with_dot = what;
  with_dot[what.find('-')] = '.';
  std::error_code ignored;
  for (const std::filesystem::path& folder : folders) {
    for (const std::string& name : {what, with_dot}) {
      const std::filesystem::path path = PlainOrGz(folder / fmt::format("{}-{}", prefix, name));
      if (std::filesystem::exists(path, ignored)) return path;
    }
  }
  return folders[0] / (prefix + "-" + what);  // the name that the error gives
}

absl::StatusOr<ImageSet> LoadNamedIdx(std::span<const std::filesystem::path> folders, const std::string& prefix,
                                      int32_t classes, int32_t first_label) {
  return LoadIdx(FindIdx(folders, prefix, "images-idx3-ubyte"), FindIdx(folders, prefix, "labels-idx1-ubyte"), classes,
                 first_label);
}

// EMNIST's images lie on their side: rows are columns.
void TransposeImages(ImageSet& set) {
  std::vector<uint8_t> upright(set.pixels.size());
  const int64_t h = set.height, w = set.width;
  for (int64_t plane = 0; plane < set.count * set.channels; ++plane) {
    const auto at = [&](int64_t offset) { return static_cast<size_t>(plane * h * w + offset); };
    for (int64_t i = 0; i < h; ++i) {
      for (int64_t j = 0; j < w; ++j) upright[at(j * h + i)] = set.pixels[at(i * w + j)];
    }
  }
  set.pixels = std::move(upright);
  std::swap(set.height, set.width);
}

absl::StatusOr<ImageSet> LoadOfficialSplit(const DataSetInfo& info, const std::filesystem::path& root, bool train,
                                           const LoadOptions& options) {
  const std::string name(info.name);
  if (name == "mnist" || name == "fashion-mnist") {
    // torchvision's folders, below the root or below the set's.
    const std::string torchvision = name == "mnist" ? "MNIST/raw" : "FashionMNIST/raw";
    const std::filesystem::path folders[] = {root / name, root / torchvision, root / name / torchvision};
    return LoadNamedIdx(folders, train ? "train" : "t10k", info.classes, 0);
  }
  if (name == "emnist-letters" || name == "emnist-letters13") {
    const std::filesystem::path folders[] = {root / "emnist", root / "EMNIST/raw", root / "emnist/EMNIST/raw"};
    PRIVDNN_ASSIGN_OR_RETURN(ImageSet set, LoadNamedIdx(folders, name + (train ? "-train" : "-test"), info.classes, 1));
    TransposeImages(set);
    return set;
  }
  if (name == "cifar10") return LoadCifar10(root / name, train);
  if (name == "gtsrb") return LoadGtsrb(root / name, train, options);
  assert(name == "tiny-imagenet");
  return LoadTinyImageNet(root / name, train, options);
}

}  // namespace

std::vector<int64_t> ImageSet::Shape() const {
  if (rank == 1) return {channels};
  if (rank == 2) return {channels, width};
  return {channels, height, width};
}

std::span<const uint8_t> ImageSet::Content() const {
  if (values.empty()) return pixels;
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}

Tensor ImageSet::Batch(int64_t begin, int64_t end) const {
  assert(0 <= begin && begin <= end && end <= count);
  const int64_t first = begin * PerImage(), last = end * PerImage();
  Tensor batch{Shape(), {}};
  batch.shape.insert(batch.shape.begin(), end - begin);
  if (!values.empty()) {
    batch.values.assign(values.begin() + first, values.begin() + last);
    return batch;
  }
  batch.values.resize(static_cast<size_t>(last - first));
  std::transform(pixels.begin() + first, pixels.begin() + last, batch.values.begin(),
                 [](uint8_t p) { return static_cast<float>(p) / 255.0f; });
  return batch;
}

ImageSet ImageSet::Slice(int64_t begin, int64_t end) const {
  begin = std::clamp<int64_t>(begin, 0, count);
  end = std::clamp<int64_t>(end, begin, count);
  ImageSet slice = Empty();
  slice.Append(*this, begin, end);
  return slice;
}

ImageSet ImageSet::Head(int64_t limit) const { return Slice(0, limit); }

ImageSet ImageSet::Pick(std::span<const int64_t> indices) const {
  ImageSet picked = Empty();
  const auto reserved = indices.size() * static_cast<size_t>(PerImage());
  if (values.empty()) {
    picked.pixels.reserve(reserved);
  } else {
    picked.values.reserve(reserved);
  }
  for (const int64_t i : indices) picked.Append(*this, i, i + 1);
  return picked;
}

ImageSet ImageSet::Empty() const {
  ImageSet empty;
  empty.channels = channels;
  empty.height = height;
  empty.width = width;
  empty.classes = classes;
  empty.rank = rank;
  return empty;
}

void ImageSet::Append(const ImageSet& from, int64_t begin, int64_t end) {
  assert(0 <= begin && begin <= end && end <= from.count);
  const auto append = [](const auto& source, auto& target, int64_t first, int64_t last) {
    if (!source.empty()) target.insert(target.end(), source.begin() + first, source.begin() + last);
  };
  append(from.pixels, pixels, begin * from.PerImage(), end * from.PerImage());
  append(from.values, values, begin * from.PerImage(), end * from.PerImage());
  append(from.labels, labels, begin, end);
  append(from.groups, groups, begin, end);
  count += end - begin;
}

bool IsSameInput(const std::vector<int64_t>& given, const std::vector<int64_t>& needed) {
  const auto elements = [](const std::vector<int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  };
  const auto sides = [](std::vector<int64_t> shape) {
    std::erase(shape, 1);
    return shape;
  };
  if (needed.size() == 1 || given.size() == 1) return elements(given) == elements(needed);
  return sides(given) == sides(needed);
}

absl::Status FitInputs(const std::vector<int64_t>& needed, ImageSet& set) {
  if (needed.empty() || needed.size() > 3 || !IsSameInput(set.Shape(), needed)) {
    return InvalidArgument("inputs are {}, the network reads {}", fmt::join(set.Shape(), "x"), fmt::join(needed, "x"));
  }
  set.rank = static_cast<int>(needed.size());
  set.channels = needed[0];
  set.height = needed.size() == 3 ? needed[1] : 1;
  set.width = needed.size() == 1 ? 1 : needed.back();
  return absl::OkStatus();
}

std::span<const DataSetInfo> DataSets() { return kDataSets; }

absl::StatusOr<DataSetInfo> FindDataSet(std::string_view name) {
  std::string names;
  for (const DataSetInfo& info : kDataSets) {
    if (info.name == name) return info;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", info.name);
  }
  return NotFound("no data set '{}'; there are {}", name, names);
}

std::vector<int64_t> RandomOrder(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::vector<uint64_t> draws(order.size());
  DeterministicRandom(seed).Fill(std::span(draws));
  // Fisher and Yates. The remainder of a 64-bit draw is uniform up to count / 2^64.
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws[i - 1] % i]);
  return order;
}

absl::StatusOr<ImageSet> LoadDataSet(const std::string& name, const std::filesystem::path& root, Split split,
                                     const LoadOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const DataSetInfo info, FindDataSet(name));
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet set, LoadOfficialSplit(info, root, split == Split::kTrain, options));
  if (split == Split::kTrain || split == Split::kTest) return set;
  const std::vector<int64_t> order = RandomOrder(set.count, 0);
  const std::span all(order);
  const size_t half = order.size() / 2;
  return set.Pick(split == Split::kValidationHalf ? all.first(half) : all.subspan(half));
}

std::pair<ImageSet, ImageSet> SplitValidation(const ImageSet& set, int64_t held_out) {
  int64_t border = std::clamp<int64_t>(set.count - held_out, 0, set.count);
  const auto group = [&](int64_t i) { return set.groups[static_cast<size_t>(i)]; };
  while (!set.groups.empty() && border > 0 && border < set.count && group(border - 1) == group(border)) --border;
  return {set.Slice(0, border), set.Slice(border, set.count)};
}

}  // namespace privdnn
