// Measures what owner and user take on this machine, for the planner's predictions.
#pragma once

#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/segment/cost_model.h"

namespace privdnn {

// Messages of one made-up segment: measured, and as the fitted constants have it.
struct CalibrationPoint {
  std::string what;
  uint64_t images;  // of the message
  double user_ms, owner_ms;
  double predicted_user_ms, predicted_owner_ms;
};
struct Calibration {
  CostConstants costs;
  std::vector<CalibrationPoint> points;
};

// Runs both parties on one thread, with the kernels that ChooseKernels() chooses, on a dozen segments from a LeNet-5's
// to more than half of a VGG16's, and fits constants to the medians of `repeats` runs, in processor time. About 15
// seconds with 7 repeats, and 500 MB. InvalidArgument if repeats < 1; Cancelled if `progress`, which counts segments,
// says so.
absl::StatusOr<Calibration> Calibrate(int repeats, const ProgressFn& progress);

}  // namespace privdnn
