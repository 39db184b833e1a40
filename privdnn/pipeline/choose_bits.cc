#include "privdnn/pipeline/choose_bits.h"

#include "privdnn/graph/output_kind.h"
#include "privdnn/pipeline/plan_on_images.h"

namespace privdnn {
namespace {

struct Bits {
  uint32_t input, kernel;
};
// Ascending in what they cost.
constexpr Bits kBitSteps[] = {{8, 12}, {10, 14}, {12, 16}, {14, 18}, {15, 20}};

absl::StatusOr<bool> CanSimulate(const Graph& graph, const ImageSet& images, const SimulationOptions& simulation) {
  PRIVDNN_ASSIGN_OR_RETURN(const OutputKind kind, FindOutputKind(graph));
  return images.count > 0 && simulation.most_images > 0 && kind != OutputKind::kMap;
}

// What a loss is measured in.
std::string Unit(const Simulation& simulation) {
  if (simulation.outputs == OutputKind::kRegression) return "% of the values' standard deviation";
  return simulation.accuracies ? "points of accuracy" : "% of the predictions";
}

}  // namespace

double SimulatedPlan::Loss() const {
  if (!simulation || images == 0) return 0;
  if (simulation->accuracies) return simulation->accuracies->separated - simulation->accuracies->quantised;
  if (simulation->outputs == OutputKind::kRegression) return simulation->rounding_percent;
  return 100.0 * static_cast<double>(simulation->DecisionsChanged()) /
         static_cast<double>(simulation->predictions.size());
}

bool SimulatedPlan::Accepted() const {
  const bool values = simulation && simulation->outputs == OutputKind::kRegression;
  return Loss() <= (values ? kAcceptedDeviation : kAcceptedLoss);
}

absl::StatusOr<SimulatedPlan> PlanAndSimulate(const Graph& graph, const Selection& selection,
                                              const ModelPlanOptions& options, const ImageSet& images,
                                              const SimulationOptions& simulation) {
  PRIVDNN_ASSIGN_OR_RETURN(ModelPlan plan, Plan(graph, selection, options, images));
  SimulatedPlan result{std::move(plan), std::nullopt};
  PRIVDNN_ASSIGN_OR_RETURN(const bool simulates, CanSimulate(graph, images, simulation));
  if (!simulates) return result;
  const ImageSet some = images.Head(simulation.most_images);
  PRIVDNN_ASSIGN_OR_RETURN(
      result.simulation,
      Simulate(result.plan, some, simulation.labelled, simulation.threads,
               Begin(simulation.begin, fmt::format("simulating {}-bit inputs and {}-bit kernels, {} images",
                                                   options.lift.input_bits, options.lift.kernel_bits, some.count))));
  result.images = some.count;
  return result;
}

absl::StatusOr<SimulatedPlan> PlanWithChosenBits(const Graph& graph, const Selection& selection,
                                                 const ModelPlanOptions& options, const ImageSet& images,
                                                 const SimulationOptions& simulation) {
  PRIVDNN_ASSIGN_OR_RETURN(const bool simulates, CanSimulate(graph, images, simulation));
  if (!simulates || options.bits_asked) return PlanAndSimulate(graph, selection, options, images, simulation);
  std::optional<SimulatedPlan> best;
  for (const Bits bits : kBitSteps) {
    ModelPlanOptions finer = options;
    finer.lift.input_bits = bits.input;
    finer.lift.kernel_bits = bits.kernel;
    auto next = PlanAndSimulate(graph, selection, finer, images, simulation);
    if (!next.ok()) {
      // Finer integers may be too large for what can be encrypted, or for the bounds.
      if (!best || absl::IsCancelled(next.status())) return next.status();
      break;
    }
    if (!best || next->Loss() < best->Loss()) best = *std::move(next);
    if (best->Accepted()) return *std::move(best);
  }
  Note(options.note,
       fmt::format("rounding costs {:.2f} {} however many bits are taken", best->Loss(), Unit(*best->simulation)));
  return *std::move(best);
}

}  // namespace privdnn
