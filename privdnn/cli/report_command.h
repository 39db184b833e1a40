// What encrypting a selection protects, as a page: `report`.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddReport(CLI::App& app, Globals& globals, Action& action);

}  // namespace privdnn
