#include "privdnn/pipeline/machine_costs.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "privdnn/base/cpu.h"
#include "privdnn/base/file.h"
#include "privdnn/pipeline/bounded_json.h"
#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr int kFileVersion = 1;
constexpr size_t kMaxMachines = 64;
constexpr size_t kMaxName = 256;
constexpr double kMaxNs = 1e9;  // of a step: a second
constexpr uint64_t kMaxCacheBytes = uint64_t{1} << 40;

absl::StatusOr<std::string> Name(const Json& entry, const char* field) {
  if (!entry.contains(field) || !entry[field].is_string()) return InvalidArgument("'{}' is not a string", field);
  auto name = entry[field].get<std::string>();
  if (name.empty() || name.size() > kMaxName) {
    return InvalidArgument("'{}' has {} bytes, must have 1 to {}", field, name.size(), kMaxName);
  }
  return name;
}

absl::StatusOr<CostConstants> ParseMachine(const Json& entry) {
  if (!entry.is_object()) return InvalidArgument("is not an object");
  CostConstants costs;
  PRIVDNN_ASSIGN_OR_RETURN(costs.cpu, Name(entry, "cpu"));
  PRIVDNN_ASSIGN_OR_RETURN(costs.kernel, Name(entry, "kernel"));
  if (!entry.contains("cache_bytes") || !entry["cache_bytes"].is_number_unsigned() ||
      entry["cache_bytes"].get<uint64_t>() > kMaxCacheBytes) {
    return InvalidArgument("'cache_bytes' is not a number of 0 to {} bytes", kMaxCacheBytes);
  }
  costs.cache_bytes = entry["cache_bytes"].get<uint64_t>();
  if (!entry.contains("ns") || !entry["ns"].is_object() || entry["ns"].size() != kSteps) {
    return InvalidArgument("'ns' is not an object of {} steps", kSteps);
  }
  for (size_t i = 0; i < kSteps; ++i) {
    const std::string key(Info(static_cast<Step>(i)).key);
    if (!entry["ns"].contains(key) || !entry["ns"][key].is_number()) {
      return InvalidArgument("'ns' has no number '{}'", key);
    }
    costs.ns[i] = entry["ns"][key].get<double>();
    if (!std::isfinite(costs.ns[i]) || costs.ns[i] < 0 || costs.ns[i] > kMaxNs) {
      return InvalidArgument("'{}' is {} ns, must be 0 to {}", key, costs.ns[i], kMaxNs);
    }
  }
  return costs;
}

bool SameMachine(const CostConstants& a, const CostConstants& b) { return a.cpu == b.cpu && a.kernel == b.kernel; }

absl::StatusOr<std::vector<CostConstants>> ReadMachines(const std::filesystem::path& file) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file, kMaxFileBytes));
  return ParseMachines(text, file.string());
}

}  // namespace

std::filesystem::path MachineFile() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value ? value : "");
  };
  if (const auto cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "privdnn" / "machine.json";
  if (const auto home = variable("HOME"); home.is_absolute()) return home / ".cache" / "privdnn" / "machine.json";
  return {};
}

nlohmann::ordered_json MachineJson(const std::vector<CostConstants>& machines) {
  Json entries = Json::array();
  for (const CostConstants& m : machines) {
    Json ns = Json::object();
    for (size_t i = 0; i < kSteps; ++i) ns[std::string(Info(static_cast<Step>(i)).key)] = m.ns[i];
    entries.push_back({{"cpu", m.cpu}, {"kernel", m.kernel}, {"cache_bytes", m.cache_bytes}, {"ns", ns}});
  }
  return {{"version", kFileVersion}, {"machines", entries}};
}

absl::StatusOr<std::vector<CostConstants>> ParseMachines(const std::string& text, const std::string& what) {
  if (text.size() > kMaxFileBytes) return InvalidArgument("{}: more than {} bytes", what, kMaxFileBytes);
  // Entries are three deep.
  constexpr int kMaxDepth = 8;
  const BoundedJson parsed = ParseBoundedJson(text, kMaxDepth);
  const Json& json = parsed.value;
  if (parsed.too_deep || json.is_discarded() || !json.is_object())
    return InvalidArgument("{}: is not the JSON of a machine", what);
  if (!json.contains("version") || json["version"] != kFileVersion) {
    return InvalidArgument("{}: is not of version {}", what, kFileVersion);
  }
  if (!json.contains("machines") || !json["machines"].is_array() || json["machines"].size() > kMaxMachines) {
    return InvalidArgument("{}: 'machines' is not a list of at most {}", what, kMaxMachines);
  }
  std::vector<CostConstants> machines;
  for (const Json& entry : json["machines"]) {
    auto machine = ParseMachine(entry);
    if (!machine.ok()) return Annotate(machine.status(), fmt::format("{}: machine {}", what, machines.size()));
    for (const CostConstants& other : machines) {
      if (SameMachine(*machine, other)) return InvalidArgument("{}: machine {} is there twice", what, machines.size());
    }
    machines.push_back(*std::move(machine));
  }
  return machines;
}

absl::StatusOr<MachineCosts> DocumentedMachineCosts() {
  PRIVDNN_ASSIGN_OR_RETURN(const Kernels* kernels, ChooseKernels());
  return MachineCosts{.costs = DefaultCosts(kernels->name)};
}

absl::StatusOr<MachineCosts> LoadMachineCosts(const std::filesystem::path& file) {
  PRIVDNN_ASSIGN_OR_RETURN(const Kernels* kernels, ChooseKernels());
  PRIVDNN_ASSIGN_OR_RETURN(MachineCosts documented, DocumentedMachineCosts());
  std::error_code ignored;
  if (file.empty() || !std::filesystem::exists(file, ignored)) return documented;
  const auto machines = ReadMachines(file);
  if (!machines.ok()) {
    documented.warning =
        fmt::format("{}; the documented machine's constants are used (`privdnn bench kernels` writes the file anew)",
                    Message(machines.status()));
    return documented;
  }
  const std::string cpu = CpuModelName();
  for (const CostConstants& m : *machines) {
    if (m.cpu == cpu && m.kernel == kernels->name) return MachineCosts{.costs = m, .measured = true};
  }
  documented.warning = fmt::format(
      "{}: knows nothing of {} with {} kernels; the documented machine's constants are used "
      "(`privdnn bench kernels` measures this one)",
      file.string(), cpu, kernels->name);
  return documented;
}

absl::Status StoreMachineCosts(const std::filesystem::path& file, const CostConstants& costs) {
  if (file.empty()) return FailedPrecondition("neither XDG_CACHE_HOME nor HOME says where machine.json should be");
  std::vector<CostConstants> machines;
  std::error_code ec;
  if (std::filesystem::exists(file, ec)) machines = ReadMachines(file).value_or(std::vector<CostConstants>());
  std::erase_if(machines, [&](const CostConstants& m) { return SameMachine(m, costs); });
  if (machines.size() == kMaxMachines) machines.erase(machines.begin());
  machines.push_back(costs);
  std::filesystem::create_directories(file.parent_path(), ec);
  if (ec) return FailedPrecondition("{}: {}", file.parent_path().string(), ec.message());
  return WriteTextFile(file, MachineJson(machines).dump(2) + "\n");
}

}  // namespace privdnn
