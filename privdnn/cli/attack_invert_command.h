// `attack invert`: a user's images from what the owner sees.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddAttackInvert(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn
