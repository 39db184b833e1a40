#include "privdnn/onnx/external.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

struct Entry {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

absl::StatusOr<uint64_t> ParseCount(const std::string& key, const std::string& text) {
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) return value;
  return InvalidArgument("external data: {} '{}' is not a number of bytes", key, text);
}

absl::StatusOr<Entry> ParseEntry(const onnx::TensorProto& proto) {
  Entry entry;
  for (const auto& pair : proto.external_data()) {
    if (pair.key() == "location") {
      entry.location = pair.value();
    } else if (pair.key() == "offset") {
      PRIVDNN_ASSIGN_OR_RETURN(entry.offset, ParseCount("offset", pair.value()));
    } else if (pair.key() == "length") {
      PRIVDNN_ASSIGN_OR_RETURN(entry.length, ParseCount("length", pair.value()));
    } else if (pair.key() != "checksum") {
      return InvalidArgument("external data: key '{}' is not supported", pair.key());
    }
  }
  if (entry.location.empty()) return InvalidArgument("external data: no location");
  return entry;
}

bool LiesIn(const std::filesystem::path& file, const std::filesystem::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first == folder.end();
}

}  // namespace

absl::StatusOr<std::span<const uint8_t>> ExternalData::Open(const std::string& location) {
  if (const auto known = files_.find(location); known != files_.end()) return known->second.bytes();
  std::error_code error;
  const auto folder = std::filesystem::canonical(folder_.empty() ? "." : folder_, error);
  if (error) return InvalidArgument("external data: folder '{}': {}", folder_.string(), error.message());
  // An absolute location replaces the folder, and is caught as any other outside of it.
  const auto file = std::filesystem::weakly_canonical(folder / location, error);
  if (error) return InvalidArgument("external data: '{}': {}", location, error.message());
  if (!LiesIn(file, folder)) {
    return InvalidArgument("external data: '{}' lies outside the model's folder '{}'", location, folder.string());
  }
  if (!std::filesystem::is_regular_file(file, error)) {
    return NotFound("external data: '{}' is not a file in '{}'", location, folder.string());
  }
  PRIVDNN_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(file));
  KeepFile(file);
  return files_.emplace(location, std::move(mapped)).first->second.bytes();
}

absl::StatusOr<std::span<const uint8_t>> ExternalData::Find(const onnx::TensorProto& proto, uint64_t bytes) {
  PRIVDNN_ASSIGN_OR_RETURN(const Entry entry, ParseEntry(proto));
  if (entry.length.has_value() && *entry.length != bytes) {
    return InvalidArgument("its shape needs {} bytes of data, its part of '{}' has {}", bytes, entry.location,
                           *entry.length);
  }
  if (bytes > kMaxModelBytes - total_bytes_) {
    return InvalidArgument("external data: more than the {} bytes allowed", kMaxModelBytes);
  }
  total_bytes_ += bytes;
  PRIVDNN_ASSIGN_OR_RETURN(const auto data, Open(entry.location));
  if (entry.offset > data.size() || bytes > data.size() - entry.offset) {
    return InvalidArgument("external data: '{}' has {} bytes, {} are needed from {}", entry.location, data.size(),
                           bytes, entry.offset);
  }
  return data.subspan(entry.offset, bytes);
}

}  // namespace privdnn
