// Holds a plan's predictions against a run: owner and user as two processes with the plan's package.
#pragma once

#include "cli/prediction.h"
#include "cli/two_parties.h"

namespace privdnn::cli {

struct PlanCheck {
  Prediction predicted;
  uint64_t predicted_package_bytes;
  TwoPartyResult run;
};

// Runs `images` with the plan that `options` give.
absl::StatusOr<PlanCheck> CheckPlan(const nn::Graph& graph, const nn::Selection& selection, const nn::ImageSet& images,
                                    TwoPartyOptions options);

// One object and one table for a run: predicted, measured and their ratio of every figure. Fails if bytes differ, or if
// decrypted integers do; times and memory are only reported, since machines are noisy.
CommandOutput Report(const PlanCheck& check);

}  // namespace privdnn::cli
