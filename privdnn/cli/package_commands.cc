// keygen and encrypt: what an owner does before serving.
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/plan_report.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/report/table.h"
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
  Json made = Json::array();
  // An authority that exists is used: new users join it.
  if (!std::filesystem::exists(dir / "ca.crt", ignored)) {
    PRIVDNN_RETURN_IF_ERROR(CreateAuthority(dir));
    PRIVDNN_RETURN_IF_ERROR(IssueOwner(dir, command.hosts));
    for (const char* file : {"ca.crt", "ca.key", "owner.crt", "owner.key"}) made.push_back((dir / file).string());
  } else if (!command.hosts.empty()) {
    return FailedPrecondition("{}: there is an authority and an owner already; --host is for new ones", dir.string());
  }
  for (const std::string& user : command.users) {
    PRIVDNN_RETURN_IF_ERROR(IssueUser(dir, user));
    for (const char* ending : {".crt", ".key"}) made.push_back((dir / (user + ending)).string());
  }
  CommandOutput output{{{"files", made}}, ""};
  for (const auto& file : made) output.text += file.get<std::string>() + "\n";
  return output;
}

struct EncryptCommand {
  NetworkInput network;
  std::string package, key, user = "user";
  ModelPlanOptions plan;
  ImageInput calibration;
  int threads = 1;
};

absl::StatusOr<CommandOutput> Encrypt(const EncryptCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(command.user));
  const absl::Status files = CheckPackageFiles(command.package, command.key);
  if (absl::IsInvalidArgument(files)) return WrongUsage("--package and --key are the same file, " + command.key);
  PRIVDNN_RETURN_IF_ERROR(files);
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.network.CalibrationImages(graph, command.calibration));
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions options, OnThisMachine(command.plan));
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlan plan, Plan(graph, selection, options, images));
  PRIVDNN_ASSIGN_OR_RETURN(const WrittenPackage written,
                           EncryptForUser(plan, command.user, command.package, command.key, command.threads,
                                          MakeProgress(std::make_shared<ProgressBar>("encrypting"))));
  const std::string id = HexEncode(written.id);
  CommandOutput output{PlanJson(plan), ""};
  output.json["package"] = command.package;
  output.json["key"] = command.key;
  output.json["user"] = command.user;
  output.json["package_id"] = id;
  output.text = fmt::format("{}  {}, for the user\n{}  for the owner alone\npackage id {}\n", command.package,
                            FormatBytes(written.bytes), command.key, id);
  return output;
}

}  // namespace

void AddKeygen(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "keygen", "Make certificates: an authority, the owner's and users' identities",
                 "privdnn keygen --out tls --host owner.example.org --user alice");
  const auto o = std::make_shared<KeygenCommand>();
  command->add_option("--out", o->out, "directory to write")->required();
  command->add_option("--host", o->hosts, "further names or addresses of the owner's server (localhost is included)");
  command->add_option("--user", o->users, "name of a user; may be repeated, and added to an existing directory");
  command->callback([o, &action] { action = [o] { return Keygen(*o); }; });
}

void AddEncrypt(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "encrypt", "Encrypt a model's core neurons: a package for a user, a key for the owner",
                 "privdnn encrypt model.onnx --selection selection.json --user alice --package alice.privdnn --key "
                 "alice-package.key");
  const auto o = std::make_shared<EncryptCommand>();
  o->network.model.AddPositional(command);
  command->add_option("--selection", o->network.selection,
                      "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  command->add_option("--package", o->package, "package file to write")->required();
  command
      ->add_option("--key", o->key,
                   "owner's key file to write (mode 0600); no user gets it, unlike the TLS key NAME.key")
      ->required();
  command->add_option("--user", o->user, "NAME of the user's certificate: nobody else is answered")
      ->capture_default_str();
  AddPlanOptions(command, o->plan);
  o->calibration.Add(command, kCalibrationDefault);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Encrypt(*o); }; });
}

}  // namespace privdnn
