#include "privdnn/torch/naive_operators.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "privdnn/torch/naive_windows.h"

namespace privdnn {
namespace {

class Naive : public NaiveWindows {
 public:
  using NaiveWindows::NaiveWindows;
  using NaiveWindows::operator();

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
  Array operator()(const op::PRelu&) const {
    return Broadcast([](double a, double slope) { return a < 0 ? a * slope : a; });
  }
  Array operator()(const op::ThresholdedRelu& relu) const {
    return ForEachValue([&](double v) { return v > double{relu.alpha} ? v : 0; });
  }
  Array operator()(const op::Elu& elu) const {
    return ForEachValue([&](double v) { return v < 0 ? double{elu.alpha} * std::expm1(v) : v; });
  }
  Array operator()(const op::Selu& selu) const {
    return ForEachValue(
        [&](double v) { return double{selu.gamma} * (v < 0 ? double{selu.alpha} * std::expm1(v) : v); });
  }
  Array operator()(const op::Gelu& gelu) const {
    return ForEachValue([&](double v) {
      const double bend = std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v);
      return v / 2 * (1 + (gelu.tanh_approximation ? std::tanh(bend) : std::erf(v / std::sqrt(2.0))));
    });
  }
  Array operator()(const op::Softplus&) const {
    return ForEachValue([](double v) { return std::log1p(std::exp(v)); });
  }
  Array operator()(const op::Softsign&) const {
    return ForEachValue([](double v) { return v / (1 + std::abs(v)); });
  }
  Array operator()(const op::Erf&) const {
    return ForEachValue([](double v) { return std::erf(v); });
  }
  Array operator()(const op::Pow& pow) const {
    return ForEachValue([&](double v) { return std::pow(v, double{pow.exponent}); });
  }
  Array operator()(const op::Exp&) const {
    return ForEachValue([](double v) { return std::exp(v); });
  }
  Array operator()(const op::Log&) const {
    return ForEachValue([](double v) { return std::log(v); });
  }
  Array operator()(const op::Neg&) const {
    return ForEachValue([](double v) { return -v; });
  }
  Array operator()(const op::Abs&) const {
    return ForEachValue([](double v) { return std::abs(v); });
  }
  Array operator()(const op::Reciprocal&) const {
    return ForEachValue([](double v) { return 1 / v; });
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
    const Array &a = in_[0], &b = in_[1];
    const size_t rank = std::max(a.shape.size(), b.shape.size());
    std::vector<int64_t> shape(rank, 1);
    for (const Array* x : {&a, &b}) {
      for (size_t i = 0; i + 2 < x->shape.size(); ++i) {
        int64_t& d = shape[rank - x->shape.size() + i];
        d = std::max(d, x->shape[i]);
      }
    }
    shape[rank - 2] = a.shape[a.shape.size() - 2];
    shape[rank - 1] = b.shape.back();
    // The index of element (row, column) of the matrix that output `o` is of.
    const auto index = [](const std::vector<int64_t>& o, const Array& x, int64_t row, int64_t column) {
      std::vector<int64_t> i(o.end() - static_cast<int64_t>(x.shape.size()), o.end());
      for (size_t d = 0; d < i.size(); ++d) i[d] = x.shape[d] == 1 ? 0 : i[d];
      i[i.size() - 2] = row;
      i.back() = column;
      return i;
    };
    Array y = Array::Zeros(shape);
    ForEach(y.shape, [&](const std::vector<int64_t>& o) {
      for (int64_t k = 0; k < a.shape.back(); ++k) {
        y.at(o) += a.at(index(o, a, o[rank - 2], k)) * b.at(index(o, b, k, o[rank - 1]));
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
  Array operator()(const op::ReduceMean& r) const {
    const Array sums = Reduce(r.axes, r.keep_dims, 0, std::plus<double>());
    const double count = static_cast<double>(in_[0].values.size()) / static_cast<double>(sums.values.size());
    Array y = sums;
    for (double& v : y.values) v /= count;
    return y;
  }
  Array operator()(const op::ReduceSum& r) const { return Reduce(r.axes, r.keep_dims, 0, std::plus<double>()); }
  Array operator()(const op::ReduceMax& r) const {
    return Reduce(r.axes, r.keep_dims, -kInfinity, [](double a, double b) { return std::max(a, b); });
  }
  Array operator()(const op::ReduceMin& r) const {
    return Reduce(r.axes, r.keep_dims, kInfinity, [](double a, double b) { return std::min(a, b); });
  }
  Array Reduce(const std::vector<int64_t>& axes, bool keep_dims, double start,
               const std::function<double(double, double)>& f) const {
    std::vector<bool> reduced(in_[0].shape.size());
    for (const int64_t axis : axes) reduced[FromFront(axis, in_[0])] = true;
    std::vector<int64_t> kept, dropped;
    for (size_t i = 0; i < reduced.size(); ++i) {
      kept.push_back(reduced[i] ? 1 : in_[0].shape[i]);
      if (!reduced[i]) dropped.push_back(in_[0].shape[i]);
    }
    Array y = Array::Zeros(kept);
    std::fill(y.values.begin(), y.values.end(), start);
    ForEach(in_[0].shape, [&](std::vector<int64_t> i) {
      const double value = in_[0].at(i);
      for (size_t a = 0; a < i.size(); ++a) i[a] = reduced[a] ? 0 : i[a];
      y.at(i) = f(y.at(i), value);
    });
    if (!keep_dims) y.shape = dropped;
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
  Array operator()(const op::LogSoftmax& softmax) const {
    Array y = (*this)(op::Softmax{softmax.axis});
    for (double& v : y.values) v = std::log(v);
    return y;
  }
  Array operator()(const op::Transpose& transpose) const {
    std::vector<int64_t> shape;
    for (const int64_t from : transpose.permutation) shape.push_back(in_[0].shape[static_cast<size_t>(from)]);
    Array y = Array::Zeros(shape);
    ForEach(shape, [&](const std::vector<int64_t>& o) {
      std::vector<int64_t> i(o.size());
      for (size_t d = 0; d < o.size(); ++d) i[static_cast<size_t>(transpose.permutation[d])] = o[d];
      y.at(o) = in_[0].at(i);
    });
    return y;
  }
  Array operator()(const op::Slice& slice) const {
    const size_t axis = FromFront(slice.axis, in_[0]);
    std::vector<int64_t> shape = in_[0].shape;
    shape[axis] = 0;
    for (int64_t i = slice.start; i < slice.end; i += slice.step) ++shape[axis];
    Array y = Array::Zeros(shape);
    ForEach(shape, [&](const std::vector<int64_t>& o) {
      std::vector<int64_t> i = o;
      i[axis] = slice.start + o[axis] * slice.step;
      y.at(o) = in_[0].at(i);
    });
    return y;
  }
  Array operator()(const op::Concat& concat) const {
    const size_t axis = FromFront(concat.axis, in_[0]);
    std::vector<int64_t> shape = in_[0].shape;
    shape[axis] = 0;
    for (const Array& x : in_) {
      shape[axis] += x.shape[axis];
      shape[0] = std::max(shape[0], x.shape[0]);
    }
    Array y = Array::Zeros(shape);
    int64_t offset = 0;
    for (const Array& x : in_) {
      std::vector<int64_t> part = x.shape;
      part[0] = shape[0];
      ForEach(part, [&](const std::vector<int64_t>& o) {
        std::vector<int64_t> i = o, to = o;
        if (x.shape[0] == 1) i[0] = 0;  // a constant's, for every image
        to[axis] += offset;
        y.at(to) = x.at(i);
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
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  Array ForEachValue(const std::function<double(double)>& f) const {
    Array y = in_[0];
    for (double& v : y.values) v = f(v);
    return y;
  }
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
