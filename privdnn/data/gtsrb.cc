// German Traffic Sign Recognition Benchmark.
#include <algorithm>
#include <map>

#include "privdnn/base/file.h"
#include "privdnn/data/formats.h"
#include "privdnn/data/lines.h"

namespace privdnn {
namespace {

constexpr int32_t kClasses = 43;
constexpr int64_t kSide = 32;
constexpr int64_t kMaxOriginalSide = 4096;
constexpr uint64_t kMaxListBytes = uint64_t{16} << 20;
constexpr std::string_view kListHeader = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId";

absl::StatusOr<Image> DecodeSign(std::span<const uint8_t> file, const std::string& name) {
  PRIVDNN_ASSIGN_OR_RETURN(Image image, ParsePpm(file, name));
  if (image.height == kSide && image.width == kSide) return image;
  return ResizeBilinear(image, kSide, kSide);
}

absl::StatusOr<std::vector<ImageRow>> LoadList(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxListBytes));
  return ParseGtsrbList(text, path.string(), kClasses);
}

// Files are named TRACK_FRAME.ppm; frames of a track show one sign, so they form a group.
absl::StatusOr<std::vector<ImageFile>> TrainingFiles(const std::filesystem::path& images) {
  std::vector<ImageFile> files;
  int32_t groups = 0;
  for (int32_t label = 0; label < kClasses; ++label) {
    const auto folder = images / fmt::format("{:05}", label);
    const auto list = folder / fmt::format("GT-{:05}.csv", label);
    PRIVDNN_ASSIGN_OR_RETURN(const std::vector<ImageRow> rows, LoadList(list));
    std::map<std::string, int32_t> tracks;
    const size_t begin = files.size();
    for (const ImageRow& row : rows) {
      if (row.class_index != label) {
        return InvalidArgument("{}: {} is of class {}, this is the list of class {}", list.string(), row.file,
                               row.class_index, label);
      }
      const auto [track, is_new] = tracks.try_emplace(row.file.substr(0, row.file.find('_')), groups);
      groups += is_new;
      files.push_back({folder / row.file, label, track->second});
    }
    std::stable_sort(files.begin() + static_cast<ptrdiff_t>(begin), files.end(),
                     [](const ImageFile& a, const ImageFile& b) { return a.group < b.group; });
  }
  return ShuffleGroups(files);
}

absl::StatusOr<std::vector<ImageFile>> TestFiles(const std::filesystem::path& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<ImageRow> rows, LoadList(images / "GT-final_test.csv"));
  std::vector<ImageFile> files;
  files.reserve(rows.size());
  for (const ImageRow& row : rows) files.push_back({images / row.file, row.class_index});
  return files;
}

}  // namespace

absl::StatusOr<std::vector<ImageRow>> ParseGtsrbList(std::string_view text, const std::string& name, int32_t classes) {
  LineReader reader(text, name);
  if (!reader.Next() || reader.line() != kListHeader) {
    return reader.Error(fmt::format("is {}, needs '{}'", Quoted(reader.line()), kListHeader));
  }
  std::vector<ImageRow> rows;
  while (reader.Next()) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto fields, reader.Fields(';', 8));
    ImageRow row;
    PRIVDNN_ASSIGN_OR_RETURN(row.file, reader.FileName(fields[0], ".ppm"));
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t width, reader.Integer(fields[1], "Width", 1, kMaxOriginalSide));
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t height, reader.Integer(fields[2], "Height", 1, kMaxOriginalSide));
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t left, reader.Integer(fields[3], "Roi.X1", 0, width));
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t top, reader.Integer(fields[4], "Roi.Y1", 0, height));
    PRIVDNN_RETURN_IF_ERROR(reader.Integer(fields[5], "Roi.X2", left, width).status());
    PRIVDNN_RETURN_IF_ERROR(reader.Integer(fields[6], "Roi.Y2", top, height).status());
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t label, reader.Integer(fields[7], "ClassId", 0, classes - 1));
    row.class_index = static_cast<int32_t>(label);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return reader.Error("no images are listed");
  return rows;
}

absl::StatusOr<ImageSet> LoadGtsrb(const std::filesystem::path& folder, bool train, const LoadOptions& options) {
  const auto images = folder / "GTSRB" / (train ? "Final_Training" : "Final_Test") / "Images";
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<ImageFile> files, train ? TrainingFiles(images) : TestFiles(images));
  ImageSet set{0, 3, kSide, kSide, {}, {}, kClasses};
  PRIVDNN_RETURN_IF_ERROR(LoadImageFiles(files, DecodeSign, options, set));
  return set;
}

}  // namespace privdnn
