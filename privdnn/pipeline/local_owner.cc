#include "privdnn/pipeline/local_owner.h"

#include <signal.h>

#include <chrono>

#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/service/pki.h"

namespace privdnn {
namespace {

constexpr std::chrono::seconds kStartPatience{60};

absl::Status MakeIdentities(const std::filesystem::path& owner, const std::filesystem::path& user) {
  PRIVDNN_RETURN_IF_ERROR(CreateAuthority(owner));
  PRIVDNN_RETURN_IF_ERROR(IssueOwner(owner, {}));
  PRIVDNN_RETURN_IF_ERROR(IssueUser(owner, LocalOwner::kUserName));
  std::error_code ec;
  std::filesystem::create_directories(user, ec);
  for (const std::string file : {"ca.crt", "user.crt", "user.key"}) {
    std::filesystem::copy_file(owner / file, user / file, ec);
    if (ec) return FailedPrecondition("{}: {}", (user / file).string(), ec.message());
  }
  return absl::OkStatus();
}

// From the line that `serve` prints when it is ready.
absl::StatusOr<std::string> WaitUntilItListens(ChildProcess& owner, const GoOnFn& go_on) {
  constexpr std::string_view kListening = "listening on ";
  PRIVDNN_ASSIGN_OR_RETURN(const std::string ready, owner.ReadUntil("\n", kStartPatience, go_on));
  if (!ready.starts_with(kListening)) return absl::InternalError("the owner did not say where it listens");
  return ready.substr(kListening.size());
}

}  // namespace

// `own`: what MakeIdentities and EncryptForUser made for the owner.
absl::StatusOr<LocalOwner::Serving> LocalOwner::Serve(const std::filesystem::path& own, double output_noise,
                                                      const LocalOwnerOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start({options.program, "serve", "--key", own / "model.key", "--tls", own, "--listen",
                           "127.0.0.1:0", "--ledger", own / "budgets.sqlite", "--threads",
                           std::to_string(options.threads), "--output-noise", fmt::format("{}", output_noise)}));
  PRIVDNN_ASSIGN_OR_RETURN(std::string address, WaitUntilItListens(process, options.reporting.go_on));
  Note(options.reporting.note, fmt::format("owner: a process of its own, listening on {}", address));
  return Serving{std::move(process), std::move(address)};
}

absl::StatusOr<LocalOwner> LocalOwner::Start(const ModelPlan& model, const LocalOwnerOptions& options) {
  PrivateDirectory::RemoveAbandoned();
  PRIVDNN_ASSIGN_OR_RETURN(PrivateDirectory directory, PrivateDirectory::Create(options.reporting.warn));
  const std::filesystem::path own = directory.path() / "owner", user = directory.path() / "user";
  PRIVDNN_RETURN_IF_ERROR(MakeIdentities(own, user));
  for (const PlannedSegment& s : model.segments) {
    Note(options.reporting.note, "owner: encrypting " + CoreNeuronsText(s.segment));
  }
  PRIVDNN_RETURN_IF_ERROR(EncryptForUser(model, kUserName, user / "model.privdnn", own / "model.key", options.threads,
                                         Begin(options.reporting.begin, "encrypting"))
                              .status());
  PRIVDNN_ASSIGN_OR_RETURN(Serving serving, Serve(own, /*output_noise=*/0, options));
  return LocalOwner(std::move(directory), std::move(serving), options);
}

absl::Status LocalOwner::Restart(double output_noise) {
  PRIVDNN_RETURN_IF_ERROR(Stop().status());
  PRIVDNN_ASSIGN_OR_RETURN(Serving serving, Serve(directory_.path() / "owner", output_noise, options_));
  process_.emplace(std::move(serving.process));
  address_ = std::move(serving.address);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> LocalOwner::Stop() {
  const uint64_t peak = process_->PeakRss();
  process_->Signal(SIGTERM);
  PRIVDNN_ASSIGN_OR_RETURN(const ChildExit end, process_->Wait(kStartPatience, options_.reporting.go_on));
  if (end.exit_code != 0) return absl::InternalError("the owner's process failed; its message is above");
  return peak;
}

}  // namespace privdnn
