// What encrypting a selection protects, as a page: `report`.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddReport(CLI::App& app, Globals& globals, Action& action);

}  // namespace privdnn::cli
