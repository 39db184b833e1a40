// Encrypts a plan for one user: the package that the user gets, and the owner's key to it.
#pragma once

#include <filesystem>
#include <string>

#include "privdnn/base/progress.h"
#include "privdnn/package/package.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

struct WrittenPackage {
  PackageId id{};
  uint64_t bytes = 0;
};

// Whether a package and its key may be written there, for who wants to know before the work of planning.
// InvalidArgument if both are the same file, FailedPrecondition if there is a key already: the package that it belongs
// to would be of no use without it.
absl::Status CheckPackageFiles(const std::filesystem::path& package, const std::filesystem::path& key);

// Encrypts with the system's randomness and writes both files, the key with mode 0600. Neither is seen before
// everything is encrypted; the key comes first, so that there is no package, at any time, whose key is not there. If
// anything fails, or `progress`, which counts ciphertexts, stops it, nothing is left of either, and a package that was
// there before is as it was. The errors of CheckPackageFiles come before any work.
//
// `user`: the only one who is answered, 1 to kMaxUserName bytes; the caller checks that it can be in a certificate.
absl::StatusOr<WrittenPackage> EncryptForUser(const ModelPlan& plan, const std::string& user,
                                              const std::filesystem::path& package, const std::filesystem::path& key,
                                              int threads, const ProgressFn& progress);

}  // namespace privdnn
