// What this machine takes for each step: kept in a file from where it was measured (party/calibrate.h) for whoever
// plans.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/segment/cost_model.h"

namespace privdnn {

// $XDG_CACHE_HOME/privdnn/machine.json, by default ~/.cache/privdnn/machine.json; empty if neither variable is set.
std::filesystem::path MachineFile();

// The file: {"version": 1, "machines": [{"cpu", "kernel", "cache_bytes", "ns": {step: ns}}]}, at most one entry for
// each (cpu, kernel). The bytes may be anybody's: an error says what is wrong with them, `what` names them.
nlohmann::ordered_json MachineJson(const std::vector<CostConstants>& machines);
absl::StatusOr<std::vector<CostConstants>> ParseMachines(const std::string& text, const std::string& what);

struct MachineCosts {
  CostConstants costs;
  bool measured = false;     // on this machine; otherwise the documented one's
  std::string warning = {};  // why a file that is there was of no use; empty if it was, or if there is none
};
// The documented machine's constants for ChooseKernels().
absl::StatusOr<MachineCosts> DocumentedMachineCosts();
// The constants for this processor and ChooseKernels(), from `file` if they are there, otherwise the documented ones. A
// file that can't be used is a warning, and is left alone.
absl::StatusOr<MachineCosts> LoadMachineCosts(const std::filesystem::path& file);
// Puts constants into the file in place of those for the same processor and kernels; other entries stay, unless the
// file is damaged.
absl::Status StoreMachineCosts(const std::filesystem::path& file, const CostConstants& costs);

}  // namespace privdnn
