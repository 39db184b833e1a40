// By what range a segment's input is quantised, where the range is measured and not known.
#pragma once

#include "privdnn/lifting/lift.h"

namespace privdnn {

// The least and the largest value that a segment's input took, in the model's units; min <= max.
struct MeasuredRange {
  double min = 0, max = 0;
};

// How much wider than measured a range is taken, on both sides of 0. Images that nobody measured may reach further than
// those that were; what lies outside is clamped.
inline constexpr double kRangeMargin = 1.25;

// `options` with the range of the input set to what was measured, extended to hold 0 and widened by kRangeMargin. A
// value that was 0 for every image still needs a range: [0, 1].
LiftOptions WithMeasuredRange(LiftOptions options, const MeasuredRange& range);

}  // namespace privdnn
