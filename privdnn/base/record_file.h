// Files of checksummed records that grow at their end: what long or paid work has found so far. The first bytes name
// the format, its version and the identity, which says what the records depend on. docs/journal-format.md has the
// bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "privdnn/base/bytes.h"
#include "privdnn/base/file.h"
#include "privdnn/base/status.h"

namespace privdnn {

struct RecordFormat {
  std::string_view magic;
  std::string_view files;  // what such files are, for messages: "checkpoints of a search"
  uint32_t version;
};

// The longest identity, in bytes.
constexpr uint32_t kMaxRecordIdentity = 1024;

// Receives a record's body. `what` names the record in errors: "FILE: record 3 at byte 120".
using OnRecordFn = std::function<absl::Status(std::span<const uint8_t> body, const std::string& what)>;

// Returns the XXH3-64, which detects accidental damage.
uint64_t RecordChecksum(std::span<const uint8_t> bytes);
Bytes WriteRecordHeader(const RecordFormat& format, const std::string& identity);
// A record around its body.
Bytes WriteRecord(std::span<const uint8_t> body);

// Parses `bytes`, which may be untrusted. Fails with DataLoss, giving `what`, the byte and the field.
struct RecordHeader {
  std::string identity;
  uint64_t bytes = 0;
};
absl::StatusOr<RecordHeader> ParseRecordHeader(std::span<const uint8_t> bytes, const RecordFormat& format,
                                               const std::string& what);
// Hands on the records from byte `begin` on and returns where the last whole one ends: one that is cut off is left out.
// Returns errors of `on_record` as DataLoss.
absl::StatusOr<uint64_t> ParseRecords(std::span<const uint8_t> bytes, uint64_t begin, const std::string& what,
                                      const OnRecordFn& on_record);

// Opens a file for more records, or creates it, and hands on those that it has. Removes a last one that is cut off (a
// kill, a full disk). Fails with FailedPrecondition, saying `other`, if the file has another identity, with
// InvalidArgument if `identity` is too long, and with DataLoss if the file is damaged.
absl::StatusOr<AppendFile> OpenRecordFile(const std::filesystem::path& path, const RecordFormat& format,
                                          const std::string& identity, const std::string& other,
                                          const OnRecordFn& on_record, unsigned mode = 0644);

}  // namespace privdnn
