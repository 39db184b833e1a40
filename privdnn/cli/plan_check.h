// Holds a plan's predictions against a run: owner and user as two processes with the plan's package.
#pragma once

#include <string>
#include <vector>

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/cost_prediction.h"
#include "privdnn/pipeline/two_parties.h"

namespace privdnn {

// A figure as predicted and as measured.
struct CheckedFigure {
  enum class Unit {
    kBytes,         // whole ones, which have to be equal
    kMemory,        // bytes
    kMilliseconds,  // an image
  };
  std::string field, what;  // in JSON, in text
  Unit unit;
  double predicted, measured;
  double ratio() const { return measured > 0 ? predicted / measured : 0; }
};

struct PlanCheck {
  ModelPlan plan;
  Workload workload;
  int repeats = 0;
  std::string kernel = {};  // that the user's process computed with
  std::vector<CheckedFigure> figures = {};
  uint64_t integer_mismatches = 0;

  // Whether bytes are as predicted and decrypted integers are right; times and memory are only reported, since machines
  // are noisy.
  bool passed() const;
};

// Runs `images` with the plan that `options` give.
absl::StatusOr<PlanCheck> CheckPlan(const Graph& graph, const Selection& selection, const ImageSet& images,
                                    TwoPartyOptions options);

// One object and one table for a run: predicted, measured and their ratio of every figure. Fails if the check did.
CommandOutput Report(const PlanCheck& check);

}  // namespace privdnn
