// select: core neurons, and how good a model is whole, separated, and without them.
#include "base/file.h"
#include "cli/accuracies.h"
#include "cli/inputs.h"
#include "nn/executor.h"
#include "report/table.h"
#include "selection/selection.h"

namespace privdnn::cli {
namespace {

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
                 {"selection", Json::parse(nn::FormatSelection(selection))},
                 {"images", images.count}};
  AddAccuracies(accuracy, output.json, table);
  output.text = table.Render();
  return output;
}

}  // namespace

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
