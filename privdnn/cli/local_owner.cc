#include "privdnn/cli/local_owner.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "privdnn/cli/command.h"
#include "privdnn/cli/plan_options.h"
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

absl::StatusOr<std::string> WaitUntilItListens(ChildProcess& owner) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string ready, owner.ReadUntil("\n", kStartPatience));
  const Json json = Json::parse(ready, nullptr, /*allow_exceptions=*/false);
  if (!json.contains("listening")) return absl::InternalError("the owner did not say where it listens");
  return json["listening"].get<std::string>();
}

}  // namespace

// `own`: what MakeIdentities and EncryptForUser made for the owner.
absl::StatusOr<LocalOwner::Serving> LocalOwner::Serve(const std::filesystem::path& own, double output_noise,
                                                      int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start({OwnPath(), "serve", "--json", "--key", own / "model.key", "--tls", own, "--listen",
                           "127.0.0.1:0", "--ledger", own / "budgets.sqlite", "--threads", std::to_string(threads),
                           "--output-noise", fmt::format("{}", output_noise)}));
  PRIVDNN_ASSIGN_OR_RETURN(std::string address, WaitUntilItListens(process));
  spdlog::info("owner: a process of its own, listening on {}", address);
  return Serving{std::move(process), std::move(address)};
}

absl::StatusOr<LocalOwner> LocalOwner::Start(const Graph& graph, const Selection& selection,
                                             const ImageSet& calibration, const ModelPlanOptions& options,
                                             int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions here, OnThisMachine(options));
  PRIVDNN_ASSIGN_OR_RETURN(ModelPlan model, Plan(graph, selection, here, calibration));
  PrivateDirectory::RemoveAbandoned();
  PRIVDNN_ASSIGN_OR_RETURN(PrivateDirectory directory, PrivateDirectory::Create());
  const std::filesystem::path own = directory.path() / "owner", user = directory.path() / "user";
  PRIVDNN_RETURN_IF_ERROR(MakeIdentities(own, user));
  for (const PlannedSegment& s : model.segments) {
    spdlog::info("owner: encrypting {} of {} neurons of layer {}", s.segment.neurons.size(), s.segment.layer.outputs,
                 s.segment.layer_number);
  }
  PRIVDNN_RETURN_IF_ERROR(EncryptForUser(model, kUserName, user / "model.privdnn", own / "model.key", threads,
                                         MakeProgress(std::make_shared<ProgressBar>("encrypting")))
                              .status());
  PRIVDNN_ASSIGN_OR_RETURN(Serving serving, Serve(own, /*output_noise=*/0, threads));
  return LocalOwner(std::move(model), std::move(directory), std::move(serving), threads);
}

absl::Status LocalOwner::Restart(double output_noise) {
  PRIVDNN_RETURN_IF_ERROR(Stop().status());
  PRIVDNN_ASSIGN_OR_RETURN(Serving serving, Serve(directory_.path() / "owner", output_noise, threads_));
  process_.emplace(std::move(serving.process));
  address_ = std::move(serving.address);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> LocalOwner::Stop() {
  const uint64_t peak = process_->PeakRss();
  process_->Signal(SIGTERM);
  PRIVDNN_ASSIGN_OR_RETURN(const ChildExit end, process_->Wait(kStartPatience));
  if (end.exit_code != 0) return absl::InternalError("the owner's process failed; its message is above");
  return peak;
}

}  // namespace privdnn
