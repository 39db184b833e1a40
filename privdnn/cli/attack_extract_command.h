// `privdnn attack extract`.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddAttackExtract(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn
