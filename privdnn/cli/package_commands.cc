// encrypt: what an owner does for a user before serving.
#include "privdnn/base/file.h"
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/plan_report.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/report/table.h"
#include "privdnn/service/pki.h"

namespace privdnn {

namespace {

struct EncryptCommand {
  NetworkInput network;
  std::string package, key, user = "user";
  ModelPlanOptions plan;
  ImageInput calibration;
  SimulationOptions simulation;
};

absl::StatusOr<CommandOutput> Encrypt(const EncryptCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(command.user));
  PRIVDNN_RETURN_IF_ERROR(CheckPackageFiles(command.package, command.key));
  for (const std::string& file : {command.package, command.key}) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  PRIVDNN_ASSIGN_OR_RETURN(
      const SimulatedPlan planned,
      command.network.MakePlan(graph, selection, command.plan, command.calibration, command.simulation));
  const ModelPlan& plan = planned.plan;
  PRIVDNN_ASSIGN_OR_RETURN(const WrittenPackage written,
                           EncryptForUser(plan, command.user, command.package, command.key, command.simulation.threads,
                                          MakeProgress(std::make_shared<ProgressBar>("encrypting"))));
  const std::string id = HexEncode(written.id);
  CommandOutput output{SimulatedPlanJson(planned), ""};
  output.json["package"] = command.package;
  output.json["key"] = command.key;
  output.json["user"] = command.user;
  output.json["package_id"] = id;
  output.text = fmt::format("{}  {}, for the user\n{}  for the owner alone\npackage id {}\n", command.package,
                            FormatBytes(written.bytes), command.key, id);
  output.text += SimulationText(planned);
  return output;
}

}  // namespace

void AddEncrypt(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(
      app, globals, "encrypt", "Encrypt a model's core neurons into a package for a user and a key for the owner",
      "privdnn encrypt model.onnx --selection selection.json --user alice --package alice.privdnn --key "
      "alice-package.key");
  const auto o = std::make_shared<EncryptCommand>();
  o->network.model.AddPositional(command);
  command
      ->add_option("--selection", o->network.selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  command->add_option("--package", o->package, "write this package file")->type_name(kNewFile)->required();
  command
      ->add_option("--key", o->key,
                   "write this owner key file (mode 0600); no user gets it, unlike the TLS key NAME.key")
      ->type_name(kNewFile)
      ->required();
  command->add_option("--user", o->user, "answer only the user whose certificate has this NAME")->capture_default_str();
  AddPlanOptions(command, o->plan);
  o->calibration.Add(command, kCalibrationDefault);
  AddSimulation(command, o->simulation);
  AddThreads(command, o->simulation.threads);
  command->callback([o, &action] { action = [o] { return Encrypt(*o); }; });
}

}  // namespace privdnn
