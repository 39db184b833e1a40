// eval and select: how good a model is, whole, separated, and without its core neurons.
#include "base/file.h"
#include "cli/inputs.h"
#include "nn/executor.h"
#include "nn/train.h"
#include "report/table.h"
#include "selection/selection.h"

namespace privdnn::cli {
namespace {

struct EvalCommand {
  ModelInput model;
  ImageInput images;
  std::string selection;
  int threads = 1;
};

Json ToJson(const nn::Selection& selection) { return Json::parse(nn::FormatSelection(selection)); }

void AddAccuracies(const SelectionAccuracy& a, Json& json, FactTable& table) {
  json["accuracy_original"] = a.original;
  json["accuracy_separated"] = a.separated;
  json["accuracy_without_core"] = a.removed;
  table.Add("A_o, original", fmt::format("{:.2f} %", a.original));
  table.Add("A_s, separated (authorised user)", fmt::format("{:.2f} %", a.separated));
  table.Add("A_r, core neurons removed", fmt::format("{:.2f} %", a.removed));
}

absl::StatusOr<CommandOutput> Eval(const EvalCommand& command) {
  if (!command.images.labelled()) return InvalidArgument("--images needs --labels: accuracy is against labels");
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet images, command.images.Load());
  nn::SetExecutorThreads(command.threads);
  CommandOutput output;
  FactTable table(fmt::format("{} on {} images", command.model.Name(), images.count));
  output.json = {{"model", command.model.Name()}, {"images", images.count}};
  if (command.selection.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const double accuracy, nn::Accuracy(graph, images));
    output.json["accuracy_original"] = accuracy;
    table.Add("A_o, original", fmt::format("{:.2f} %", accuracy));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, LoadSelection(command.selection, graph));
    PRIVDNN_ASSIGN_OR_RETURN(const SelectionAccuracy accuracy, EvaluateSelection(graph, selection, images));
    output.json["selection"] = ToJson(selection);
    AddAccuracies(accuracy, output.json, table);
  }
  output.text = table.Render();
  return output;
}

struct SelectCommand {
  ModelInput model;
  ImageInput images;
  std::string method = "norm", counts, out;
  int threads = 1;
};

absl::StatusOr<CommandOutput> Select(const SelectCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet images, command.images.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const auto counts, ParseCounts(command.counts));
  nn::SetExecutorThreads(command.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, SelectByNorm(graph, counts.first, counts.second));
  PRIVDNN_ASSIGN_OR_RETURN(const SelectionAccuracy accuracy, EvaluateSelection(graph, selection, images));
  if (!command.out.empty()) {
    PRIVDNN_RETURN_IF_ERROR(WriteTextFile(command.out, nn::FormatSelection(selection) + "\n"));
  }
  CommandOutput output;
  FactTable table(fmt::format("{} by {}: {}", command.model.Name(), command.method, nn::FormatSelection(selection)));
  output.json = {{"model", command.model.Name()},
                 {"method", command.method},
                 {"selection", ToJson(selection)},
                 {"images", images.count}};
  AddAccuracies(accuracy, output.json, table);
  output.text = table.Render();
  return output;
}

}  // namespace

void AddEval(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "eval", "Accuracy of a model; with a selection also A_s and A_r",
                             "privdnn eval model.onnx --data ~/data --selection selection.json");
  const auto o = std::make_shared<EvalCommand>();
  o->model.AddPositional(command);
  o->images.Add(command);
  command->add_option("--selection", o->selection, "core neurons: a file, or 1:0,3;2:5");
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Eval(*o); }; });
}

void AddSelect(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "select", "Choose the core neurons",
                             "privdnn select model.onnx --method norm --counts 2,4 --out selection.json");
  const auto o = std::make_shared<SelectCommand>();
  o->model.AddPositional(command);
  command->add_option("--method", o->method, "norm: the filters with the largest L2 norm")
      ->check(CLI::IsMember({"norm"}))
      ->capture_default_str();
  command->add_option("--counts", o->counts, "N1,N2: how many neurons of layers 1 and 2")->required();
  command->add_option("--out", o->out, "selection file to write");
  o->images.Add(command);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Select(*o); }; });
}

}  // namespace privdnn::cli
