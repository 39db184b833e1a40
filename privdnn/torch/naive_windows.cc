#include "privdnn/torch/naive_windows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace privdnn {

Array NaiveWindows::WindowOutput(const Window& w, int64_t channels) const {
  const auto side = [&](size_t i) {
    return (in_[0].shape[i + 2] + w.pads[i] + w.pads[i + 2] - w.dilations[i] * (w.kernel[i] - 1) - 1) / w.strides[i] +
           1;
  };
  return Array::Zeros({in_[0].shape[0], channels, side(0), side(1)});
}

void NaiveWindows::ForEachTap(const Window& w, const std::vector<int64_t>& o,
                              const std::function<void(int64_t, int64_t, int64_t, int64_t)>& f) {
  for (int64_t i = 0; i < w.kernel[0]; ++i) {
    for (int64_t j = 0; j < w.kernel[1]; ++j) {
      f(i, j, o[2] * w.strides[0] + i * w.dilations[0] - w.pads[0],
        o[3] * w.strides[1] + j * w.dilations[1] - w.pads[1]);
    }
  }
}

bool NaiveWindows::Inside(int64_t h, int64_t v) const {
  return h >= 0 && h < in_[0].shape[2] && v >= 0 && v < in_[0].shape[3];
}

Array NaiveWindows::operator()(const op::Conv& conv) const {
  const Array &x = in_[0], &w = in_[1];
  const int64_t filters_per_group = w.shape[0] / conv.groups;
  Array y = WindowOutput(conv.window, w.shape[0]);
  ForEach(y.shape, [&](const std::vector<int64_t>& o) {
    double sum = in_.size() == 3 ? in_[2].at({o[1]}) : 0;
    for (int64_t c = 0; c < w.shape[1]; ++c) {
      const int64_t channel = o[1] / filters_per_group * w.shape[1] + c;
      ForEachTap(conv.window, o, [&](int64_t i, int64_t j, int64_t h, int64_t v) {
        if (Inside(h, v)) sum += x.at({o[0], channel, h, v}) * w.at({o[1], c, i, j});
      });
    }
    y.at(o) = sum;
  });
  return y;
}

// Each input cell adds the kernel, times its value, at its place.
Array NaiveWindows::operator()(const op::ConvTranspose& conv) const {
  const Array &x = in_[0], &w = in_[1];
  const Window& window = conv.window;
  const int64_t per_group = w.shape[1];
  std::vector<int64_t> shape = {x.shape[0], per_group * conv.groups, 0, 0};
  for (size_t i = 0; i < 2; ++i) {
    shape[i + 2] = window.strides[i] * (x.shape[i + 2] - 1) + window.dilations[i] * (window.kernel[i] - 1) + 1 +
                   conv.output_padding[i] - window.pads[i] - window.pads[i + 2];
  }
  Array y = Array::Zeros(shape);
  if (in_.size() == 3) ForEach(shape, [&](const std::vector<int64_t>& o) { y.at(o) = in_[2].at({o[1]}); });
  ForEach(x.shape, [&](const std::vector<int64_t>& i) {
    const int64_t group = i[1] / (x.shape[1] / conv.groups);
    ForEach({per_group, window.kernel[0], window.kernel[1]}, [&](const std::vector<int64_t>& k) {
      const int64_t h = i[2] * window.strides[0] + k[1] * window.dilations[0] - window.pads[0];
      const int64_t v = i[3] * window.strides[1] + k[2] * window.dilations[1] - window.pads[1];
      if (h < 0 || h >= shape[2] || v < 0 || v >= shape[3]) return;
      y.at({i[0], group * per_group + k[0], h, v}) += x.at(i) * w.at({i[1], k[0], k[1], k[2]});
    });
  });
  return y;
}

Array NaiveWindows::operator()(const op::AveragePool& pool) const {
  Array y = WindowOutput(pool.window, in_[0].shape[1]);
  ForEach(y.shape, [&](const std::vector<int64_t>& o) {
    double sum = 0;
    int counted = 0;
    ForEachTap(pool.window, o, [&](int64_t, int64_t, int64_t h, int64_t v) {
      if (Inside(h, v)) sum += in_[0].at({o[0], o[1], h, v});
      counted += pool.count_include_pad || Inside(h, v);
    });
    y.at(o) = sum / counted;
  });
  return y;
}

Array NaiveWindows::operator()(const op::MaxPool& pool) const {
  Array y = WindowOutput(pool.window, in_[0].shape[1]);
  ForEach(y.shape, [&](const std::vector<int64_t>& o) {
    double largest = -std::numeric_limits<double>::infinity();
    ForEachTap(pool.window, o, [&](int64_t, int64_t, int64_t h, int64_t v) {
      if (Inside(h, v)) largest = std::max(largest, in_[0].at({o[0], o[1], h, v}));
    });
    y.at(o) = largest;
  });
  return y;
}

Array NaiveWindows::operator()(const op::BatchNormalization& norm) const {
  Array y = in_[0];
  ForEach(y.shape, [&](const std::vector<int64_t>& i) {
    const std::vector<int64_t> c = {i[1]};
    y.at(i) = (y.at(i) - in_[3].at(c)) / std::sqrt(in_[4].at(c) + double{norm.epsilon}) * in_[1].at(c) + in_[2].at(c);
  });
  return y;
}

Array NaiveWindows::Normalised(double epsilon,
                               const std::function<std::vector<int64_t>(const std::vector<int64_t>&)>& part) const {
  Array y = in_[0];
  std::map<std::vector<int64_t>, std::vector<double>> parts;
  ForEach(y.shape, [&](const std::vector<int64_t>& i) { parts[part(i)].push_back(y.at(i)); });
  ForEach(y.shape, [&](const std::vector<int64_t>& i) {
    const std::vector<double>& values = parts.at(part(i));
    double mean = 0, variance = 0;
    for (const double v : values) mean += v / static_cast<double>(values.size());
    for (const double v : values) variance += (v - mean) * (v - mean) / static_cast<double>(values.size());
    y.at(i) = (y.at(i) - mean) / std::sqrt(variance + epsilon);
  });
  return y;
}

Array NaiveWindows::operator()(const op::LayerNormalization& norm) const {
  const auto axis = static_cast<std::ptrdiff_t>(FromFront(norm.axis, in_[0]));
  Array y = Normalised(norm.epsilon, [&](const auto& i) { return std::vector<int64_t>(i.begin(), i.begin() + axis); });
  ForEach(y.shape, [&](const std::vector<int64_t>& i) {
    const std::vector<int64_t> inner(i.begin() + axis, i.end());
    y.at(i) = y.at(i) * in_[1].at(inner) + (in_.size() == 3 ? in_[2].at(inner) : 0);
  });
  return y;
}

Array NaiveWindows::operator()(const op::GroupNormalization& norm) const {
  const int64_t per_group = in_[0].shape[1] / norm.groups;
  Array y = Normalised(norm.epsilon, [&](const auto& i) { return std::vector<int64_t>{i[0], i[1] / per_group}; });
  ForEach(y.shape, [&](const std::vector<int64_t>& i) { y.at(i) = y.at(i) * in_[1].at({i[1]}) + in_[2].at({i[1]}); });
  return y;
}

Array NaiveWindows::operator()(const op::LRN& norm) const {
  Array y = in_[0];
  ForEach(y.shape, [&](const std::vector<int64_t>& o) {
    double sum = 0;
    for (int64_t offset = -((norm.size - 1) / 2); offset <= norm.size / 2; ++offset) {
      std::vector<int64_t> i = o;
      i[1] += offset;
      if (i[1] >= 0 && i[1] < y.shape[1]) sum += in_[0].at(i) * in_[0].at(i);
    }
    y.at(o) = in_[0].at(o) / std::pow(double{norm.bias} + double{norm.alpha} / static_cast<double>(norm.size) * sum,
                                      double{norm.beta});
  });
  return y;
}

namespace {

using Resize = op::Resize;

double Coordinate(const Resize& resize, double i, double side, double size, double scale) {
  const double half = (i + 0.5) / scale - 0.5;
  switch (resize.coordinates) {
    case Resize::Coordinates::kHalfPixel:
      return half;
    case Resize::Coordinates::kHalfPixelSymmetric:
      return side / 2 - size / scale / 2 + half;
    case Resize::Coordinates::kPytorchHalfPixel:
      return size == 1 ? 0 : half;
    case Resize::Coordinates::kAlignCorners:
      return size == 1 ? 0 : i * (side - 1) / (size - 1);
    case Resize::Coordinates::kAsymmetric:
      return i / scale;
    case Resize::Coordinates::kTfHalfPixel:
      return half + 0.5;
  }
  return 0;
}

double Nearest(Resize::Rounding rounding, double at) {
  const double below = std::floor(at), part = at - below;
  const bool up = rounding == Resize::Rounding::kPreferFloor  ? part > 0.5
                  : rounding == Resize::Rounding::kPreferCeil ? part >= 0.5
                                                              : rounding == Resize::Rounding::kCeil && part > 0;
  return below + (up ? 1 : 0);
}

}  // namespace

Array NaiveWindows::operator()(const Resize& resize) const {
  Array y = in_[0];
  for (size_t axis = 1; axis < y.shape.size(); ++axis) {
    const Array from = y;
    y.shape[axis] = resize.sizes[axis - 1];
    y = Array::Zeros(y.shape);
    const auto side = static_cast<double>(from.shape[axis]), size = static_cast<double>(y.shape[axis]);
    const double scale = resize.scales.empty() ? size / side : double{resize.scales[axis - 1]};
    if (scale == 1 && size == side) {
      y = from;
      continue;
    }
    ForEach(y.shape, [&](const std::vector<int64_t>& o) {
      std::vector<int64_t> low = o, high = o;
      double at = Coordinate(resize, static_cast<double>(o[axis]), side, size, scale);
      if (resize.mode == Resize::Mode::kNearest) at = Nearest(resize.rounding, at);
      at = std::clamp(at, 0.0, side - 1);
      low[axis] = static_cast<int64_t>(at);
      high[axis] = std::min(low[axis] + 1, from.shape[axis] - 1);
      const double share = at - std::floor(at);
      y.at(o) = (1 - share) * from.at(low) + share * from.at(high);
    });
  }
  return y;
}

}  // namespace privdnn
