// `privdnn attack extract`.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddAttackExtract(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn::cli
