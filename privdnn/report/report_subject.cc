#include "privdnn/report/report_subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/random.h"

namespace privdnn {

absl::StatusOr<std::string> FileDigest(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256Stream digest;
  std::vector<char> chunk(1 << 20);
  while (in) {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    digest.Update(AsBytes(std::string_view(chunk.data(), static_cast<size_t>(in.gcount()))));
  }
  if (!in.eof()) return NotFound("{}: can't be read", file.string());
  return "sha256:" + HexEncode(digest.Finish());
}

std::string DataState(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::path there = fs::weakly_canonical(folder, failed);
  if (failed) there = fs::absolute(folder, failed);
  std::vector<std::string> files;
  fs::recursive_directory_iterator at(there, fs::directory_options::follow_directory_symlink, failed);
  for (; !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    files.push_back(fmt::format("{}\n{}\n{}", at->path().string(), at->file_size(gone),
                                at->last_write_time(gone).time_since_epoch().count()));
  }
  std::ranges::sort(files);  // a directory has no order
  return HexEncode(Sha256(AsBytes(fmt::format("{}\n{}", there.string(), fmt::join(files, "\n")))));
}

}  // namespace privdnn
