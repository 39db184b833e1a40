// Runs an owner as a separate process on this machine, with a package for one user. For commands that play both
// parties.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "privdnn/base/reporting.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/pipeline/private_directory.h"

namespace privdnn {

struct LocalOwnerOptions {
  int threads = 1;
  // A program with privdnn's `serve`.
  std::string program = OwnPath();
  Reporting reporting = {};
};

class LocalOwner {
 public:
  // Makes identities and a package in a temporary directory and starts `serve`. First removes the directories, and the
  // keys in them, that killed processes left behind.
  static absl::StatusOr<LocalOwner> Start(const ModelPlan& model, const LocalOwnerOptions& options);

  const std::string& address() const { return address_; }
  // The directory for all files, and the directory inside it for the user's files.
  const std::filesystem::path& directory() const { return directory_.path(); }
  std::filesystem::path user_directory() const { return directory_.path() / "user"; }
  std::filesystem::path package() const { return user_directory() / "model.privdnn"; }
  static constexpr char kUserName[] = "user";

  // Ends the process and starts another for the same package. Errors in its replies have this standard deviation
  // (privdnn serve --output-noise). It listens on another address; budgets carry over.
  absl::Status Restart(double output_noise);

  // Shuts the process down and returns its largest resident set in bytes. Fails with Internal if the process failed.
  absl::StatusOr<uint64_t> Stop();

 private:
  struct Serving {
    ChildProcess process;
    std::string address;
  };
  LocalOwner(PrivateDirectory directory, Serving serving, LocalOwnerOptions options)
      : directory_(std::move(directory)),
        process_(std::move(serving.process)),
        address_(std::move(serving.address)),
        options_(std::move(options)) {}
  static absl::StatusOr<Serving> Serve(const std::filesystem::path& own, double output_noise,
                                       const LocalOwnerOptions& options);
  PrivateDirectory directory_;
  std::optional<ChildProcess> process_;
  std::string address_;
  LocalOwnerOptions options_;
};

}  // namespace privdnn
