// IDX files, plain and compressed.
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

// The type of an IDX file's elements, its third byte.
enum class IdxType : uint8_t { kBytes = 8, kFloats = 13 };
constexpr std::string_view kTooLong = "decompresses to more bytes than its IDX header says";

uint32_t SwapBytes(uint32_t v) { return (v >> 24) | ((v >> 8) & 0xff00u) | ((v << 8) & 0xff0000u) | (v << 24); }

// Reads a field of a header. IDX numbers are big-endian, unlike everything ByteReader is otherwise used for. `problem`
// returns what is wrong with a value, or nothing; the error gives the byte at which the field begins.
template <typename ProblemFn>
absl::StatusOr<uint32_t> ReadField(ByteReader& reader, std::string_view field, const ProblemFn& problem) {
  const ByteReader at_field = reader;
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t v, reader.U32(field));
  const uint32_t value = SwapBytes(v);
  const std::string wrong = problem(value);
  if (!wrong.empty()) return at_field.Error(field, wrong);
  return value;
}

std::string WrongSize(uint32_t size) {
  const bool valid = size >= 1 && size <= (uint32_t{1} << 31) - 1;
  return valid ? "" : fmt::format("is {}, must lie in [1, 2^31)", size);
}

// Reads a size of the header, at least 1.
absl::StatusOr<uint32_t> Dimension(ByteReader& reader, std::string_view field) {
  return ReadField(reader, field, WrongSize);
}

// What an IDX file says in front of its elements.
struct IdxHeader {
  IdxType type;
  std::vector<uint32_t> sizes;  // 1 to 4
};

std::string WrongMagic(uint32_t magic) {
  const uint32_t type = (magic >> 8) & 0xff, dimensions = magic & 0xff;
  if (magic >> 16 != 0) return fmt::format("is 0x{:08x}: not an IDX file", magic);
  if (type != static_cast<uint32_t>(IdxType::kBytes) && type != static_cast<uint32_t>(IdxType::kFloats)) {
    return fmt::format("is 0x{:08x}, elements of type {}; 8 (bytes) and 13 (floats) are supported", magic, type);
  }
  return dimensions >= 1 && dimensions <= 4
             ? ""
             : fmt::format("is 0x{:08x}, {} dimensions; 1 to 4 are supported", magic, dimensions);
}

// Names of the sizes behind a magic.
std::vector<std::string_view> SizeNames(uint32_t dimensions) {
  constexpr std::string_view kCount = "number of images";
  if (dimensions == 1) return {"number of labels"};
  if (dimensions == 2) return {kCount, "values"};
  if (dimensions == 3) return {kCount, "rows", "columns"};
  return {kCount, "channels", "rows", "columns"};
}

// `reader` is then at the first element. `on_size`, if given, returns what is wrong with the size read last.
absl::StatusOr<IdxHeader> ReadHeader(ByteReader& reader,
                                     const std::function<std::string(const IdxHeader&)>& on_size = nullptr) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t magic, ReadField(reader, "magic", WrongMagic));
  IdxHeader header{static_cast<IdxType>((magic >> 8) & 0xff), {}};
  for (const std::string_view field : SizeNames(magic & 0xff)) {
    const ByteReader at_field = reader;
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t size, Dimension(reader, field));
    header.sizes.push_back(size);
    const std::string wrong = on_size ? on_size(header) : "";
    if (!wrong.empty()) return at_field.Error(field, wrong);
  }
  return header;
}

uint64_t ElementBytes(IdxType type) { return type == IdxType::kBytes ? 1 : sizeof(float); }

// Big-endian floats.
absl::StatusOr<std::vector<float>> ToFloats(std::span<const uint8_t> bytes, const std::string& name) {
  std::vector<float> values(bytes.size() / sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i * sizeof(word), sizeof(word));
    values[i] = std::bit_cast<float>(SwapBytes(word));
    if (!std::isfinite(values[i])) return InvalidArgument("{}: element {} is not a finite number", name, i);
  }
  return values;
}

}  // namespace

absl::StatusOr<ImageSet> ParseIdxInputs(std::span<const uint8_t> file, const std::string& name) {
  ByteReader reader(file, name);
  PRIVDNN_ASSIGN_OR_RETURN(const IdxHeader header, ReadHeader(reader));
  if (header.sizes.size() == 1) {
    return InvalidArgument("{}: one number an image, which are labels; inputs have 2 to 4 dimensions", name);
  }
  uint64_t bytes = ElementBytes(header.type);
  for (const uint32_t size : header.sizes) {
    const auto product = CheckedMul(bytes, size);
    if (!product.ok()) {
      return reader.Error("pixels",
                          fmt::format("are {}, which is more than 64 bits count", fmt::join(header.sizes, " x ")));
    }
    bytes = *product;
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto content, reader.Take(bytes, "pixels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  ImageSet set;
  set.count = header.sizes[0];
  set.rank = header.sizes.size() == 2 ? 1 : 3;
  set.channels = header.sizes.size() == 3 ? 1 : header.sizes[1];
  set.height = header.sizes.size() == 2 ? 1 : header.sizes[header.sizes.size() - 2];
  set.width = header.sizes.size() == 2 ? 1 : header.sizes.back();
  if (header.type == IdxType::kBytes) {
    set.pixels.assign(content.begin(), content.end());
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(set.values, ToFloats(content, name));
  }
  set.labels.assign(static_cast<size_t>(set.count), 0);
  return set;
}

absl::StatusOr<std::span<const uint8_t>> ParseIdxLabels(std::span<const uint8_t> file, const std::string& name) {
  ByteReader reader(file, name);
  PRIVDNN_ASSIGN_OR_RETURN(const IdxHeader header, ReadHeader(reader));
  if (header.sizes.size() != 1 || header.type != IdxType::kBytes) {
    return InvalidArgument("{}: {} dimensions{}, which are inputs; labels have 1 dimension of bytes", name,
                           header.sizes.size(), header.type == IdxType::kFloats ? " of floats" : "");
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto labels, reader.Take(header.sizes[0], "labels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  return labels;
}

namespace {

absl::Status AddLabels(std::span<const uint8_t> file, const std::string& name, int32_t classes, int32_t first_label,
                       ImageSet& set) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto labels, ParseIdxLabels(file, name));
  const auto first_byte = static_cast<size_t>(labels.data() - file.data());
  set.labels.clear();
  set.labels.reserve(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const int32_t label = labels[i] - first_label;
    if (label < 0 || label >= classes) {
      return InvalidArgument("{}: label {} of image {} at byte {} is not in {}..{} ({} classes)", name, labels[i], i,
                             first_byte + i, first_label, first_label + classes - 1, classes);
    }
    set.labels.push_back(label);
  }
  set.classes = classes;
  return absl::OkStatus();
}

void PutBigEndian(ByteWriter& writer, int64_t v) { writer.U32(SwapBytes(static_cast<uint32_t>(v))); }

// Inflates one gzip stream step by step; zlib checks its CRC and length.
class Inflater {
 public:
  Inflater(std::span<const uint8_t> file, const std::string& name) : file_(file), name_(name) {
    stream_.next_in = const_cast<Bytef*>(file.data());
    stream_.avail_in = static_cast<uInt>(file.size());
    started_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK;
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (started_) inflateEnd(&stream_);
  }

  // Up to out.size() bytes, fewer only at the end of the stream.
  absl::StatusOr<size_t> Read(std::span<uint8_t> out) {
    if (!started_) return ResourceExhausted("{}: zlib can't be started", name_);
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out > 0 && !ended_) {
      const int result = inflate(&stream_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) return Error("the compressed file is cut short");
      if (result != Z_OK && !ended_) return Error(stream_.msg ? stream_.msg : "not a gzip file");
    }
    return out.size() - stream_.avail_out;
  }
  absl::Status Finish() {
    uint8_t surplus = 0;
    PRIVDNN_ASSIGN_OR_RETURN(const size_t more, Read({&surplus, 1}));
    if (more > 0) return Error(kTooLong);
    if (stream_.avail_in > 0) return Error(fmt::format("{} bytes behind the gzip stream", stream_.avail_in));
    return absl::OkStatus();
  }
  absl::Status Error(std::string_view problem) const {
    return InvalidArgument("{}: at compressed byte {}: {}", name_, file_.size() - stream_.avail_in, problem);
  }

 private:
  std::span<const uint8_t> file_;
  const std::string& name_;
  z_stream stream_ = {};
  bool started_ = false, ended_ = false;
};

}  // namespace

absl::StatusOr<Bytes> GunzipIdx(std::span<const uint8_t> file, const std::string& name) {
  if (file.size() > kMaxDataFileBytes) {
    return InvalidArgument("{}: {} bytes, more than the {} allowed", name, file.size(), kMaxDataFileBytes);
  }
  Inflater inflater(file, name);
  Bytes header(20);
  PRIVDNN_ASSIGN_OR_RETURN(const size_t header_bytes, inflater.Read(header));
  header.resize(header_bytes);
  if (header_bytes < 4 || header[0] != 0 || header[1] != 0) {
    return InvalidArgument(
        "{}: a gzip file of something else than an IDX file, which is the only kind that is read "
        "compressed; decompress it first (gunzip)",
        name);
  }
  ByteReader reader(header, name);
  uint64_t size = 0;
  const auto on_size = [&size](const IdxHeader& read) -> std::string {
    // Factors are below 2^31 and the product so far at most 2^30.
    size = (read.sizes.size() == 1 ? ElementBytes(read.type) : size) * read.sizes.back();
    return size > kMaxDataFileBytes ? fmt::format("makes the file more than {} bytes", kMaxDataFileBytes) : "";
  };
  PRIVDNN_RETURN_IF_ERROR(ReadHeader(reader, on_size).status());
  const uint64_t content = size;
  size += reader.offset();
  // Deflate expands at most 1,032 times; a header that promises more is wrong, and nothing is allocated for it.
  if (size / 1032 > file.size()) {
    return reader.Error("content", fmt::format("of {} bytes can't come of a file of {}", content, file.size()));
  }
  if (size < header.size()) return inflater.Error(kTooLong);
  Bytes bytes(size);
  std::copy(header.begin(), header.end(), bytes.begin());
  PRIVDNN_ASSIGN_OR_RETURN(const size_t rest, inflater.Read(std::span(bytes).subspan(header.size())));
  if (header.size() + rest != size) {
    return inflater.Error(fmt::format("decompresses to {} bytes, its IDX header says {}", header.size() + rest, size));
  }
  PRIVDNN_RETURN_IF_ERROR(inflater.Finish());
  return bytes;
}

absl::StatusOr<ImageSet> ParseIdx(std::span<const uint8_t> images, const std::string& images_name,
                                  std::span<const uint8_t> labels, const std::string& labels_name, int32_t classes,
                                  int32_t first_label) {
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet set, ParseIdxInputs(images, images_name));
  PRIVDNN_RETURN_IF_ERROR(AddLabels(labels, labels_name, classes, first_label, set));
  if (static_cast<int64_t>(set.labels.size()) != set.count) {
    return InvalidArgument("{} holds {} images, {} holds {} labels", images_name, set.count, labels_name,
                           set.labels.size());
  }
  return set;
}

absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes, int32_t first_label) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes image_bytes, ReadDataFile(images));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes label_bytes, ReadDataFile(labels));
  return ParseIdx(image_bytes, images.string(), label_bytes, labels.string(), classes, first_label);
}

Bytes WriteIdxImages(const ImageSet& set) {
  std::vector<int64_t> sizes = set.rank == 3 && set.channels == 1 ? std::vector{set.height, set.width} : set.Shape();
  if (set.rank == 2) sizes = {set.channels, 1, set.width};
  ByteWriter writer;
  const IdxType type = set.values.empty() ? IdxType::kBytes : IdxType::kFloats;
  PutBigEndian(writer, (static_cast<int64_t>(type) << 8) + static_cast<int64_t>(sizes.size()) + 1);
  PutBigEndian(writer, set.count);
  for (const int64_t size : sizes) PutBigEndian(writer, size);
  writer.Raw(set.pixels);
  for (const float value : set.values) PutBigEndian(writer, std::bit_cast<uint32_t>(value));
  return std::move(writer).Take();
}

Bytes WriteIdxLabels(const ImageSet& set) {
  ByteWriter writer;
  PutBigEndian(writer, (static_cast<int64_t>(IdxType::kBytes) << 8) + 1);
  PutBigEndian(writer, set.count);
  for (const int32_t label : set.labels) writer.U8(static_cast<uint8_t>(label));
  return std::move(writer).Take();
}

}  // namespace privdnn
