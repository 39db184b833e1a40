// IDX files, plain and compressed.
#include <zlib.h>

#include <algorithm>

#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;       // images, rows, columns
constexpr uint32_t kColorImagesMagic = 0x00000804;  // images, channels, rows, columns
constexpr uint32_t kLabelsMagic = 0x00000801;
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

std::string WrongMagic(uint32_t magic, uint32_t expected) {
  return fmt::format("is 0x{:08x}, needs 0x{:08x}", magic, expected);
}

std::string WrongSize(uint32_t size) {
  const bool valid = size >= 1 && size <= (uint32_t{1} << 31) - 1;
  return valid ? "" : fmt::format("is {}, must lie in [1, 2^31)", size);
}

// Reads a size of the header, at least 1.
absl::StatusOr<uint32_t> Dimension(ByteReader& reader, std::string_view field) {
  return ReadField(reader, field, WrongSize);
}

// Returns the names of the sizes behind a magic.
std::vector<std::string_view> SizeNames(uint32_t magic) {
  if (magic == kLabelsMagic) return {"number of labels"};
  if (magic == kImagesMagic) return {"number of images", "rows", "columns"};
  return {"number of images", "channels", "rows", "columns"};
}

absl::Status ParseImages(std::span<const uint8_t> file, const std::string& name, ImageSet& set) {
  ByteReader reader(file, name);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t magic, ReadField(reader, "magic", [](uint32_t m) {
                             return m == kImagesMagic || m == kColorImagesMagic ? "" : WrongMagic(m, kImagesMagic);
                           }));
  std::vector<uint32_t> sizes;
  for (const std::string_view field : SizeNames(magic)) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t size, Dimension(reader, field));
    sizes.push_back(size);
  }
  if (magic == kImagesMagic) sizes.insert(sizes.begin() + 1, 1);  // one channel
  uint64_t bytes = 1;
  for (const uint32_t size : sizes) {
    const auto product = CheckedMul(bytes, size);
    if (!product.ok()) {
      return reader.Error("pixels", fmt::format("are {}, which is more than 64 bits count", fmt::join(sizes, " x ")));
    }
    bytes = *product;
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto pixels, reader.Take(bytes, "pixels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  set.count = sizes[0];
  set.channels = sizes[1];
  set.height = sizes[2];
  set.width = sizes[3];
  set.pixels.assign(pixels.begin(), pixels.end());
  return absl::OkStatus();
}

absl::Status ParseLabels(std::span<const uint8_t> file, const std::string& name, int32_t classes, int32_t first_label,
                         ImageSet& set) {
  ByteReader reader(file, name);
  PRIVDNN_RETURN_IF_ERROR(ReadField(reader, "magic", [](uint32_t m) {
                            return m == kLabelsMagic ? "" : WrongMagic(m, kLabelsMagic);
                          }).status());
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, Dimension(reader, "number of labels"));
  const uint64_t first_byte = reader.offset();
  PRIVDNN_ASSIGN_OR_RETURN(const auto labels, reader.Take(count, "labels"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
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

absl::StatusOr<Bytes> ReadIdxFile(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(Bytes bytes, ReadFile(path, kMaxDataFileBytes));
  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) return GunzipIdx(bytes, path.string());
  return bytes;
}

}  // namespace

absl::StatusOr<Bytes> GunzipIdx(std::span<const uint8_t> file, const std::string& name) {
  if (file.size() > kMaxDataFileBytes) {
    return InvalidArgument("{}: {} bytes, more than the {} allowed", name, file.size(), kMaxDataFileBytes);
  }
  Inflater inflater(file, name);
  Bytes header(20);
  PRIVDNN_ASSIGN_OR_RETURN(const size_t header_bytes, inflater.Read(header));
  header.resize(header_bytes);
  ByteReader reader(header, name);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t magic, ReadField(reader, "magic", [](uint32_t m) {
                             const bool known = m == kImagesMagic || m == kColorImagesMagic || m == kLabelsMagic;
                             return known ? "" : fmt::format("is 0x{:08x}, which is neither images nor labels", m);
                           }));
  uint64_t size = 1;
  for (const std::string_view field : SizeNames(magic)) {
    const ByteReader at_field = reader;
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t dimension, Dimension(reader, field));
    // Factors are below 2^31 and the product so far at most 2^30.
    size *= dimension;
    if (size > kMaxDataFileBytes) {
      return at_field.Error(field, fmt::format("makes the file more than {} bytes", kMaxDataFileBytes));
    }
  }
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
  ImageSet set;
  PRIVDNN_RETURN_IF_ERROR(ParseImages(images, images_name, set));
  PRIVDNN_RETURN_IF_ERROR(ParseLabels(labels, labels_name, classes, first_label, set));
  if (static_cast<int64_t>(set.labels.size()) != set.count) {
    return InvalidArgument("{} holds {} images, {} holds {} labels", images_name, set.count, labels_name,
                           set.labels.size());
  }
  return set;
}

absl::StatusOr<ImageSet> LoadIdx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                 int32_t classes, int32_t first_label) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes image_bytes, ReadIdxFile(images));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes label_bytes, ReadIdxFile(labels));
  return ParseIdx(image_bytes, images.string(), label_bytes, labels.string(), classes, first_label);
}

absl::StatusOr<ImageSet> LoadIdxImages(const std::filesystem::path& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadIdxFile(images));
  ImageSet set;
  PRIVDNN_RETURN_IF_ERROR(ParseImages(bytes, images.string(), set));
  set.labels.assign(static_cast<size_t>(set.count), 0);
  return set;
}

Bytes WriteIdxImages(const ImageSet& set) {
  ByteWriter writer;
  PutBigEndian(writer, set.channels == 1 ? kImagesMagic : kColorImagesMagic);
  PutBigEndian(writer, set.count);
  if (set.channels != 1) PutBigEndian(writer, set.channels);
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

}  // namespace privdnn
