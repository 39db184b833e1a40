// `attack invert`: a user's images from what the owner sees.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddAttackInvert(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn::cli
