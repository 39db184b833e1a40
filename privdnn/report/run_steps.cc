#include "privdnn/report/run_steps.h"

#include <algorithm>

namespace privdnn {
namespace {

// The step that makes a file for later ones.
size_t MakerOf(const std::string& file) {
  const std::vector<ReportStep>& steps = ReportSteps();
  return static_cast<size_t>(std::ranges::find(steps, file, &ReportStep::makes) - steps.begin());
}

// Why a step is none of this report, or "".
std::string WhyLeftOut(const ReportInput& input, const std::vector<std::string>& skip, const ReportStep& step) {
  if (std::ranges::find(skip, step.part) != skip.end()) return "Not run: left out by --skip.";
  if (step.trains && input.embedded_images()) {
    return "Not run: it trains whole networks, for which the images that the program carries are too few. With "
           "--data-set or --data it runs.";
  }
  return "";
}

// Why a step has nothing to go on, or "".
std::string WhyNot(const ReportStep& step, const Results& before) {
  for (const std::string& file : step.takes) {
    const StepResult& maker = before.steps.at(MakerOf(file));
    if (maker.result.is_null()) return fmt::format("Not run: there is no {}.", maker.title);
  }
  return "";
}

}  // namespace

absl::StatusOr<Results> RunSteps(const ReportInput& input, const std::vector<std::string>& skip, StepRunner& runner,
                                 Results results) {
  const std::vector<ReportStep>& steps = ReportSteps();
  const auto runs = [&](const ReportStep& step) { return WhyLeftOut(input, skip, step).empty(); };
  const auto all = std::ranges::count_if(steps, runs);
  while (results.steps.size() < steps.size()) {
    const auto at = steps.begin() + static_cast<std::ptrdiff_t>(results.steps.size());
    const ReportStep& step = *at;
    std::string reason = WhyLeftOut(input, skip, step);
    if (reason.empty()) reason = WhyNot(step, results);
    if (!reason.empty()) {
      results.steps.push_back({step.name, step.title, "", 0, nullptr, reason, {}});
      continue;
    }
    const std::vector<std::string> arguments = step.arguments(input, results);
    if (const std::string missing = runner.FirstMissing(step, arguments); !missing.empty()) {
      // It went with an earlier report. Another one takes its place, and all that follows is of that.
      const size_t maker = MakerOf(missing);
      runner.Forget(steps[maker]);
      results.steps.erase(results.steps.begin() + static_cast<std::ptrdiff_t>(maker), results.steps.end());
      continue;
    }
    const std::string label = fmt::format("step {} of {}", 1 + std::count_if(steps.begin(), at, runs), all);
    PRIVDNN_ASSIGN_OR_RETURN(StepResult result, runner.Run(step, arguments, label));
    if (step.required && result.result.is_null()) {
      return FailedPrecondition("{}: {}", result.command, result.reason);
    }
    results.steps.push_back(std::move(result));
  }
  PRIVDNN_RETURN_IF_ERROR(runner.RemoveFiles());
  return results;
}

}  // namespace privdnn
