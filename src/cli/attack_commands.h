// `privdnn attack`: what an adversary can do.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddAttack(CLI::App& app, Globals& globals, Action& action);

}  // namespace privdnn::cli
