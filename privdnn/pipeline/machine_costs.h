// The cost of each step on this machine. Measuring (party/calibrate.h) stores it in a file; planning reads it.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/segment/cost_model.h"

namespace privdnn {

// Returns $XDG_CACHE_HOME/privdnn/machine.json, by default ~/.cache/privdnn/machine.json; empty if neither
// XDG_CACHE_HOME nor HOME is set.
std::filesystem::path MachineFile();

// Write and parse the file: {"version": 1, "machines": [{"cpu", "kernel", "cache_bytes", "ns": {step: ns}}]}, with at
// most one entry for each (cpu, kernel). The text may be untrusted: an error says what is wrong with it. `what` names
// the text in errors.
nlohmann::ordered_json MachineJson(const std::vector<CostConstants>& machines);
absl::StatusOr<std::vector<CostConstants>> ParseMachines(const std::string& text, const std::string& what);

struct MachineCosts {
  CostConstants costs;
  bool measured = false;     // on this machine; otherwise they are the documented machine's
  std::string warning = {};  // why an existing file could not be used; empty otherwise
};
// Returns the documented machine's constants for ChooseKernels().
absl::StatusOr<MachineCosts> DocumentedMachineCosts();
// Returns the constants for this processor and ChooseKernels() from `file`, or the documented ones if the file lacks
// them. A file that can't be used causes a warning and is not changed.
absl::StatusOr<MachineCosts> LoadMachineCosts(const std::filesystem::path& file);
// Stores constants in the file and replaces those for the same processor and kernels. Other entries stay, unless the
// file is damaged.
absl::Status StoreMachineCosts(const std::filesystem::path& file, const CostConstants& costs);

}  // namespace privdnn
