// bench kernels: transforms, inner products, samplers, and the steps of both parties that plans are made of.
#include <spdlog/spdlog.h>

#include "privdnn/base/cpu.h"
#include "privdnn/cli/command.h"
#include "privdnn/party/calibrate.h"
#include "privdnn/pipeline/machine_costs.h"
#include "privdnn/report/table.h"
#include "privdnn/ring/bench.h"

namespace privdnn {
namespace {

Json ToJson(const KernelBenchmark& k) {
  Json ntt = Json::array(), products = Json::array();
  for (const NttTiming& t : k.ntt)
    ntt.push_back({{"n", t.n}, {"forward_us", t.forward_us}, {"inverse_us", t.inverse_us}});
  for (const InnerProductTiming& t : k.inner_products) {
    products.push_back({{"images", t.units},
                        {"from", t.from_memory ? "memory" : "cache"},
                        {"terms", t.terms},
                        {"weight_bytes", t.weight_bytes},
                        {"gmacs", t.gmacs},
                        {"share_of_peak", t.gmacs / k.peak_gmacs}});
  }
  return {{"kernel", k.kernel},
          {"ntt", ntt},
          {"inner_product", products},
          {"peak_gmacs", k.peak_gmacs},
          {"read_gbytes_per_s", k.read_gbytes_per_s}};
}

std::string ToText(const KernelBenchmark& k) {
  FactTable table(k.kernel);
  for (const NttTiming& t : k.ntt) {
    table.Add(fmt::format("transform, N = {}", t.n),
              fmt::format("{:.2f} us forward, {:.2f} us inverse", t.forward_us, t.inverse_us));
  }
  for (const InnerProductTiming& t : k.inner_products) {
    table.Add(fmt::format("inner product from {}, {} image{}", t.from_memory ? "memory" : "cache", t.units,
                          t.units > 1 ? "s" : ""),
              fmt::format("{:.2f} G coefficient multiply-accumulates/s ({:.0f} % of peak)", t.gmacs,
                          100 * t.gmacs / k.peak_gmacs));
  }
  table.Add("peak, from registers", fmt::format("{:.2f} G/s", k.peak_gmacs));
  table.Add("memory, streaming read", fmt::format("{:.1f} GB/s", k.read_gbytes_per_s));
  return table.Render();
}

void AddSamplers(const RingBenchmark& bench, CommandOutput& output) {
  const SamplerBenchmark& s = bench.samplers;
  output.json["samplers"] = {{"n", s.n},
                             {"primes", s.primes},
                             {"expand_uniform_us", s.expand_uniform_us},
                             {"ternary_us", s.ternary_us},
                             {"centered_binomial_us", s.centered_binomial_us},
                             {"uniform_us", s.uniform_us}};
  FactTable table(fmt::format("samplers, {} coefficients", s.n));
  table.Add("ternary", fmt::format("{:.1f} us", s.ternary_us));
  table.Add("centred binomial", fmt::format("{:.1f} us", s.centered_binomial_us));
  table.Add("uniform, one prime", fmt::format("{:.1f} us", s.uniform_us));
  table.Add(fmt::format("expansion from a seed, {} primes", s.primes), fmt::format("{:.1f} us", s.expand_uniform_us));
  output.text += table.Render();
}

// The constants of the cost model, and how far they are from what they were fitted to.
void AddCosts(const Calibration& calibration, CommandOutput& output) {
  Json costs = MachineJson({calibration.costs})["machines"][0];
  FactTable table(fmt::format("steps of the parties, {}", calibration.costs.kernel));
  for (size_t i = 0; i < kSteps; ++i) {
    table.Add(std::string(Info(static_cast<Step>(i)).key), fmt::format("{:.3g} ns", calibration.costs.ns[i]));
  }
  FactTable fit("fit: messages of made-up segments, measured and as predicted (user, owner)");
  for (const CalibrationPoint& p : calibration.points) {
    costs["fit"].push_back({{"segment", p.what},
                            {"images", p.images},
                            {"user_ms", p.user_ms},
                            {"predicted_user_ms", p.predicted_user_ms},
                            {"owner_ms", p.owner_ms},
                            {"predicted_owner_ms", p.predicted_owner_ms}});
    fit.Add(fmt::format("{}, {} image{}", p.what, p.images, p.images > 1 ? "s" : ""),
            fmt::format("{:.3g} ms as {:.3g} ({:+.0f} %), {:.3g} ms as {:.3g} ({:+.0f} %)", p.user_ms,
                        p.predicted_user_ms, 100 * (p.predicted_user_ms / p.user_ms - 1), p.owner_ms,
                        p.predicted_owner_ms, 100 * (p.predicted_owner_ms / p.owner_ms - 1)));
  }
  output.json["costs"] = std::move(costs);
  output.text += table.Render() + fit.Render();
}

struct BenchKernelsCommand {
  int repeats = 21, cost_repeats = 7;
  bool store = true;
};

absl::StatusOr<CommandOutput> BenchKernels(const BenchKernelsCommand& command) {
  spdlog::info("measuring kernels, {} repeats", command.repeats);
  PRIVDNN_ASSIGN_OR_RETURN(const RingBenchmark bench, RunKernelBenchmarks(command.repeats));
  CommandOutput output{{{"cpu", CpuModelName()}, {"repeats", bench.repeats}, {"kernels", Json::array()}},
                       CpuModelName() + "\n"};
  for (const KernelBenchmark& k : bench.kernels) {
    output.json["kernels"].push_back(ToJson(k));
    output.text += ToText(k);
  }
  AddSamplers(bench, output);
  PRIVDNN_ASSIGN_OR_RETURN(
      const Calibration calibration,
      Calibrate(command.cost_repeats, MakeProgress(std::make_shared<ProgressBar>("measuring both parties"))));
  AddCosts(calibration, output);
  if (command.store) {
    const auto file = MachineFile();
    PRIVDNN_RETURN_IF_ERROR(StoreMachineCosts(file, calibration.costs));
    output.json["machine_file"] = file.string();
    output.text += fmt::format("stored for plans: {}\n", file.string());
  }
  return output;
}

}  // namespace

void AddBenchKernels(CLI::App& bench, Globals& globals, Action& action) {
  auto* kernels = AddCommand(bench, globals, "kernels",
                             "Measure transforms, inner products and samplers beside the machine's peak, and the "
                             "constants that plans predict times by",
                             "privdnn bench kernels --json");
  const auto o = std::make_shared<BenchKernelsCommand>();
  kernels->add_option("--repeats", o->repeats, "take medians over this many measurements")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  kernels->add_option("--cost-repeats", o->cost_repeats, "the same, for messages between the parties")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  kernels->add_flag("!--no-store", o->store,
                    "leave $XDG_CACHE_HOME/privdnn/machine.json, which `plan` reads, unchanged");
  kernels->callback([o, &action] { action = [o] { return BenchKernels(*o); }; });
}

}  // namespace privdnn
