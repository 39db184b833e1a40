// Runs all steps of a report, in order.
#pragma once

#include <string>
#include <vector>

#include "privdnn/report/report_steps.h"
#include "privdnn/report/step_runner.h"

namespace privdnn {

// Runs the steps and adds their results to `results`, which has none yet. If a step can't or shouldn't run, for example
// because `skip` names its part, it gets the reason instead of a result. Removes the files that steps made for each
// other once everything is done. Fails with FailedPrecondition if a required step has no result. Returns the runner's
// errors.
absl::StatusOr<Results> RunSteps(const ReportInput& input, const std::vector<std::string>& skip, StepRunner& runner,
                                 Results results);

}  // namespace privdnn
