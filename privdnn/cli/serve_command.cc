// serve: the owner answers queries until it is told to stop.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/party/hosted_owner.h"
#include "privdnn/service/server.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxKeyFileBytes = uint64_t{1} << 28;
constexpr std::chrono::seconds kShutdownPatience{5};

struct ServeCommand {
  std::vector<std::string> keys;
  std::string tls, listen = "127.0.0.1:7070", ledger;
  uint64_t max_message_mb = 16;
  int max_streams = 32;
  int threads = 1;
  double output_noise = 0;
};

absl::StatusOr<std::shared_ptr<const HostedPackage>> Host(const std::string& path, double output_noise, int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto bytes, ReadSecretFile(path, kMaxKeyFileBytes));
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key, ParseOwnerKey(bytes, path));
  return HostedOwner::Create(std::move(key), output_noise, threads);
}

// SIGINT and SIGTERM, waited for rather than handled: whatever thread they reach, this one shuts down.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  return stop;
}

absl::StatusOr<CommandOutput> Serve(const ServeCommand& command, bool json) {
  const sigset_t stop = BlockStopSignals();  // before any thread is made, so that all inherit it
  ServerOptions options;
  options.listen_address = command.listen;
  options.max_message_bytes = command.max_message_mb << 20;
  options.max_streams = command.max_streams;
  options.workers = command.threads;
  PRIVDNN_ASSIGN_OR_RETURN(options.tls, LoadTlsFiles(command.tls, "owner"));
  Json ids = Json::array();
  for (const std::string& key : command.keys) {
    PRIVDNN_ASSIGN_OR_RETURN(auto package, Host(key, command.output_noise, command.threads));
    ids.push_back(package->info().id);
    options.packages.push_back(std::move(package));
  }
  if (command.output_noise > 0) {
    spdlog::warn("replies are perturbed: outputs get errors of deviation {:.4g}, and users are told so",
                 command.output_noise);
  }
  PRIVDNN_ASSIGN_OR_RETURN(options.ledger, OpenSqliteLedger(command.ledger));
  PRIVDNN_ASSIGN_OR_RETURN(const auto server, Server::Start(std::move(options)));
  const std::string host = command.listen.substr(0, command.listen.rfind(':'));
  // Said when ready, not at the end: whoever started this waits for it.
  const Json ready = {{"listening", fmt::format("{}:{}", host, server->Port())},
                      {"packages", ids},
                      {"output_noise", command.output_noise}};
  const std::string line = json ? ready.dump() : "listening on " + ready["listening"].get<std::string>();
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&stop, &signal);
  spdlog::info("stopping");
  PRIVDNN_RETURN_IF_ERROR(server->Shutdown(kShutdownPatience));
  return CommandOutput{};
}

}  // namespace

void AddServe(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "serve", "Answer users' queries (the owner's server)",
                             "privdnn serve --key alice-package.key --tls tls --listen 0.0.0.0:7070 --ledger "
                             "budgets.sqlite");
  const auto o = std::make_shared<ServeCommand>();
  command->add_option("--key", o->keys, "owner's key file of a package, as encrypt wrote it; may be repeated")
      ->required();
  command->add_option("--tls", o->tls, "directory with ca.crt, owner.crt and owner.key")->required();
  command->add_option("--listen", o->listen, "host:port; port 0 lets the system choose")->capture_default_str();
  command->add_option("--ledger", o->ledger, "SQLite file that remembers how much of each budget is used")->required();
  command->add_option("--max-message-mb", o->max_message_mb, "largest query or reply, MiB")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--max-streams", o->max_streams, "streams served at once")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--output-noise", o->output_noise,
                   "standard deviation of random errors to add to every output of the encrypted neurons, in the units "
                   "of their layer's outputs; users are told, and their results are no longer exact. privdnn attack "
                   "extract --output-noise shows what it costs and what it is worth")
      ->check(NonNegativeNumber())
      ->capture_default_str();
  AddThreads(command, o->threads);
  command->callback([o, &globals, &action] {
    action = [o, &globals]() -> absl::StatusOr<CommandOutput> {
      const bool json = std::exchange(globals.json, false);  // the one JSON object was the one at the start
      return Serve(*o, json);
    };
  });
}

}  // namespace privdnn
