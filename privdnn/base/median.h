// The middle of repeated measurements.
#pragma once

#include <algorithm>
#include <vector>

namespace privdnn {

// The middle value (the mean of the two middle ones); 0 for none.
inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace privdnn
