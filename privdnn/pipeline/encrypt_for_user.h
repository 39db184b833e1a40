// Encrypts a plan for one user: makes the package for the user, and the owner key that decrypts for it.
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

// Checks whether a package and its key may be written to these paths. Call it before planning to fail early. Fails with
// InvalidArgument if both paths name the same file, and with FailedPrecondition if the key file exists: overwriting a
// key makes its package useless.
absl::Status CheckPackageFiles(const std::filesystem::path& package, const std::filesystem::path& key);

// Encrypts with the system's randomness and writes both files, the key with mode 0600. Neither file appears before
// everything is encrypted. The key appears first, so a package never exists without its key. If anything fails, or
// `progress` stops the work, neither file remains, and an earlier package is unchanged. `progress` counts ciphertexts.
// The errors of CheckPackageFiles come before any work.
//
// Creates the directories of both paths if they are missing, with the mode that the umask gives. They remain if
// anything fails.
//
// Fails with InvalidArgument if no user could run the network: it must have one input of 2 to 4 dimensions, and a first
// output of 2 (see WithScores).
//
// The owner answers only `user`, a name of 1 to kMaxUserName bytes. The caller checks that a certificate can hold the
// name.
absl::StatusOr<WrittenPackage> EncryptForUser(const ModelPlan& plan, const std::string& user,
                                              const std::filesystem::path& package, const std::filesystem::path& key,
                                              int threads = 1, const ProgressFn& progress = {});

// The same for anything: `plaintext` goes into the package, `program` into the key (see EncryptModel).
absl::StatusOr<WrittenPackage> WriteForUser(std::span<const EncryptionTask> tasks, std::span<const uint8_t> plaintext,
                                            std::span<const uint8_t> program, const std::string& user,
                                            const std::filesystem::path& package, const std::filesystem::path& key,
                                            int threads, const ProgressFn& progress);

}  // namespace privdnn
