// Holds a plan's predictions against a run: owner and user as two processes with the plan's package.
#pragma once

#include "privdnn/cli/prediction.h"
#include "privdnn/cli/two_parties.h"

namespace privdnn {

struct PlanCheck {
  CostPrediction predicted;
  uint64_t predicted_package_bytes;
  TwoPartyResult run;
};

// Runs `images` with the plan that `options` give.
absl::StatusOr<PlanCheck> CheckPlan(const Graph& graph, const Selection& selection, const ImageSet& images,
                                    TwoPartyOptions options);

// One object and one table for a run: predicted, measured and their ratio of every figure. Fails if bytes differ, or if
// decrypted integers do; times and memory are only reported, since machines are noisy.
CommandOutput Report(const PlanCheck& check);

}  // namespace privdnn
