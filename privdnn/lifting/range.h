// Chooses the range by which a segment's input is quantised, if the range is measured and not known in advance.
#pragma once

#include "privdnn/lifting/lift.h"

namespace privdnn {

// The smallest and largest values of a segment's input, in the model's units; min <= max.
struct MeasuredRange {
  double min = 0, max = 0;
};

// The factor by which a measured range is widened, on both sides of 0. Other images may exceed the measured range;
// values outside the widened range are clamped.
inline constexpr double kRangeMargin = 1.25;

// Returns `options` with the input range set to the measured range, extended to include 0 and widened by kRangeMargin.
// A value that was 0 for every image gets the range [0, 1].
LiftOptions WithMeasuredRange(LiftOptions options, const MeasuredRange& range);

}  // namespace privdnn
