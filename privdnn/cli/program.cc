#include "privdnn/cli/program.h"

#include "privdnn/cli/attack_commands.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/report_command.h"

namespace privdnn {

int RunPrivdnn(int argc, char** argv) {
  const Program program{
      .name = "privdnn",
      .description = "Private inference with partially encrypted neural networks",
      .commands = {AddTrain, AddExport, AddEval, AddSelect, AddObfuscate, AddPlan, AddKeygen, AddEncrypt, AddServe,
                   AddUsers, AddInfer, AddDemo, AddAttack, AddReport, AddBench, AddData, AddInspect, AddVersion}};
  return RunProgram(program, argc, argv);
}

}  // namespace privdnn
