#include "nn/dataset.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/file.h"

namespace privdnn::nn {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;
constexpr uint32_t kLabelsMagic = 0x00000801;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

uint32_t SwapBytes(uint32_t v) { return (v >> 24) | ((v >> 8) & 0xff00u) | ((v << 8) & 0xff0000u) | (v << 24); }

// IDX counts are big-endian, unlike everything ByteReader is otherwise used for.
absl::StatusOr<uint32_t> BigEndianU32(ByteReader& reader, std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t v, reader.U32(field));
  return SwapBytes(v);
}

absl::Status ExpectMagic(ByteReader& reader, uint32_t expected) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t magic, BigEndianU32(reader, "magic"));
  if (magic == expected) return absl::OkStatus();
  return reader.Error("magic", fmt::format("is 0x{:08x}, needs 0x{:08x}", magic, expected));
}

// A size of the header, at least 1.
absl::StatusOr<uint32_t> Dimension(ByteReader& reader, std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t size, BigEndianU32(reader, field));
  if (size >= 1 && size <= (uint32_t{1} << 31) - 1) return size;
  return reader.Error(field, fmt::format("is {}, must lie in [1, 2^31)", size));
}

absl::Status ParseImages(std::span<const uint8_t> file, const std::string& name, ImageSet& set) {
  ByteReader reader(file, name);
  PRIVDNN_RETURN_IF_ERROR(ExpectMagic(reader, kImagesMagic));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, Dimension(reader, "number of images"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t height, Dimension(reader, "rows"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t width, Dimension(reader, "columns"));
  auto bytes = CheckedMul(uint64_t{height} * width, count);
  if (!bytes.ok()) return reader.Error("columns", fmt::format("{} x {} x {} pixels overflow", count, height, width));
  PRIVDNN_ASSIGN_OR_RETURN(const auto pixels, reader.Take(*bytes, "pixels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  set.count = count;
  set.channels = 1;
  set.height = height;
  set.width = width;
  set.pixels.assign(pixels.begin(), pixels.end());
  return absl::OkStatus();
}

absl::Status ParseLabels(std::span<const uint8_t> file, const std::string& name, int32_t classes, ImageSet& set) {
  ByteReader reader(file, name);
  PRIVDNN_RETURN_IF_ERROR(ExpectMagic(reader, kLabelsMagic));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, Dimension(reader, "number of labels"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto labels, reader.Take(count, "labels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= classes) {
      return InvalidArgument("{}: label {} of image {} is not below the {} classes", name, labels[i], i, classes);
    }
  }
  set.labels.assign(labels.begin(), labels.end());
  set.classes = classes;
  return absl::OkStatus();
}

void PutBigEndian(ByteWriter& writer, int64_t v) { writer.U32(SwapBytes(static_cast<uint32_t>(v))); }

}  // namespace

Tensor ImageSet::Batch(int64_t begin, int64_t end) const {
  assert(0 <= begin && begin <= end && end <= count);
  const int64_t per_image = channels * height * width;
  Tensor batch{{end - begin, channels, height, width}, {}};
  batch.values.resize(static_cast<size_t>((end - begin) * per_image));
  std::transform(pixels.begin() + begin * per_image, pixels.begin() + end * per_image, batch.values.begin(),
                 [](uint8_t p) { return static_cast<float>(p) / 255.0f; });
  return batch;
}

ImageSet ImageSet::Slice(int64_t begin, int64_t end) const {
  begin = std::clamp<int64_t>(begin, 0, count);
  end = std::clamp<int64_t>(end, begin, count);
  const int64_t per_image = channels * height * width;
  return {end - begin,
          channels,
          height,
          width,
          {pixels.begin() + begin * per_image, pixels.begin() + end * per_image},
          {labels.begin() + begin, labels.begin() + end},
          classes};
}

ImageSet ImageSet::Head(int64_t limit) const { return Slice(0, limit); }

absl::StatusOr<ImageSet> ParseIdx(std::span<const uint8_t> images, const std::string& images_name,
                                  std::span<const uint8_t> labels, const std::string& labels_name, int32_t classes) {
  ImageSet set;
  PRIVDNN_RETURN_IF_ERROR(ParseImages(images, images_name, set));
  PRIVDNN_RETURN_IF_ERROR(ParseLabels(labels, labels_name, classes, set));
  if (static_cast<int64_t>(set.labels.size()) != set.count) {
    return InvalidArgument("{} holds {} images, {} holds {} labels", images_name, set.count, labels_name,
                           set.labels.size());
  }
  return set;
}

absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes image_bytes, ReadFile(images, kMaxFileBytes));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes label_bytes, ReadFile(labels, kMaxFileBytes));
  return ParseIdx(image_bytes, images.string(), label_bytes, labels.string(), classes);
}

absl::StatusOr<ImageSet> LoadIdxImages(const std::filesystem::path& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(images, kMaxFileBytes));
  ImageSet set;
  PRIVDNN_RETURN_IF_ERROR(ParseImages(bytes, images.string(), set));
  set.labels.assign(static_cast<size_t>(set.count), 0);
  return set;
}

Bytes WriteIdxImages(const ImageSet& set) {
  assert(set.channels == 1);
  ByteWriter writer;
  PutBigEndian(writer, kImagesMagic);
  PutBigEndian(writer, set.count);
  PutBigEndian(writer, set.height);
  PutBigEndian(writer, set.width);
  writer.Raw(set.pixels);
  return std::move(writer).Take();
}

Bytes WriteIdxLabels(const ImageSet& set) {
  ByteWriter writer;
  PutBigEndian(writer, kLabelsMagic);
  PutBigEndian(writer, set.count);
  for (const int32_t label : set.labels) writer.U8(static_cast<uint8_t>(label));
  return std::move(writer).Take();
}

absl::StatusOr<ImageSet> LoadMnist(const std::filesystem::path& root, Split split) {
  const std::string prefix = split == Split::kTrain ? "train" : "t10k";
  return LoadIdx(root / "mnist" / (prefix + "-images-idx3-ubyte"), root / "mnist" / (prefix + "-labels-idx1-ubyte"));
}

std::pair<ImageSet, ImageSet> SplitValidation(const ImageSet& set, int64_t held_out) {
  return {set.Slice(0, set.count - held_out), set.Slice(set.count - held_out, set.count)};
}

}  // namespace privdnn::nn
