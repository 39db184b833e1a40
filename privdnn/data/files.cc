// Sets of single image files: order, reading, decoding.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "privdnn/base/file.h"
#include "privdnn/base/parallel.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxImageFileBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxSetBytes = uint64_t{8} << 30;
constexpr size_t kFilesBetweenReports = 512;

}  // namespace

std::vector<ImageFile> ShuffleGroups(const std::vector<ImageFile>& files) {
  std::vector<size_t> begins;
  for (size_t i = 0; i < files.size(); ++i) {
    if (i == 0 || files[i].group < 0 || files[i].group != files[i - 1].group) begins.push_back(i);
  }
  const auto groups = static_cast<int64_t>(begins.size());
  begins.push_back(files.size());
  std::vector<ImageFile> shuffled;
  shuffled.reserve(files.size());
  for (const int64_t group : RandomOrder(groups, 0)) {
    const auto begin = begins[static_cast<size_t>(group)], end = begins[static_cast<size_t>(group) + 1];
    shuffled.insert(shuffled.end(), files.begin() + static_cast<ptrdiff_t>(begin),
                    files.begin() + static_cast<ptrdiff_t>(end));
  }
  return shuffled;
}

absl::Status LoadImageFiles(const std::vector<ImageFile>& files, DecodeFn decode, const LoadOptions& options,
                            ImageSet& set) {
  const auto per_image = static_cast<size_t>(set.channels * set.height * set.width);
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t bytes, CheckedMul(files.size(), per_image));
  if (bytes > kMaxSetBytes) return ResourceExhausted("{} images are more than {} bytes", files.size(), kMaxSetBytes);
  set.count = static_cast<int64_t>(files.size());
  set.pixels.resize(bytes);
  set.labels.clear();
  set.groups.clear();
  for (const ImageFile& file : files) {
    set.labels.push_back(file.label);
    if (file.group >= 0) set.groups.push_back(file.group);
  }

  std::mutex mutex;
  absl::Status first_error;
  std::atomic<size_t> first_bad{files.size()};
  const auto load = [&](size_t i) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes content, ReadFile(files[i].path, kMaxImageFileBytes));
    PRIVDNN_ASSIGN_OR_RETURN(const Image image, decode(content, files[i].path.string()));
    std::copy(image.pixels.begin(), image.pixels.end(), set.pixels.begin() + static_cast<ptrdiff_t>(i * per_image));
    return absl::OkStatus();
  };
  for (size_t begin = 0; begin < files.size(); begin += kFilesBetweenReports) {
    const size_t count = std::min(kFilesBetweenReports, files.size() - begin);
    ParallelFor(count, options.threads, [&](size_t offset) {
      const size_t i = begin + offset;
      if (i > first_bad.load()) return;
      const absl::Status status = load(i);
      const std::lock_guard lock(mutex);
      if (status.ok() || i > first_bad.load()) return;
      first_bad = i;
      first_error = status;
    });
    PRIVDNN_RETURN_IF_ERROR(first_error);
    if (!Proceeds(options.progress, begin + count, files.size(), "images")) {
      return absl::CancelledError(fmt::format("loading of images stopped after {}", begin + count));
    }
  }
  return absl::OkStatus();
}

}  // namespace privdnn
