// All steps of a report, in their order.
#pragma once

#include <string>
#include <vector>

#include "privdnn/report/report_steps.h"
#include "privdnn/report/step_runner.h"

namespace privdnn {

// Runs the steps and adds their results to `results`, which has none. A step that can't or shan't run, because `skip`
// names its part, say, has the reason in place of a result. Removes the files that steps made for each other when all
// is there. FailedPrecondition if a required step has no result; the runner's errors.
absl::StatusOr<Results> RunSteps(const ReportInput& input, const std::vector<std::string>& skip, StepRunner& runner,
                                 Results results);

}  // namespace privdnn
