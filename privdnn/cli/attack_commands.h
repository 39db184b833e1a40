// `privdnn attack`: what an adversary can do.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddAttack(CLI::App& app, Globals& globals, Action& action);

}  // namespace privdnn
