// Tiny ImageNet.
#include <algorithm>

#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"
#include "privdnn/data/lines.h"

namespace privdnn {
namespace {

constexpr int64_t kSide = 64;
constexpr size_t kMaxClasses = 1000;
constexpr uint64_t kMaxListBytes = uint64_t{16} << 20;

absl::StatusOr<Image> DecodePhotograph(std::span<const uint8_t> file, const std::string& name) {
  return DecodeJpeg(file, name, kSide, kSide);
}

absl::StatusOr<std::vector<std::string>> LoadClassIds(const std::filesystem::path& folder) {
  const auto list = folder / "wnids.txt";
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(list, kMaxListBytes));
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<std::string> ids, ParseClassIds(text, list.string()));
  // A folder that isn't listed would shift every label behind it.
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder / "train", error), end; !error && entry != end;
       entry.increment(error)) {
    if (!std::binary_search(ids.begin(), ids.end(), entry->path().filename().string())) {
      return InvalidArgument("{}: is not a class of {}", entry->path().string(), list.string());
    }
  }
  if (error) return NotFound("{}: {}", (folder / "train").string(), error.message());
  return ids;
}

absl::StatusOr<std::vector<ImageRow>> LoadBoxes(const std::filesystem::path& path, bool with_label) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxListBytes));
  return ParseBoxList(text, path.string(), with_label);
}

absl::StatusOr<std::vector<ImageFile>> TrainingFiles(const std::filesystem::path& folder,
                                                     const std::vector<std::string>& ids) {
  std::vector<ImageFile> files;
  for (size_t label = 0; label < ids.size(); ++label) {
    const auto class_folder = folder / "train" / ids[label];
    PRIVDNN_ASSIGN_OR_RETURN(const auto rows, LoadBoxes(class_folder / (ids[label] + "_boxes.txt"), false));
    for (const ImageRow& row : rows) {
      files.push_back({class_folder / "images" / row.file, static_cast<int32_t>(label)});
    }
  }
  return ShuffleGroups(files);
}

absl::StatusOr<std::vector<ImageFile>> ValidationFiles(const std::filesystem::path& folder,
                                                       const std::vector<std::string>& ids) {
  const auto list = folder / "val" / "val_annotations.txt";
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<ImageRow> rows, LoadBoxes(list, true));
  std::vector<ImageFile> files;
  files.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto id = std::lower_bound(ids.begin(), ids.end(), rows[i].label);
    if (id == ids.end() || *id != rows[i].label) {
      return InvalidArgument("{}: line {}: class {} is not in wnids.txt", list.string(), i + 1, Quoted(rows[i].label));
    }
    files.push_back({folder / "val" / "images" / rows[i].file, static_cast<int32_t>(id - ids.begin())});
  }
  return files;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseClassIds(std::string_view text, const std::string& name) {
  LineReader reader(text, name);
  std::vector<std::string> ids;
  while (reader.Next()) {
    const std::string_view id = reader.line();
    if (id.size() != 9 || id[0] != 'n' ||
        !std::all_of(id.begin() + 1, id.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return reader.Error(fmt::format("{} is not a class id (n and 8 digits)", Quoted(id)));
    }
    if (ids.size() == kMaxClasses) return reader.Error(fmt::format("more than {} classes", kMaxClasses));
    ids.emplace_back(id);
  }
  if (ids.empty()) return reader.Error("no classes are listed");
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) return InvalidArgument("{}: class {} is listed twice", name, *twice);
  return ids;
}

absl::StatusOr<std::vector<ImageRow>> ParseBoxList(std::string_view text, const std::string& name, bool with_label) {
  constexpr std::string_view kCorners[] = {"left edge", "upper edge", "right edge", "lower edge"};
  LineReader reader(text, name);
  std::vector<ImageRow> rows;
  while (reader.Next()) {
    const size_t box = with_label ? 2 : 1;
    PRIVDNN_ASSIGN_OR_RETURN(const auto fields, reader.Fields('\t', box + 4));
    ImageRow row;
    PRIVDNN_ASSIGN_OR_RETURN(row.file, reader.FileName(fields[0], ".JPEG"));
    if (with_label) row.label = fields[1];
    for (size_t i = 0; i < 4; ++i) {
      PRIVDNN_RETURN_IF_ERROR(reader.Integer(fields[box + i], kCorners[i], 0, kSide).status());
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return reader.Error("no images are listed");
  return rows;
}

absl::StatusOr<ImageSet> LoadTinyImageNet(const std::filesystem::path& folder, bool train, const LoadOptions& options) {
  const auto base = folder / "tiny-imagenet-200";
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<std::string> ids, LoadClassIds(base));
  PRIVDNN_ASSIGN_OR_RETURN(const auto files, train ? TrainingFiles(base, ids) : ValidationFiles(base, ids));
  ImageSet set{0, 3, kSide, kSide, {}, {}, static_cast<int32_t>(ids.size())};
  PRIVDNN_RETURN_IF_ERROR(LoadImageFiles(files, DecodePhotograph, options, set));
  return set;
}

}  // namespace privdnn
