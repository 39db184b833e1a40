#include "privdnn/cli/plan_options.h"

#include <spdlog/spdlog.h>

#include "privdnn/cli/choice.h"

namespace privdnn {
namespace {

const std::map<std::string, Objective> kObjectives = {
    {"latency", Objective::kLatency}, {"throughput", Objective::kThroughput}, {"bytes", Objective::kBytes}};

// Bytes in `megabytes` of 10^6, above 0; more than 64 bits count is no bound.
uint64_t MegabytesToBytes(double megabytes) {
  constexpr double kNoBound = 1e13;  // 10^19 bytes
  return megabytes < kNoBound ? static_cast<uint64_t>(megabytes * 1e6) : UINT64_MAX;
}

void AddMegabytes(CLI::App* command, const std::string& option, uint64_t& bytes, const std::string& description) {
  command
      ->add_option_function<double>(
          option, [&bytes](double megabytes) { bytes = MegabytesToBytes(megabytes); }, description)
      ->check(PositiveNumber());
}

}  // namespace

void AddPlanOptions(CLI::App* command, ModelPlanOptions& options) {
  command->add_option("--input-bits", options.lift.input_bits, "quantise input values to this many bits")
      ->check(CLI::Range(2, 15))
      ->capture_default_str();
  command->add_option("--kernel-bits", options.lift.kernel_bits, "quantise kernel coefficients to this many bits")
      ->check(CLI::Range(2, 24))
      ->capture_default_str();
  command->add_option("--input-min", options.lift.input_min, "set the smallest input value")->capture_default_str();
  command->add_option("--input-max", options.lift.input_max, "set the largest input value")->capture_default_str();
  command->add_option("--image-budget", options.image_budget, "budget this many images, ever, for the package")
      ->check(PositiveInt())
      ->capture_default_str();
  AddChoice(command, "--optimise", options.objective,
            "choose rings and packings for the time of one image (latency), the time per image in messages of 8 "
            "(throughput), or the bytes on the network (bytes)",
            kObjectives);
  AddMegabytes(command, "--max-package-mb", options.max_package_bytes, "limit the package to this size, in 10^6 bytes");
  AddMegabytes(command, "--max-memory-mb", options.max_user_memory_bytes,
               "limit the user's resident memory, as predicted for one thread, in 10^6 bytes");
}

absl::StatusOr<ModelPlanOptions> OnThisMachine(ModelPlanOptions options) {
  PRIVDNN_ASSIGN_OR_RETURN(options.costs, LoadMachineCosts(MachineFile()));
  if (!options.costs->warning.empty()) spdlog::warn("{}", options.costs->warning);
  options.note = [](const std::string& note) { spdlog::info("{}", note); };
  return options;
}

std::string ObjectiveName(Objective objective) { return NameOf(kObjectives, objective); }

}  // namespace privdnn
