// plan: what encrypting a selection takes and gives, and whether it is so.
#include <tbb/info.h>

#include "privdnn/cli/network_input.h"
#include "privdnn/cli/plan_check.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/plan_report.h"

namespace privdnn {
namespace {

struct PlanCommand {
  NetworkInput network;
  ModelPlanOptions plan;
  SimulationOptions simulation;
  ImageInput calibration;
  bool check = false;
  std::vector<int64_t> check_images = {1, 8};
  TwoPartyOptions options;
};

absl::StatusOr<CommandOutput> Check(const PlanCommand& command, const Graph& graph, const Selection& selection) {
  CommandOutput all{{{"checks", Json::array()}}, ""};
  TwoPartyOptions options = command.options;
  PRIVDNN_ASSIGN_OR_RETURN(options.plan, OnThisMachine(command.plan));
  for (const int64_t count : command.check_images) {
    PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.network.Images(graph, command.calibration, count));
    PRIVDNN_ASSIGN_OR_RETURN(const PlanCheck check, CheckPlan(graph, selection, images, options));
    if (all.text.empty()) {
      all.json["plan"] = PlanJson(check.plan);
      all.text = PlanText(check.plan);
    }
    CommandOutput one = Report(check);
    all.json["checks"].push_back(std::move(one.json));
    all.text += one.text;
    all.failed |= one.failed;
  }
  all.json["passed"] = !all.failed;
  all.text += "Bytes have to be equal. Times and memory are reported only: they depend on what else a machine does.\n";
  return all;
}

absl::StatusOr<CommandOutput> RunPlan(const PlanCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, command.network.Select(graph));
  if (command.check) return Check(command, graph, selection);
  PRIVDNN_ASSIGN_OR_RETURN(
      const SimulatedPlan planned,
      command.network.MakePlan(graph, selection, command.plan, command.calibration, command.simulation));
  return CommandOutput{SimulatedPlanJson(planned), SimulatedPlanText(planned)};
}

}  // namespace

void AddPlan(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "plan", "Predict the cost and security of encrypting a selection, before anything runs",
                 "privdnn plan model.onnx --selection \"1:0,3;2:5\" --optimise latency\n"
                 "  privdnn plan --check --arch vgg16-cifar10 --percent 50 --image-budget 1000");
  const auto o = std::make_shared<PlanCommand>();
  o->network.model.AddPositional(command);
  o->network.Add(command, "--selection");
  AddPlanOptions(command, o->plan);
  o->calibration.Add(command, kCalibrationDefault);
  AddSimulation(command, o->simulation);
  o->simulation.threads = tbb::info::default_concurrency();
  auto* check = command->add_flag("--check", o->check,
                                  "encrypt and run it, owner and user as two processes, and compare predictions with "
                                  "measurements; fails if bytes differ");
  command->add_option("--check-images", o->check_images, "run once for each of these numbers of images")
      ->delimiter(',')
      ->check(CLI::Range(1, 100000))
      ->capture_default_str()
      ->needs(check);
  o->options.repeats = 9;
  o->options.reporting = ReportingToPeople();
  command->add_option("--repeats", o->options.repeats, "take medians of times over this many passes")
      ->check(CLI::Range(2, 100000))
      ->capture_default_str()
      ->needs(check);
  command->add_option("--batch", o->options.batch, "put at most this many images in a message")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->needs(check);
  command->add_option("--threads", o->options.threads, "compute with this many threads on each side")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->needs(check);
  command->callback([o, &action] { action = [o] { return RunPlan(*o); }; });
}

}  // namespace privdnn
