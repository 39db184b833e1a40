#include "privdnn/torch/naive_operators.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace privdnn {
namespace {

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
void ForEach(const std::vector<int64_t>& shape, const std::function<void(const std::vector<int64_t>&)>& f) {
  std::vector<int64_t> index(shape.size(), 0);
  for (;;) {
    f(index);
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

size_t FromFront(int64_t axis, const Array& x) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(x.shape.size()) : axis);
}

class Naive {
 public:
  explicit Naive(std::vector<Array> inputs) : in_(std::move(inputs)) {}

  Array operator()(const op::Conv& conv) const {
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
  Array operator()(const op::AveragePool& pool) const {
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
  Array operator()(const op::MaxPool& pool) const {
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
  Array operator()(const op::BatchNormalization& norm) const {
    Array y = in_[0];
    ForEach(y.shape, [&](const std::vector<int64_t>& i) {
      const std::vector<int64_t> c = {i[1]};
      y.at(i) = (y.at(i) - in_[3].at(c)) / std::sqrt(in_[4].at(c) + double{norm.epsilon}) * in_[1].at(c) + in_[2].at(c);
    });
    return y;
  }
  Array operator()(const op::Relu&) const {
    Array y = in_[0];
    for (double& v : y.values) v = std::max(v, 0.0);
    return y;
  }
  Array operator()(const op::LeakyRelu& relu) const {
    return ForEachValue([&](double v) { return v < 0 ? double{relu.alpha} * v : v; });
  }
  Array operator()(const op::Clip& clip) const {
    return ForEachValue([&](double v) { return std::min(std::max(v, double{clip.min}), double{clip.max}); });
  }
  Array operator()(const op::Sigmoid&) const {
    return ForEachValue([](double v) { return 1 / (1 + std::exp(-v)); });
  }
  Array operator()(const op::Tanh&) const {
    return ForEachValue([](double v) { return std::tanh(v); });
  }
  Array operator()(const op::HardSigmoid& sigmoid) const {
    return ForEachValue(
        [&](double v) { return std::min(std::max(double{sigmoid.alpha} * v + double{sigmoid.beta}, 0.0), 1.0); });
  }
  Array operator()(const op::HardSwish&) const {
    return ForEachValue([](double v) { return v * std::min(std::max(v / 6 + 0.5, 0.0), 1.0); });
  }
  Array operator()(const op::Dropout&) const { return in_[0]; }
  Array operator()(const op::FakeQuantize& quantize) const {
    return ForEachValue([&](double v) {
      const auto integer = static_cast<int64_t>(std::nearbyint(static_cast<float>(v) / quantize.scale));
      const int64_t clamped = std::clamp(integer + quantize.zero_point, quantize.min(), quantize.max());
      return static_cast<double>(clamped - quantize.zero_point) * double{quantize.scale};
    });
  }
  Array operator()(const op::Square&) const {
    Array y = in_[0];
    for (double& v : y.values) v *= v;
    return y;
  }
  Array operator()(const op::Flatten&) const {
    return {{in_[0].shape[0], static_cast<int64_t>(in_[0].values.size()) / in_[0].shape[0]}, in_[0].values};
  }
  Array operator()(const op::Reshape& reshape) const {
    Array y{reshape.shape, in_[0].values};
    int64_t known = 1;
    for (size_t i = 0; i < y.shape.size(); ++i) {
      if (y.shape[i] == 0) y.shape[i] = in_[0].shape[i];
      if (y.shape[i] > 0) known *= y.shape[i];
    }
    std::replace(y.shape.begin(), y.shape.end(), int64_t{-1}, static_cast<int64_t>(y.values.size()) / known);
    return y;
  }
  Array operator()(const op::Gemm& gemm) const {
    const Array& b = in_[1];
    Array y = Array::Zeros({in_[0].shape[0], b.shape[gemm.trans_b ? 0 : 1]});
    ForEach(y.shape, [&](const std::vector<int64_t>& o) {
      double sum = 0;
      for (int64_t k = 0; k < in_[0].shape[1]; ++k) {
        sum += in_[0].at({o[0], k}) * (gemm.trans_b ? b.at({o[1], k}) : b.at({k, o[1]}));
      }
      const double c = in_.size() < 3 ? 0 : in_[2].values[in_[2].values.size() == 1 ? 0 : static_cast<size_t>(o[1])];
      y.at(o) = double{gemm.alpha} * sum + double{gemm.beta} * c;
    });
    return y;
  }
  Array operator()(const op::MatMul&) const {
    Array y = in_[0];
    y.shape.back() = in_[1].shape[1];
    y = Array::Zeros(y.shape);
    ForEach(y.shape, [&](const std::vector<int64_t>& o) {
      std::vector<int64_t> row = o;
      for (int64_t k = 0; k < in_[1].shape[0]; ++k) {
        row.back() = k;
        y.at(o) += in_[0].at(row) * in_[1].at({k, o.back()});
      }
    });
    return y;
  }
  Array operator()(const op::Add&) const { return Broadcast(std::plus<double>()); }
  Array operator()(const op::Sub&) const { return Broadcast(std::minus<double>()); }
  Array operator()(const op::Mul&) const { return Broadcast(std::multiplies<double>()); }
  Array operator()(const op::Div&) const { return Broadcast(std::divides<double>()); }
  Array operator()(const op::Max&) const {
    return Broadcast([](double a, double b) { return std::max(a, b); });
  }
  Array operator()(const op::Min&) const {
    return Broadcast([](double a, double b) { return std::min(a, b); });
  }
  Array operator()(const op::Sqrt&) const {
    return ForEachValue([](double v) { return std::sqrt(v); });
  }
  Array operator()(const op::ReduceMean& mean) const {
    std::vector<bool> reduced(in_[0].shape.size());
    for (const int64_t axis : mean.axes) reduced[FromFront(axis, in_[0])] = true;
    std::vector<int64_t> kept, dropped;
    double count = 1;
    for (size_t i = 0; i < reduced.size(); ++i) {
      kept.push_back(reduced[i] ? 1 : in_[0].shape[i]);
      if (!reduced[i]) dropped.push_back(in_[0].shape[i]);
      if (reduced[i]) count *= static_cast<double>(in_[0].shape[i]);
    }
    Array y = Array::Zeros(kept);
    ForEach(in_[0].shape, [&](std::vector<int64_t> i) {
      const double value = in_[0].at(i);
      for (size_t a = 0; a < i.size(); ++a) i[a] = reduced[a] ? 0 : i[a];
      y.at(i) += value / count;
    });
    if (!mean.keep_dims) y.shape = dropped;
    return y;
  }
  Array Broadcast(const std::function<double(double, double)>& f) const {
    const size_t rank = std::max(in_[0].shape.size(), in_[1].shape.size());
    std::vector<int64_t> shape(rank, 1);
    for (const Array& x : in_) {
      for (size_t i = 0; i < x.shape.size(); ++i) {
        int64_t& d = shape[rank - x.shape.size() + i];
        d = std::max(d, x.shape[i]);
      }
    }
    Array y = Array::Zeros(shape);
    ForEach(shape, [&](const std::vector<int64_t>& o) {
      std::vector<double> operands;
      for (const Array& x : in_) {
        std::vector<int64_t> i(o.end() - static_cast<int64_t>(x.shape.size()), o.end());
        for (size_t a = 0; a < i.size(); ++a) i[a] = x.shape[a] == 1 ? 0 : i[a];
        operands.push_back(x.at(i));
      }
      y.at(o) = f(operands[0], operands[1]);
    });
    return y;
  }
  Array operator()(const op::Softmax& softmax) const {
    const size_t axis = FromFront(softmax.axis, in_[0]);
    Array y = in_[0];
    ForEach(y.shape, [&](const std::vector<int64_t>& o) {
      double sum = 0;
      std::vector<int64_t> i = o;
      for (i[axis] = 0; i[axis] < y.shape[axis]; ++i[axis]) sum += std::exp(in_[0].at(i));
      y.at(o) = std::exp(in_[0].at(o)) / sum;
    });
    return y;
  }
  Array operator()(const op::Concat& concat) const {
    const size_t axis = FromFront(concat.axis, in_[0]);
    std::vector<int64_t> shape = in_[0].shape;
    shape[axis] = 0;
    for (const Array& x : in_) shape[axis] += x.shape[axis];
    Array y = Array::Zeros(shape);
    int64_t offset = 0;
    for (const Array& x : in_) {
      ForEach(x.shape, [&](const std::vector<int64_t>& i) {
        std::vector<int64_t> o = i;
        o[axis] += offset;
        y.at(o) = x.at(i);
      });
      offset += x.shape[axis];
    }
    return y;
  }
  Array operator()(const op::Gather& gather) const {
    const size_t axis = FromFront(gather.axis, in_[0]);
    std::vector<int64_t> shape = in_[0].shape;
    shape[axis] = static_cast<int64_t>(gather.indices.size());
    Array y = Array::Zeros(shape);
    ForEach(shape, [&](const std::vector<int64_t>& o) {
      std::vector<int64_t> i = o;
      i[axis] = gather.indices[static_cast<size_t>(o[axis])];
      if (i[axis] < 0) i[axis] += in_[0].shape[axis];
      y.at(o) = in_[0].at(i);
    });
    return y;
  }

  Array operator()(const op::Pad& pad) const {
    std::vector<int64_t> shape = in_[0].shape;
    const size_t rank = shape.size();
    for (size_t i = 0; i < pad.pads.size(); ++i) shape[i % rank] += pad.pads[i];
    Array y = Array::Zeros(shape);
    std::fill(y.values.begin(), y.values.end(), double{pad.value});
    ForEach(in_[0].shape, [&](std::vector<int64_t> i) {
      const double value = in_[0].at(i);
      for (size_t a = 0; a < rank; ++a) i[a] += pad.pads[a];
      y.at(i) = value;
    });
    return y;
  }

 private:
  Array ForEachValue(const std::function<double(double)>& f) const {
    Array y = in_[0];
    for (double& v : y.values) v = f(v);
    return y;
  }
  Array WindowOutput(const Window& w, int64_t channels) const {
    const auto side = [&](size_t i) {
      return (in_[0].shape[i + 2] + w.pads[i] + w.pads[i + 2] - w.kernel[i]) / w.strides[i] + 1;
    };
    return Array::Zeros({in_[0].shape[0], channels, side(0), side(1)});
  }
  // f(kernel row, kernel column, input row, input column) for output position `o`.
  static void ForEachTap(const Window& w, const std::vector<int64_t>& o,
                         const std::function<void(int64_t, int64_t, int64_t, int64_t)>& f) {
    for (int64_t i = 0; i < w.kernel[0]; ++i) {
      for (int64_t j = 0; j < w.kernel[1]; ++j) {
        f(i, j, o[2] * w.strides[0] + i - w.pads[0], o[3] * w.strides[1] + j - w.pads[1]);
      }
    }
  }
  bool Inside(int64_t h, int64_t v) const { return h >= 0 && h < in_[0].shape[2] && v >= 0 && v < in_[0].shape[3]; }

  std::vector<Array> in_;
};

Array ToArray(const Tensor& tensor) { return {tensor.shape, {tensor.values.begin(), tensor.values.end()}}; }

}  // namespace

Tensor RunNaively(const Graph& graph, const Tensor& input) {
  std::map<std::string, Array> values;
  for (const auto& [name, tensor] : graph.initializers) values[name] = ToArray(tensor);
  values[graph.inputs.at(0).name] = ToArray(input);
  for (const Node& node : graph.nodes) {
    std::vector<Array> inputs;
    for (const std::string& name : node.inputs) inputs.push_back(values.at(name));
    values[node.output] = std::visit(Naive(std::move(inputs)), node.op);
  }
  const Array& output = values.at(graph.outputs.at(0).name);
  return {output.shape, {output.values.begin(), output.values.end()}};
}

}  // namespace privdnn
