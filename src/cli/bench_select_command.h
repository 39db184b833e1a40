// `bench select`, beside what bench_command.cc adds itself.
#pragma once

#include "cli/command.h"

namespace privdnn::cli {

void AddBenchSelect(CLI::App& bench, Globals& globals, Action& action);

}  // namespace privdnn::cli
