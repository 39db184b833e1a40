// What this machine takes for each step, as `bench kernels` measured it and `plan` reads it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "privdnn/cli/command.h"
#include "privdnn/segment/cost_model.h"

namespace privdnn {

// $XDG_CACHE_HOME/privdnn/machine.json, by default ~/.cache/privdnn/machine.json; empty if neither variable is set.
std::filesystem::path MachineFile();

// The file: {"version": 1, "machines": [{"cpu", "kernel", "cache_bytes", "ns": {step: ns}}]}, at most one entry for
// each (cpu, kernel). The bytes may be anybody's: an error says what is wrong with them, `what` names them.
Json MachineJson(const std::vector<CostConstants>& machines);
absl::StatusOr<std::vector<CostConstants>> ParseMachines(const std::string& text, const std::string& what);

struct MachineCosts {
  CostConstants costs;
  bool measured;  // on this machine; otherwise the documented one's
};
// The constants for this processor and ChooseKernels(). A file that can't be used is a warning, and is left alone.
absl::StatusOr<MachineCosts> LoadMachineCosts(const std::filesystem::path& file);
// Puts constants into the file in place of those for the same processor and kernels; other entries stay, unless the
// file is damaged.
absl::Status StoreMachineCosts(const std::filesystem::path& file, const CostConstants& costs);

}  // namespace privdnn
