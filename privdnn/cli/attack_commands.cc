#include "privdnn/cli/attack_commands.h"

#include "privdnn/cli/attack_extract_command.h"
#include "privdnn/cli/attack_invert_command.h"
#include "privdnn/cli/attack_retrain_command.h"

namespace privdnn {

void AddAttack(CLI::App& app, Globals& globals, Action& action) {
  auto* attack = app.add_subcommand("attack",
                                    "Run an adversary's attacks: networks from a package's plaintext part, kernels "
                                    "from replies, images from features");
  attack->require_subcommand(1);
  attack->footer("Example:\n  privdnn attack extract");
  AddAttackScratch(*attack, globals, action);
  AddAttackRecover(*attack, globals, action);
  AddAttackTransplant(*attack, globals, action);
  AddAttackExtract(*attack, globals, action);
  AddAttackInvert(*attack, globals, action);
}

}  // namespace privdnn
