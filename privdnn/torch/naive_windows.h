// Plain loops over operators that slide over a map, sample it, or normalise; for tests.
#pragma once

#include <functional>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;

  static Array Zeros(std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t d : shape) count *= d;
    return {std::move(shape), std::vector<double>(static_cast<size_t>(count))};
  }
  size_t Position(const std::vector<int64_t>& index) const {
    int64_t position = 0;
    for (size_t i = 0; i < shape.size(); ++i) position = position * shape[i] + index[i];
    return static_cast<size_t>(position);
  }
  double& at(const std::vector<int64_t>& index) { return values[Position(index)]; }
  double at(const std::vector<int64_t>& index) const { return values[Position(index)]; }
};

// Calls f with every index of a shape, in row-major order.
inline void ForEach(const std::vector<int64_t>& shape, const std::function<void(const std::vector<int64_t>&)>& f) {
  std::vector<int64_t> index(shape.size(), 0);
  for (;;) {
    f(index);
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

inline size_t FromFront(int64_t axis, const Array& x) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(x.shape.size()) : axis);
}

class NaiveWindows {
 public:
  explicit NaiveWindows(std::vector<Array> inputs) : in_(std::move(inputs)) {}

  Array operator()(const op::Conv& conv) const;
  Array operator()(const op::ConvTranspose& conv) const;
  Array operator()(const op::AveragePool& pool) const;
  Array operator()(const op::MaxPool& pool) const;
  Array operator()(const op::BatchNormalization& norm) const;
  Array operator()(const op::LayerNormalization& norm) const;
  Array operator()(const op::GroupNormalization& norm) const;
  Array operator()(const op::LRN& norm) const;
  Array operator()(const op::Resize& resize) const;

 protected:
  std::vector<Array> in_;

 private:
  Array WindowOutput(const Window& w, int64_t channels) const;
  // f(kernel row, kernel column, input row, input column) for output position `o`.
  static void ForEachTap(const Window& w, const std::vector<int64_t>& o,
                         const std::function<void(int64_t, int64_t, int64_t, int64_t)>& f);
  bool Inside(int64_t h, int64_t v) const;
  // (x - mean) / sqrt(variance + epsilon), where `part` says which elements make up a mean.
  Array Normalised(double epsilon, const std::function<std::vector<int64_t>(const std::vector<int64_t>&)>& part) const;
};

}  // namespace privdnn
