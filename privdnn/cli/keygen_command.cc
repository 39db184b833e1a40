// keygen: the certificates of an owner and its users.
#include <filesystem>
#include <memory>

#include "privdnn/cli/command.h"
#include "privdnn/service/pki.h"

namespace privdnn {
namespace {

struct KeygenCommand {
  std::string out;
  std::vector<std::string> hosts, users;
};

absl::StatusOr<CommandOutput> Keygen(const KeygenCommand& command) {
  const std::filesystem::path dir = command.out;
  std::error_code ignored;
  std::vector<std::string> made;
  // Names are checked before anything is written.
  for (const std::string& user : command.users) PRIVDNN_RETURN_IF_ERROR(CheckUserName(user));
  for (const std::string& host : command.hosts) PRIVDNN_RETURN_IF_ERROR(CheckHostName(host));
  // An authority that exists is used: new users join it.
  if (!std::filesystem::exists(dir / "ca.crt", ignored)) {
    PRIVDNN_RETURN_IF_ERROR(CreateAuthority(dir));
    PRIVDNN_RETURN_IF_ERROR(IssueOwner(dir, command.hosts));
    for (const char* file : {"ca.crt", "ca.key", "owner.crt", "owner.key"}) made.push_back((dir / file).string());
  } else if (!command.hosts.empty()) {
    return FailedPrecondition(
        "{}: there is an authority and an owner already; --host is for new ones, leave it out to add users",
        dir.string());
  }
  for (const std::string& user : command.users) {
    PRIVDNN_RETURN_IF_ERROR(IssueUser(dir, user));
    for (const char* ending : {".crt", ".key"}) made.push_back((dir / (user + ending)).string());
  }
  CommandOutput output{{{"files", made}}, ""};
  for (const std::string& file : made) output.text += file + "\n";
  return output;
}

}  // namespace

void AddKeygen(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "keygen", "Make certificates: an authority, and identities for the owner and users",
                 "privdnn keygen --out tls --host owner.example.org --user alice");
  const auto o = std::make_shared<KeygenCommand>();
  command->add_option("--out", o->out, "write to this directory")->type_name(kFolder)->required();
  command->add_option("--host", o->hosts, "add these names or addresses of the owner's server (localhost is included)");
  command->add_option("--user", o->users,
                      "make an identity for this user; may be repeated, also with an existing directory");
  command->callback([o, &action] { action = [o] { return Keygen(*o); }; });
}

}  // namespace privdnn
