// `attack scratch`, `attack recover` and `attack transplant`: networks that an attacker trains.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddAttackScratch(CLI::App& attack, Globals& globals, Action& action);
void AddAttackRecover(CLI::App& attack, Globals& globals, Action& action);
void AddAttackTransplant(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn::cli
