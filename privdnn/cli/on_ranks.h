// Commands that mpirun may start several times, to share one piece of work.
#pragma once

#include <functional>

#include "privdnn/cli/command.h"
#include "privdnn/ranks/ranks.h"

namespace privdnn {

// Runs `command` with this process's place among the ranks, nullptr without mpirun. Ranks above 0 say nothing on
// stderr, rank 0 names them in its errors and warnings, and have nothing to print. They all leave together.
absl::StatusOr<CommandOutput> OnRanks(const std::function<absl::StatusOr<CommandOutput>(Ranks*)>& command);

}  // namespace privdnn
