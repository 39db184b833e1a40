#include "privdnn/cli/user_tls.h"

#include <filesystem>

namespace privdnn {

absl::StatusOr<TlsFiles> LoadUserTls(const std::string& directory, const std::string& user) {
  auto files = LoadTlsFiles(directory, user);
  std::error_code ignored;
  if (!absl::IsNotFound(files.status()) || !std::filesystem::exists(directory + "/ca.crt", ignored)) return files;
  return NotFound("{}; --user says whose certificate it is, here {}", Message(files.status()), user);
}

}  // namespace privdnn
