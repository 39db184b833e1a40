// export: an architecture as a model file.
#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

struct ExportCommand {
  std::string architecture = "lenet5-mnist", out;
  uint64_t seed = 1;
};

absl::StatusOr<CommandOutput> Export(const ExportCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, BuildArchitecture(command.architecture, command.seed));
  PRIVDNN_RETURN_IF_ERROR(CheckWritable(command.out));
  PRIVDNN_RETURN_IF_ERROR(SaveOnnx(graph, command.out));
  CommandOutput output;
  output.json = {{"architecture", command.architecture},
                 {"seed", command.seed},
                 {"model", command.out},
                 {"nodes", graph.nodes.size()},
                 {"parameters", graph.ParameterCount()}};
  output.text = fmt::format("{}: {}, {} nodes, {} parameters, random\n", command.out, command.architecture,
                            graph.nodes.size(), graph.ParameterCount());
  return output;
}

}  // namespace

void AddExport(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "export", "Write an untrained architecture as an ONNX model",
                             "privdnn export --arch vgg16-cifar10 --seed 1 --out vgg16.onnx");
  const auto o = std::make_shared<ExportCommand>();
  command->add_option("--arch", o->architecture, "export this architecture")
      ->check(CLI::IsMember(ArchitectureNames()))
      ->capture_default_str();
  command->add_option("--seed", o->seed, "seed the weights")->capture_default_str();
  command->add_option("--out", o->out, "write this ONNX file")->type_name(kNewFile)->required();
  command->callback([o, &action] { action = [o] { return Export(*o); }; });
}

}  // namespace privdnn
