#include "privdnn/cli/owner_program.h"

#include "privdnn/cli/command.h"

namespace privdnn {

int RunPrivdnnOwner(int argc, char** argv) {
  const Program program{.name = "privdnn-owner",
                        .description = "The owner's server of privdnn: certificates, answers, budgets",
                        .commands = {AddKeygen, AddServe, AddUsers, AddVersion}};
  return RunProgram(program, argc, argv);
}

}  // namespace privdnn
