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
  const auto bits = [&](const std::string& name, uint32_t& target, uint32_t most, const std::string& description) {
    const auto set = [&target, &options](const uint32_t& value) {
      target = value;
      options.bits_asked = true;
    };
    command->add_option_function<uint32_t>(name, set, description)
        ->check(CLI::Range(2u, most))
        ->default_str(fmt::to_string(target));
  };
  bits("--input-bits", options.lift.input_bits, 15, "quantise input values to this many bits");
  bits("--kernel-bits", options.lift.kernel_bits, 24, "quantise kernel coefficients to this many bits");
  const auto range = [&](const std::string& name, double& bound, const std::string& description) {
    const auto set = [&bound, &options](const double& value) {
      bound = value;
      options.range_asked = true;
    };
    command->add_option_function<double>(name, set, description)
        ->check(FiniteNumber())
        ->default_str(fmt::format("{:g}", bound));
  };
  range("--input-min", options.lift.input_min, "quantise for network inputs from this on; an image's pixel / 255");
  range("--input-max", options.lift.input_max, "quantise for network inputs up to this");
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

void AddSimulation(CLI::App* command, SimulationOptions& options) {
  command
      ->add_option("--simulate", options.most_images,
                   "compute what a user would get on the first N of the images before anything is encrypted; unless "
                   "--input-bits or --kernel-bits are given, choose as many bits as change at most 0.1 % there (of a "
                   "regression: values by 1 % of their standard deviation); 0: neither")
      ->check(NonNegativeInt())
      ->capture_default_str();
}

absl::StatusOr<ModelPlanOptions> OnThisMachine(ModelPlanOptions options) {
  PRIVDNN_ASSIGN_OR_RETURN(options.costs, LoadMachineCosts(MachineFile()));
  if (!options.costs->warning.empty()) spdlog::warn("{}", options.costs->warning);
  options.note = [](const std::string& note) { spdlog::info("{}", note); };
  return options;
}

void WarnOfRounding(const SimulatedPlan& planned) {
  if (!planned.simulation || planned.Accepted()) return;
  spdlog::warn(
      "a user's answers would not be the network's: rounding changes too much ({:.3g} %). All numbers that an "
      "encrypted "
      "layer reads are rounded alike: if some are far larger than others, scale them in nodes of their own in front of "
      "the layer, or encrypt a later one; --input-min and --input-max may also be too wide",
      planned.Loss());
}

std::string ObjectiveName(Objective objective) { return NameOf(kObjectives, objective); }

}  // namespace privdnn
