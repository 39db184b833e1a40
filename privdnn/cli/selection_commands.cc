// select: core neurons, and how good a model is whole, separated, and without them.
#include <chrono>

#include "privdnn/base/file.h"
#include "privdnn/cli/on_ranks.h"
#include "privdnn/cli/select_report.h"

namespace privdnn {
namespace {

absl::StatusOr<CommandOutput> Select(const SelectCommand& command, Ranks* ranks) {
  if (!command.images.labelled()) return WrongUsage("--images needs --labels: accuracies are against labels");
  const bool leads = ranks == nullptr || ranks->rank() == 0;
  for (const std::string& file : {command.out, command.all_results, command.checkpoint}) {
    if (leads) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.LoadClasses());
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet all, command.images.LoadFor(graph));
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet images, DrawImages(all, command.eval_images, command.search.seed));
  const auto start = std::chrono::steady_clock::now();
  const std::string preparing = fmt::format("preparing {} images", images.count);
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator evaluator,
                           Evaluator::Create(graph, std::move(images), command.evaluator,
                                             MakeProgress(std::make_shared<ProgressBar>(preparing))));
  if (!leads) {
    PRIVDNN_RETURN_IF_ERROR(ServeOutcomes(*ranks, evaluator, Identity(graph, evaluator), GoOn));
    return CommandOutput{};
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Selected selected, RunSelect(command, graph, evaluator, ranks));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CommandOutput output = ReportSelected(command, evaluator, selected, seconds);
  output.not_written = selected.not_written;
  if (!command.out.empty()) {
    const Selection selection = evaluator.ToSelection(selected.result.best.candidate);
    output.not_written.Update(WriteTextFile(command.out, FormatSelection(selection) + "\n"));
  }
  return output;
}

}  // namespace

void AddSelect(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "select", "Choose the core neurons",
                             "privdnn select model.onnx --method swap --counts 2,4 --out selection.json\n"
                             "  privdnn select model.onnx --method exhaustive --counts 1,2 --all-results all.csv "
                             "--checkpoint search.journal\n"
                             "  privdnn select model.onnx --target-without-owner 20 --max-loss 0.2");
  const auto o = std::make_shared<SelectCommand>();
  o->Add(command);
  command->callback([o, command, &action] {
    o->Finish(*command);
    action = [o] { return OnRanks([o](Ranks* ranks) { return Select(*o, ranks); }); };
  });
}

}  // namespace privdnn
