#include "privdnn/cli/owner_program.h"

namespace privdnn {

std::vector<AddCommandFn> OwnerCommands() { return {AddKeygen, AddServe, AddUsers, AddVersion}; }

int RunPrivdnnOwner(int argc, char** argv) {
  const Program program{.name = "privdnn-owner",
                        .description = "The owner's server of privdnn: certificates, answers, budgets",
                        .commands = OwnerCommands()};
  return RunProgram(program, argc, argv);
}

}  // namespace privdnn
