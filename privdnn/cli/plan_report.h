// A plan as commands print it.
#pragma once

#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/plan_figures.h"

namespace privdnn {

// The plan's fields, for the JSON of every command that has one: "segments", and what holds for all of them.
Json PlanJson(const ModelPlan& plan);
std::string PlanText(const ModelPlan& plan);
Json PredictionJson(const CostPrediction& prediction);

}  // namespace privdnn
