#include "privdnn/base/record_file.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace privdnn {
namespace {

// In front of a record's body: its size and a checksum of that, so that a wrong size isn't taken for a cut.
constexpr uint64_t kHeadBytes = 8, kSumBytes = 8;

uint32_t SizeCheck(uint32_t size) {
  ByteWriter w;
  w.U32(size);
  return static_cast<uint32_t>(RecordChecksum(w.view()));
}

absl::StatusOr<std::string> ReadHeader(ByteReader& r, std::span<const uint8_t> bytes, const RecordFormat& format) {
  PRIVDNN_RETURN_IF_ERROR(r.Magic(format.magic, format.files));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(format.version, format.version, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(std::string identity, r.String(kMaxRecordIdentity, "identity"));
  const uint64_t sum = RecordChecksum(bytes.first(r.offset()));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t stored, r.U64("checksum of the header"));
  if (stored != sum) return r.Error("checksum of the header", "does not match");
  return identity;
}

}  // namespace

uint64_t RecordChecksum(std::span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Bytes WriteRecordHeader(const RecordFormat& format, const std::string& identity) {
  ByteWriter w;
  w.Raw(format.magic);
  w.U32(format.version);
  w.String(identity);
  w.U64(RecordChecksum(w.view()));
  return std::move(w).Take();
}

Bytes WriteRecord(std::span<const uint8_t> body) {
  const auto size = static_cast<uint32_t>(body.size());
  ByteWriter w;
  w.U32(size);
  w.U32(SizeCheck(size));
  w.Raw(body);
  w.U64(RecordChecksum(body));
  return std::move(w).Take();
}

absl::StatusOr<RecordHeader> ParseRecordHeader(std::span<const uint8_t> bytes, const RecordFormat& format,
                                               const std::string& what) {
  ByteReader r(bytes, what);
  auto identity = ReadHeader(r, bytes, format);
  if (!identity.ok()) return absl::DataLossError(identity.status().message());
  return RecordHeader{*std::move(identity), r.offset()};
}

absl::StatusOr<uint64_t> ParseRecords(std::span<const uint8_t> bytes, uint64_t begin, const std::string& what,
                                      const OnRecordFn& on_record) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.Take(begin, "header").status());
  uint64_t whole = begin;
  for (uint64_t record = 0; r.remaining() >= kHeadBytes; ++record) {
    const std::string name = fmt::format("{}: record {} at byte {}", what, record, r.offset());
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t size, r.U32("size"));
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t check, r.U32("checksum of the size"));
    if (check != SizeCheck(size)) return DataLoss("{}: damaged: the checksum of its size does not match", name);
    if (uint64_t{size} + kSumBytes > r.remaining()) break;
    PRIVDNN_ASSIGN_OR_RETURN(const auto body, r.Take(size, "body"));
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t sum, r.U64("checksum"));
    if (sum != RecordChecksum(body)) return DataLoss("{}: damaged: its checksum does not match", name);
    const absl::Status read = on_record(body, name);
    if (!read.ok()) return absl::DataLossError(read.message());
    whole = r.offset();
  }
  return whole;
}

absl::StatusOr<AppendFile> OpenRecordFile(const std::filesystem::path& path, const RecordFormat& format,
                                          const std::string& identity, const std::string& other,
                                          const OnRecordFn& on_record, unsigned mode) {
  if (identity.size() > kMaxRecordIdentity) {
    return InvalidArgument("{}: an identity of {} bytes; must be at most {}", path.string(), identity.size(),
                           kMaxRecordIdentity);
  }
  PRIVDNN_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(path, mode));
  const Bytes header = WriteRecordHeader(format, identity);
  uint64_t whole = 0;
  if (file.size() > 0) {
    PRIVDNN_ASSIGN_OR_RETURN(const MappedFile map, MappedFile::Open(path));
    const auto bytes = map.bytes();
    // A file that was cut off while it was made is made anew.
    const bool begun = bytes.size() < header.size() && std::equal(bytes.begin(), bytes.end(), header.begin());
    if (!begun) {
      PRIVDNN_ASSIGN_OR_RETURN(const RecordHeader there, ParseRecordHeader(bytes, format, path.string()));
      if (there.identity != identity) return FailedPrecondition("{}: {}", path.string(), other);
      PRIVDNN_ASSIGN_OR_RETURN(whole, ParseRecords(bytes, there.bytes, path.string(), on_record));
    }
  }
  if (whole < file.size()) PRIVDNN_RETURN_IF_ERROR(file.Truncate(whole));
  if (whole == 0) PRIVDNN_RETURN_IF_ERROR(file.Append(header));
  PRIVDNN_RETURN_IF_ERROR(file.Sync());
  return file;
}

}  // namespace privdnn
