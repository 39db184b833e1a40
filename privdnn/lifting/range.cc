#include "privdnn/lifting/range.h"

#include <algorithm>

namespace privdnn {

LiftOptions WithMeasuredRange(LiftOptions options, const MeasuredRange& range) {
  options.input_min = kRangeMargin * std::min(range.min, 0.0);
  options.input_max = kRangeMargin * std::max(range.max, 0.0);
  if (options.input_min == options.input_max) options.input_max = 1;
  return options;
}

}  // namespace privdnn
