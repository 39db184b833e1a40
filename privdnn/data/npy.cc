// NumPy's .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "privdnn/data/arrays.h"
#include "privdnn/data/formats.h"
#include "privdnn/data/lines.h"

namespace privdnn {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint32_t kMaxHeaderBytes = 1 << 16;
constexpr size_t kMaxDimensions = 8;

static_assert(std::endian::native == std::endian::little, "arrays are read as they lie in memory");

// The value of a field in a header such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }: the text up to
// the next comma, or up to the closing bracket of a tuple.
absl::StatusOr<std::string_view> Field(std::string_view header, std::string_view field, const std::string& name) {
  const std::string quoted = fmt::format("'{}':", field);
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return InvalidArgument("{}: the header has no field '{}'", name, field);
  std::string_view rest = header.substr(at + quoted.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const bool tuple = rest.starts_with('(');
  const size_t end = rest.find_first_of(tuple ? ")" : ",}");
  if (end == std::string_view::npos) return InvalidArgument("{}: the header's field '{}' has no end", name, field);
  return rest.substr(tuple ? 1 : 0, end - (tuple ? 1 : 0));
}

absl::StatusOr<std::vector<int64_t>> ParseShape(std::string_view text, const std::string& name) {
  std::vector<int64_t> shape;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    if (text.empty()) break;
    int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || size < 0 || shape.size() == kMaxDimensions) {
      return InvalidArgument("{}: the shape ({}) is not one of at most {} dimensions", name, Quoted(text),
                             kMaxDimensions);
    }
    shape.push_back(size);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return shape;
}

template <typename T>
std::vector<double> Widen(std::span<const uint8_t> data) {
  std::vector<double> numbers(data.size() / sizeof(T));
  for (size_t i = 0; i < numbers.size(); ++i) {
    T value;
    std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
    numbers[i] = static_cast<double>(value);
  }
  return numbers;
}

// Types of elements, without the mark of their byte order.
struct ElementType {
  std::string_view code;
  uint64_t bytes;
  std::vector<double> (*widen)(std::span<const uint8_t>);  // null: as they are
};
constexpr ElementType kTypes[] = {{"u1", 1, nullptr},         {"b1", 1, Widen<uint8_t>},  {"i1", 1, Widen<int8_t>},
                                  {"u2", 2, Widen<uint16_t>}, {"i2", 2, Widen<int16_t>},  {"u4", 4, Widen<uint32_t>},
                                  {"i4", 4, Widen<int32_t>},  {"u8", 8, Widen<uint64_t>}, {"i8", 8, Widen<int64_t>},
                                  {"f4", 4, Widen<float>},    {"f8", 8, Widen<double>}};

absl::StatusOr<ElementType> FindType(std::string_view descr, const std::string& name) {
  descr.remove_prefix(descr.starts_with('\'') ? 1 : 0);
  descr.remove_suffix(descr.ends_with('\'') ? 1 : 0);
  for (const ElementType& type : kTypes) {
    const bool ordered = descr.starts_with('<') || descr.starts_with('|');
    if (ordered && descr.substr(1) == type.code) return type;
  }
  return InvalidArgument(
      "{}: elements of type {} are not supported; save little-endian numbers, such as x.astype('float32')", name,
      Quoted(descr));
}

}  // namespace

bool IsNumpy(std::span<const uint8_t> file) { return AsStringView(file).starts_with(kMagic); }

absl::StatusOr<NumpyArray> ParseNumpy(std::span<const uint8_t> file, const std::string& name) {
  ByteReader reader(file, name);
  PRIVDNN_RETURN_IF_ERROR(reader.Magic(kMagic, ".npy files"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint8_t major, reader.U8("version"));
  PRIVDNN_RETURN_IF_ERROR(reader.U8("minor version").status());
  if (major < 1 || major > 3) return InvalidArgument("{}: .npy version {}; 1 to 3 are supported", name, major);
  uint32_t size = 0;
  if (major == 1) {
    PRIVDNN_ASSIGN_OR_RETURN(size, reader.U16("header size"));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(size, reader.U32InRange(0, kMaxHeaderBytes, "header size"));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto header_bytes, reader.Take(size, "header"));
  const std::string_view header = AsStringView(header_bytes);
  PRIVDNN_ASSIGN_OR_RETURN(const std::string_view descr, Field(header, "descr", name));
  PRIVDNN_ASSIGN_OR_RETURN(const ElementType type, FindType(descr, name));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string_view fortran, Field(header, "fortran_order", name));
  if (!fortran.starts_with("False")) {
    return InvalidArgument("{}: its elements lie in Fortran order; save numpy.ascontiguousarray(x)", name);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const std::string_view shape, Field(header, "shape", name));
  NumpyArray array;
  PRIVDNN_ASSIGN_OR_RETURN(array.shape, ParseShape(shape, name));
  const absl::StatusOr<int64_t> count = ElementCount(array.shape);
  if (!count.ok()) return Annotate(count.status(), name);
  PRIVDNN_ASSIGN_OR_RETURN(const auto data, reader.Take(static_cast<uint64_t>(*count) * type.bytes, "elements"));
  PRIVDNN_RETURN_IF_ERROR(reader.Finish());
  if (type.widen == nullptr) {
    array.bytes.assign(data.begin(), data.end());
  } else {
    array.numbers = type.widen(data);
  }
  return array;
}

Bytes WriteNumpy(const Tensor& tensor) {
  constexpr size_t kAlignment = 64;
  const std::string sizes = fmt::format("{}{}", fmt::join(tensor.shape, ", "), tensor.shape.size() == 1 ? "," : "");
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes);
  const size_t front = kMagic.size() + 4;
  header.append(kAlignment - (front + header.size() + 1) % kAlignment, ' ');
  header += '\n';
  ByteWriter w;
  w.Raw(kMagic);
  w.U8(1);
  w.U8(0);
  w.U16(static_cast<uint16_t>(header.size()));
  w.Raw(header);
  w.Raw({reinterpret_cast<const uint8_t*>(tensor.values.data()), tensor.values.size() * sizeof(float)});
  return std::move(w).Take();
}

}  // namespace privdnn
