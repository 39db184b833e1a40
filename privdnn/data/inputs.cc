// Inputs and labels in files whose content says what they are.
#include <algorithm>
#include <cmath>
#include <limits>

#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

struct Signature {
  std::string_view bytes;
  const char* what;
};
constexpr Signature kSignatures[] = {{"\x89PNG", "a PNG picture"},
                                     {"\xff\xd8\xff", "a JPEG picture"},
                                     {"GIF8", "a GIF picture"},
                                     {"BM", "a BMP picture"},
                                     {"II*", "a TIFF picture"},
                                     {"PK\x03\x04", "a ZIP archive, such as .npz, .xlsx or a PyTorch file"},
                                     {"\x80\x02", "a Python pickle"},
                                     {"\x80\x03", "a Python pickle"},
                                     {"\x80\x04", "a Python pickle"},
                                     {"\x80\x05", "a Python pickle"},
                                     {"\x89HDF", "an HDF5 file"},
                                     {"PAR1", "a Parquet file"},
                                     {"\x1f\x8b", "a gzip file"},
                                     {"BZh", "a bzip2 file"},
                                     {"\xfd"
                                      "7zXZ",
                                      "an xz file"},
                                     {"P5", "a PGM picture"},
                                     {"P6", "a PPM picture"},
                                     {"%PDF", "a PDF document"},
                                     {"<", "an HTML or XML page"},
                                     {"{", "JSON"},
                                     {"PVDNNPKG", "a package of this program"}};

bool IsText(std::span<const uint8_t> file) {
  const auto head = file.first(std::min<size_t>(file.size(), 1024));
  return !head.empty() && std::ranges::all_of(head, [](uint8_t c) {
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
}

bool IsIdx(std::span<const uint8_t> file) { return file.size() >= 4 && file[0] == 0 && file[1] == 0; }

bool IsGzip(std::span<const uint8_t> file) { return file.size() >= 2 && file[0] == 0x1f && file[1] == 0x8b; }

absl::Status NotInputs(const std::string& name, std::span<const uint8_t> file, const char* kinds) {
  const std::string what = LooksLike(file);
  return InvalidArgument("{}: {}{}; {} are read", name, what.empty() ? "is of an unknown kind" : "looks like ", what,
                         kinds);
}

absl::StatusOr<std::vector<float>> ToFloats(const std::vector<double>& numbers, const std::string& name) {
  std::vector<float> values;
  values.reserve(numbers.size());
  for (const double number : numbers) {
    values.push_back(static_cast<float>(number));
    if (!std::isfinite(values.back())) {
      return InvalidArgument("{}: element {} is {}, which is not a finite 32-bit float", name, values.size() - 1,
                             number);
    }
  }
  return values;
}

absl::StatusOr<ImageSet> FromNumpy(NumpyArray array, const std::string& name) {
  const std::vector<int64_t>& shape = array.shape;
  if (shape.size() < 2 || shape.size() > 4 || std::ranges::find(shape, 0) != shape.end()) {
    return InvalidArgument("{}: an array of shape ({}); inputs are (N, C), (N, C, W) or (N, C, H, W)", name,
                           fmt::join(shape, ", "));
  }
  ImageSet set;
  set.count = shape[0];
  set.rank = static_cast<int>(shape.size()) - 1;
  set.channels = shape[1];
  set.height = shape.size() == 4 ? shape[2] : 1;
  set.width = shape.size() == 2 ? 1 : shape.back();
  set.pixels = std::move(array.bytes);
  PRIVDNN_ASSIGN_OR_RETURN(set.values, ToFloats(array.numbers, name));
  return set;
}

absl::StatusOr<ImageSet> FromTable(const NumberTable& table, const std::string& name) {
  ImageSet set;
  set.count = table.rows;
  set.channels = table.columns;
  set.height = set.width = set.rank = 1;
  set.named = table.named;
  PRIVDNN_ASSIGN_OR_RETURN(set.values, ToFloats(table.numbers, name));
  return set;
}

// Labels in a file of numbers: whole ones from 0 on. The number of classes, one more than the largest, is an int32_t
// too.
absl::StatusOr<std::vector<int32_t>> ToLabels(const std::vector<double>& numbers, const std::string& name) {
  std::vector<int32_t> labels;
  labels.reserve(numbers.size());
  for (const double number : numbers) {
    constexpr int32_t kMaxLabel = std::numeric_limits<int32_t>::max() - 1;
    if (number < 0 || number > kMaxLabel || number != std::floor(number)) {
      return InvalidArgument("{}: label {:.17g} of image {} is not a whole number in [0, {}]", name, number,
                             labels.size(), kMaxLabel);
    }
    labels.push_back(static_cast<int32_t>(number));
  }
  return labels;
}

}  // namespace

std::string LooksLike(std::span<const uint8_t> file) {
  if (file.empty()) return "an empty file";
  const std::string_view text = AsStringView(file);
  for (const Signature& signature : kSignatures) {
    if (text.starts_with(signature.bytes)) return signature.what;
  }
  if (IsNumpy(file)) return "a NumPy array";
  if (IsIdx(file)) return "an IDX file";
  return IsText(file) ? "text" : "";
}

bool LooksLikeInputs(std::span<const uint8_t> file) {
  return IsIdx(file) || IsGzip(file) || IsNumpy(file) || LooksLike(file) == "text";
}

absl::StatusOr<Bytes> ReadDataFile(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(Bytes bytes, ReadFile(path, kMaxDataFileBytes));
  if (IsGzip(bytes)) return GunzipIdx(bytes, path.string());
  return bytes;
}

absl::StatusOr<ImageSet> LoadInputs(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadDataFile(path));
  const std::string name = path.string();
  if (IsIdx(bytes)) return ParseIdxInputs(bytes, name);
  ImageSet set;
  if (IsNumpy(bytes)) {
    PRIVDNN_ASSIGN_OR_RETURN(NumpyArray array, ParseNumpy(bytes, name));
    PRIVDNN_ASSIGN_OR_RETURN(set, FromNumpy(std::move(array), name));
  } else if (LooksLike(bytes) == "text") {
    PRIVDNN_ASSIGN_OR_RETURN(const NumberTable table, ParseNumberTable(AsStringView(bytes), name));
    PRIVDNN_ASSIGN_OR_RETURN(set, FromTable(table, name));
  } else {
    return NotInputs(name, bytes, "IDX files, .npy arrays and tables of numbers (CSV)");
  }
  set.labels.assign(static_cast<size_t>(set.count), 0);
  return set;
}

absl::StatusOr<std::vector<int32_t>> LoadLabels(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadDataFile(path));
  const std::string name = path.string();
  if (IsIdx(bytes)) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto labels, ParseIdxLabels(bytes, name));
    return std::vector<int32_t>(labels.begin(), labels.end());
  }
  if (IsNumpy(bytes)) {
    PRIVDNN_ASSIGN_OR_RETURN(NumpyArray array, ParseNumpy(bytes, name));
    const bool column = array.shape.size() == 2 && array.shape[1] == 1;
    if (array.shape.size() != 1 && !column) {
      return InvalidArgument("{}: an array of shape ({}); labels are (N) or (N, 1)", name,
                             fmt::join(array.shape, ", "));
    }
    if (!array.bytes.empty()) return std::vector<int32_t>(array.bytes.begin(), array.bytes.end());
    return ToLabels(array.numbers, name);
  }
  if (LooksLike(bytes) != "text") return NotInputs(name, bytes, "labels in IDX files, .npy arrays and text");
  PRIVDNN_ASSIGN_OR_RETURN(const NumberTable table, ParseNumberTable(AsStringView(bytes), name));
  if (table.columns != 1) return InvalidArgument("{}: {} numbers a line; labels are one a line", name, table.columns);
  return ToLabels(table.numbers, name);
}

}  // namespace privdnn
