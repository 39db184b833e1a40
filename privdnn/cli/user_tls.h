// The files by which a user shows who it is, as commands take them: --tls and --user.
#pragma once

#include <string>

#include "privdnn/service/pki.h"

namespace privdnn {

// The certificate, key and authority of a user, with a hint at --user if there are those of others only.
absl::StatusOr<TlsFiles> LoadUserTls(const std::string& directory, const std::string& user);

}  // namespace privdnn
