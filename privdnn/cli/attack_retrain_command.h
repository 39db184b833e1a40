// `attack scratch`, `attack recover` and `attack transplant`: networks that an attacker trains.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddAttackScratch(CLI::App& attack, Globals& globals, Action& action);
void AddAttackRecover(CLI::App& attack, Globals& globals, Action& action);
void AddAttackTransplant(CLI::App& attack, Globals& globals, Action& action);

}  // namespace privdnn
