// serve: the owner answers queries until it is told to stop.
#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include "privdnn/base/standard_streams.h"
#include "privdnn/cli/command.h"
#include "privdnn/owner/owner_server.h"

namespace privdnn {
namespace {

constexpr std::chrono::seconds kShutdownPatience{5};

struct ServeCommand {
  OwnerServerOptions options;
  uint64_t max_message_mb = 16;
};

// SIGINT and SIGTERM, waited for rather than handled: whatever thread they reach, this one shuts down.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  return stop;
}

// Said when ready, not at the end: whoever started this waits for it. LocalOwner reads the text.
absl::Status SayReady(const OwnerServer& server, double output_noise, bool json) {
  const Json ready = {{"listening", server.address()}, {"packages", server.packages()}, {"output_noise", output_noise}};
  const std::string line = json ? ready.dump() : "listening on " + server.address();
  return WriteStdout(line + "\n");
}

// Keeps freed memory for the next message. By default glibc gives the top of its heap back above 128 KB, until the
// process has freed something large; each polynomial of an answer would then be paged in anew, a third of its time.
void KeepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

absl::StatusOr<CommandOutput> Serve(const ServeCommand& command, bool json) {
  KeepFreedMemory();
  const sigset_t stop = BlockStopSignals();  // before any thread is made, so that all inherit it
  OwnerServerOptions options = command.options;
  options.max_message_bytes = command.max_message_mb << 20;
  PRIVDNN_ASSIGN_OR_RETURN(OwnerServer server, OwnerServer::Start(options));
  for (const UsageEntry& lost : server.lost()) {
    spdlog::warn(
        "up to {} images of {}, package {}, were reserved when an owner ended without closing the ledger; they count "
        "as "
        "used",
        lost.images, lost.account.user, lost.account.package_id.substr(0, 12));
  }
  if (options.output_noise > 0) {
    spdlog::warn("replies are perturbed: outputs get errors of deviation {:.4g}, and users are told so",
                 options.output_noise);
  }
  PRIVDNN_RETURN_IF_ERROR(SayReady(server, options.output_noise, json));
  int signal = 0;
  sigwait(&stop, &signal);
  spdlog::info("stopping");
  PRIVDNN_RETURN_IF_ERROR(server.Shutdown(kShutdownPatience));
  return CommandOutput{};
}

}  // namespace

void AddServe(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "serve", "Answer users' queries, as the owner's server",
                             "privdnn serve --key alice-package.key --tls tls --listen 0.0.0.0:7070 --ledger "
                             "budgets.sqlite");
  const auto o = std::make_shared<ServeCommand>();
  command
      ->add_option("--key", o->options.keys,
                   "serve the package of this owner key file, as encrypt wrote it; may be repeated")
      ->type_name(kFile)
      ->required();
  command->add_option("--tls", o->options.tls, "use ca.crt, owner.crt and owner.key in this directory")
      ->type_name(kFolder)
      ->required();
  command->add_option("--listen", o->options.listen, "listen on this host:port; port 0 lets the system choose")
      ->capture_default_str();
  command->add_option("--ledger", o->options.ledger, "record how much of each budget is used in this SQLite file")
      ->type_name(kNewFile)
      ->required();
  command->add_option("--max-message-mb", o->max_message_mb, "limit queries and replies to this size, in MiB")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--max-streams", o->options.max_streams, "serve at most this many streams at once")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--output-noise", o->options.output_noise,
                   "add random errors of this standard deviation to every output of the encrypted neurons, in the "
                   "units of their layer's outputs; users are told, and their results are no longer exact. privdnn "
                   "attack extract --output-noise shows what it costs and what it is worth")
      ->check(NonNegativeNumber())
      ->capture_default_str();
  AddThreads(command, o->options.threads);
  command->callback([o, &globals, &action] {
    action = [o, &globals]() -> absl::StatusOr<CommandOutput> {
      const bool json = std::exchange(globals.json, false);  // the one JSON object was the one at the start
      return Serve(*o, json);
    };
  });
}

}  // namespace privdnn
