// Chooses how finely a network is rounded, by what it then answers on images.
#pragma once

#include <optional>

#include "privdnn/base/reporting.h"
#include "privdnn/data/dataset.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/pipeline/simulate.h"

namespace privdnn {

// Rounding may cost so many points of accuracy or, without labels, change so many percent of the predictions. For a
// regression it may change values by so many percent of their standard deviation (see DeviationPercent).
inline constexpr double kAcceptedLoss = 0.1, kAcceptedDeviation = 1;

struct SimulationOptions {
  bool labelled = false;       // the images' labels mean something
  int64_t most_images = 1000;  // the first of them are simulated; 0: none are
  int threads = 1;
  // Begins a progress bar for each simulation.
  BeginProgressFn begin = {};
};

struct SimulatedPlan {
  ModelPlan plan;
  std::optional<Simulation> simulation;  // empty: there were no images, or none were to be simulated
  int64_t images = 0;                    // simulated
  // What rounding costs on them, as in kAcceptedLoss or kAcceptedDeviation; less than 0 if it gains.
  double Loss() const;
  bool Accepted() const;
};

// Plans with the bits of `options`, calibrated on `images`, and simulates the plan.
absl::StatusOr<SimulatedPlan> PlanAndSimulate(const Graph& graph, const Selection& selection,
                                              const ModelPlanOptions& options, const ImageSet& images,
                                              const SimulationOptions& simulation);

// Plans likewise with the fewest bits whose loss is accepted: 8 for inputs and 12 for kernels, or more in
// steps up to 15 and 20. Takes those with the least loss, and notes it, if none keep to that. Takes the bits of
// `options` if nothing can be simulated, or if ModelPlanOptions::bits_asked.
absl::StatusOr<SimulatedPlan> PlanWithChosenBits(const Graph& graph, const Selection& selection,
                                                 const ModelPlanOptions& options, const ImageSet& images,
                                                 const SimulationOptions& simulation);

}  // namespace privdnn
