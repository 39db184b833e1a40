// `bench select`, beside what bench_command.cc adds itself.
#pragma once

#include "privdnn/cli/command.h"

namespace privdnn {

void AddBenchSelect(CLI::App& bench, Globals& globals, Action& action);

}  // namespace privdnn
