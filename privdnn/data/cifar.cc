// CIFAR-10's binary version.
#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

constexpr int64_t kPixels = int64_t{3} * 32 * 32;
constexpr int64_t kRecordBytes = 1 + kPixels;
constexpr int32_t kClasses = 10;
constexpr uint64_t kMaxBatchBytes = uint64_t{1} << 28;

}  // namespace

absl::StatusOr<int64_t> ParseCifar10(std::span<const uint8_t> file, const std::string& name, ImageSet& set) {
  const auto records = static_cast<int64_t>(file.size()) / kRecordBytes;
  if (records == 0 || static_cast<int64_t>(file.size()) % kRecordBytes != 0) {
    return InvalidArgument("{}: {} bytes are not one or more records of {} bytes (record {} at byte {} is cut short)",
                           name, file.size(), kRecordBytes, records, records * kRecordBytes);
  }
  for (int64_t i = 0; i < records; ++i) {
    const uint8_t label = file[static_cast<size_t>(i * kRecordBytes)];
    if (label >= kClasses) {
      return InvalidArgument("{}: label {} of record {} at byte {} is not below the {} classes", name, label, i,
                             i * kRecordBytes, kClasses);
    }
  }
  set.channels = 3;
  set.height = set.width = 32;
  set.classes = kClasses;
  set.count += records;
  set.pixels.reserve(set.pixels.size() + static_cast<size_t>(records * kPixels));
  for (int64_t i = 0; i < records; ++i) {
    const auto record = file.subspan(static_cast<size_t>(i * kRecordBytes), static_cast<size_t>(kRecordBytes));
    set.labels.push_back(record[0]);
    set.pixels.insert(set.pixels.end(), record.begin() + 1, record.end());
  }
  return records;
}

absl::StatusOr<ImageSet> LoadCifar10(const std::filesystem::path& folder, bool train) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "cifar-10-batches-bin", ignored)) {
    const auto python = folder / "cifar-10-batches-py";
    if (std::filesystem::exists(python, ignored)) {
      return NotFound("{}: the version for Python, which holds pickles; the binary version is needed, in {}",
                      python.string(), (folder / "cifar-10-batches-bin").string());
    }
  }
  ImageSet set;
  int64_t expected = 0;
  for (int batch = 1; batch <= (train ? 5 : 1); ++batch) {
    const auto path =
        folder / "cifar-10-batches-bin" / (train ? fmt::format("data_batch_{}.bin", batch) : "test_batch.bin");
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxBatchBytes));
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t records, ParseCifar10(bytes, path.string(), set));
    if (batch == 1) {
      expected = records;
      set.pixels.reserve(static_cast<size_t>(records * kPixels) * (train ? 5 : 1));
    }
    if (records != expected) {
      return InvalidArgument("{}: {} records, where data_batch_1.bin holds {}", path.string(), records, expected);
    }
  }
  return set;
}

}  // namespace privdnn
