// An owner as a process of its own on this machine, with a package made for one user: for commands that play both
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
  // Makes identities and a package in a temporary directory and starts `serve`. Directories of processes that were
  // killed before they could remove theirs, and with them their keys, go first.
  static absl::StatusOr<LocalOwner> Start(ModelPlan model, const LocalOwnerOptions& options);

  const ModelPlan& model() const { return model_; }
  const std::string& address() const { return address_; }
  // A place for files, and in it one for what the user is given.
  const std::filesystem::path& directory() const { return directory_.path(); }
  std::filesystem::path user_directory() const { return directory_.path() / "user"; }
  std::filesystem::path package() const { return user_directory() / "model.privdnn"; }
  static constexpr char kUserName[] = "user";

  // Ends the process and starts another for the same package, whose replies have errors of this deviation
  // (privdnn serve --output-noise). It listens somewhere else; budgets go on.
  absl::Status Restart(double output_noise);

  // Ends the process in order and returns its largest resident set in bytes; Internal if it failed.
  absl::StatusOr<uint64_t> Stop();

 private:
  struct Serving {
    ChildProcess process;
    std::string address;
  };
  LocalOwner(ModelPlan model, PrivateDirectory directory, Serving serving, LocalOwnerOptions options)
      : model_(std::move(model)),
        directory_(std::move(directory)),
        process_(std::move(serving.process)),
        address_(std::move(serving.address)),
        options_(std::move(options)) {}
  static absl::StatusOr<Serving> Serve(const std::filesystem::path& own, double output_noise,
                                       const LocalOwnerOptions& options);
  ModelPlan model_;
  PrivateDirectory directory_;
  std::optional<ChildProcess> process_;
  std::string address_;
  LocalOwnerOptions options_;
};

}  // namespace privdnn
