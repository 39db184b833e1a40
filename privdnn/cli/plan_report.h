// A plan as commands print it.
#pragma once

#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/choose_bits.h"
#include "privdnn/pipeline/plan_figures.h"

namespace privdnn {

// The plan's fields, for the JSON of every command that has one: "segments", and what holds for all of them.
Json PlanJson(const ModelPlan& plan);
std::string PlanText(const ModelPlan& plan);
// What the simulation of a plan found: the field "simulation", and a table; nothing if there was none.
Json SimulatedPlanJson(const SimulatedPlan& planned);
Json SimulationJson(const SimulatedPlan& planned);
std::string SimulatedPlanText(const SimulatedPlan& planned);
std::string SimulationText(const SimulatedPlan& planned);
Json PredictionJson(const CostPrediction& prediction);

}  // namespace privdnn
