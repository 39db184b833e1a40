// encrypt: what an owner does for a user before serving.
#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/cli/choice.h"
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/plan_report.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/pipeline/sealed_inference.h"
#include "privdnn/report/table.h"
#include "privdnn/service/pki.h"
#include "privdnn/torch/predict.h"

namespace privdnn {

namespace {

struct EncryptCommand {
  NetworkInput network;
  std::string package, key, user = "user";
  ModelPlanOptions plan;
  ImageInput calibration;
  SimulationOptions simulation;
  bool sealed = false;
  SealOptions seal;
};

const std::map<std::string, Reveal> kReveals = {{"label", Reveal::kLabel}, {"scores", Reveal::kScores}};

// Everything behind the first encrypted layer on shares: only the answer leaves.
absl::StatusOr<CommandOutput> EncryptSealed(const EncryptCommand& command, const Graph& graph,
                                            const Selection& selection) {
  if (!command.network.HasImages(command.calibration)) {
    return WrongUsage("--sealed needs --images or --data-set: what the network's values range over is measured");
  }
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.calibration.LoadFor(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const SealedPlan plan,
                           PlanSealed(graph, selection, command.seal, images, command.plan.image_budget));
  CommandOutput output;
  output.json = {{"mode", "sealed"}, {"selection", Json::parse(FormatSelection(selection))}};
  FactTable table("what a user will get");
  const ImageSet some = images.Head(command.simulation.most_images);
  PRIVDNN_ASSIGN_OR_RETURN(const OutputKind kind, FindOutputKind(graph));
  if (some.count > 0 && kind == OutputKind::kClasses) {
    SystemRandom random;
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor scores, EvaluateWith(graph, some, Evaluating("the network", some.count)));
    const std::vector<int32_t> original = Decide(kind, scores);
    PRIVDNN_ASSIGN_OR_RETURN(const SealedPrediction sealed,
                             PredictSealed(plan, some, random, Evaluating("the sealed program", some.count)));
    int64_t changed = 0;
    for (size_t i = 0; i < original.size(); ++i) changed += original[i] != sealed.labels[i];
    output.json["simulation"] = {{"images", some.count}, {"labels_changed", changed}, {"overflows", sealed.overflows}};
    table.Add("predictions changed", fmt::format("{} of {}, simulated", changed, some.count));
    if (sealed.overflows > 0) table.Add("values that wrapped around", fmt::format("{}", sealed.overflows));
    if (command.calibration.labelled()) {
      const double before = AccuracyPercent(original, some.labels), after = AccuracyPercent(sealed.labels, some.labels);
      output.json["simulation"]["accuracy_original"] = before;
      output.json["simulation"]["accuracy_simulated"] = after;
      table.Add("accuracy", fmt::format("{:.2f} % ({:.2f} % the network)", after, before));
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(const WrittenPackage written,
                           WriteForUser(plan.Tasks(), WriteSealedPart(plan.model), WriteProgram(plan.model.program),
                                        command.user, command.package, command.key, command.simulation.threads,
                                        MakeProgress(std::make_shared<ProgressBar>("encrypting"))));
  const std::string id = HexEncode(written.id);
  output.json["package"] = command.package;
  output.json["key"] = command.key;
  output.json["user"] = command.user;
  output.json["package_id"] = id;
  output.json["package_bytes"] = written.bytes;
  output.text = fmt::format("{}  {}, for the user\n{}  for the owner alone\npackage id {}\n", command.package,
                            FormatBytes(written.bytes), command.key, id) +
                table.Render();
  return output;
}

absl::StatusOr<CommandOutput> Encrypt(const EncryptCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(command.user));
  PRIVDNN_RETURN_IF_ERROR(CheckPackageFiles(command.package, command.key));
  for (const std::string& file : {command.package, command.key}) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  if (command.sealed) return EncryptSealed(command, graph, selection);
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
  auto* sealed = command->add_flag("--sealed", o->sealed,
                                   "let owner and user compute everything behind the first encrypted layer on shares, "
                                   "so that only the answer leaves (docs/sealed.md)");
  AddChoice(command, "--reveal", o->seal.reveal, "tell the user labels alone, or scores", kReveals)->needs(sealed);
  command->add_option("--value-bits", o->seal.value_bits, "compare values of this many bits on shares")
      ->check(CLI::Range(6, 24))
      ->capture_default_str()
      ->needs(sealed);
  command->add_option("--weight-bits", o->seal.weight_bits, "round weights to this many bits on shares")
      ->check(CLI::Range(4, 16))
      ->capture_default_str()
      ->needs(sealed);
  for (const char* open : {"--input-bits", "--kernel-bits", "--input-min", "--input-max", "--optimise",
                           "--max-package-mb", "--max-memory-mb"}) {
    sealed->excludes(command->get_option(open));
  }
  AddThreads(command, o->simulation.threads);
  command->callback([o, &action] { action = [o] { return Encrypt(*o); }; });
}

}  // namespace privdnn
