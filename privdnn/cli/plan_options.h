// The options of every command that plans, and what a machine adds to them.
#pragma once

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/choose_bits.h"
#include "privdnn/pipeline/plan_on_images.h"

namespace privdnn {

// --input-bits to --max-memory-mb. `options` must outlive `command`.
void AddPlanOptions(CLI::App* command, ModelPlanOptions& options);

// --simulate, for commands that choose bits. `options` must outlive `command`.
void AddSimulation(CLI::App* command, SimulationOptions& options);

// `options` with the constants that were measured on this machine (MachineFile), and with notes to the log.
absl::StatusOr<ModelPlanOptions> OnThisMachine(ModelPlanOptions options);

// Warns if rounding costs more than is accepted, and says what the cause may be.
void WarnOfRounding(const SimulatedPlan& planned);

// What --optimise calls it.
std::string ObjectiveName(Objective objective);

// What --images is without being given, where images only serve to measure ranges.
inline constexpr char kCalibrationDefault[] =
    "for the embedded model 1,000 MNIST test images, otherwise none; needed if an encrypted part "
    "reads inner values of the network";

}  // namespace privdnn
