#include "privdnn/torch/program.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <exception>
#include <limits>

#include "privdnn/graph/shapes.h"
#include "privdnn/torch/resize.h"

namespace privdnn {
namespace {

// Running statistics move by this much towards those of a batch, PyTorch's default.
constexpr double kBatchNormMomentum = 0.1;

bool IsSymmetric(const Window& w) { return w.pads[0] == w.pads[2] && w.pads[1] == w.pads[3]; }
std::array<int64_t, 2> SymmetricPads(const Window& w) { return {w.pads[0], w.pads[1]}; }

// LibTorch's pooling takes the same pad on both sides and at most half a kernel.
bool PoolTakesPads(const Window& w) {
  return IsSymmetric(w) && 2 * w.pads[0] <= w.kernel[0] && 2 * w.pads[1] <= w.kernel[1];
}
at::Tensor PadWindow(const at::Tensor& x, const Window& w, double value) {
  const std::array<int64_t, 4> last_dimension_first = {w.pads[1], w.pads[3], w.pads[0], w.pads[2]};
  return at::constant_pad_nd(x, last_dimension_first, value);
}

// A convolution (one group, symmetric pads, not dilated) as one product of all windows' values with the weights,
// channels last.
at::Tensor ConvByProduct(const at::Tensor& x, const at::Tensor& weight, const c10::optional<at::Tensor>& bias,
                         const Window& w) {
  const int64_t images = x.size(0), filters = weight.size(0);
  const int64_t height = (x.size(2) + 2 * w.pads[0] - w.kernel[0]) / w.strides[0] + 1;
  const int64_t width = (x.size(3) + 2 * w.pads[1] - w.kernel[1]) / w.strides[1] + 1;
  const std::array<int64_t, 6> pads = {0, 0, w.pads[1], w.pads[1], w.pads[0], w.pads[0]};
  const at::Tensor padded = at::constant_pad_nd(x.permute({0, 2, 3, 1}), pads);
  std::vector<at::Tensor> taps;
  for (int64_t row = 0; row < w.kernel[0]; ++row) {
    const at::Tensor rows = padded.slice(1, row, row + (height - 1) * w.strides[0] + 1, w.strides[0]);
    for (int64_t column = 0; column < w.kernel[1]; ++column) {
      taps.push_back(rows.slice(2, column, column + (width - 1) * w.strides[1] + 1, w.strides[1]));
    }
  }
  const at::Tensor windows = at::cat(taps, 3).reshape({images * height * width, -1});
  const at::Tensor weights = weight.permute({0, 2, 3, 1}).reshape({filters, -1});
  return at::linear(windows, weights, bias).reshape({images, height, width, filters}).permute({0, 3, 1, 2});
}

// oneDNN 2.6 computes the gradients of weights in bfloat16 with one pass over them for each image. Where weights are
// large and maps small, that is most of the time of a training: VGG16 takes 1.7 times as long without this.
constexpr int64_t kWeightsPerPosition = 50'000;
bool IsFasterByProduct(const at::Tensor& x, const at::Tensor& weight, const op::Conv& conv) {
  return at::autocast::is_cpu_enabled() && conv.groups == 1 && IsSymmetric(conv.window) &&
         conv.window.dilations == Window{}.dilations && weight.numel() >= kWeightsPerPosition * x.size(2) * x.size(3);
}

// A node with its values resolved to positions: parameters first, then graph inputs, then node outputs.
struct Step {
  std::string name;
  Op op;
  std::vector<size_t> inputs;
  size_t output = 0;
  at::Tensor indices;            // Gather only
  std::vector<Samples> samples;  // Resize only: of each dimension besides the batch
  bool fixed = false;            // BatchNormalization only: never normalises by the batch
  std::vector<size_t> expired;   // values that no later step reads
};

// Executes one operator. `x(i)` is input i. `random` is given in training.
class Kernel {
 public:
  Kernel(const Step& step, const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& values,
         const c10::optional<at::Generator>& random)
      : step_(step), parameters_(parameters), values_(values), random_(random) {}

  at::Tensor operator()(const op::Conv& conv) const {
    const c10::optional<at::Tensor> bias = arity() == 3 ? c10::optional<at::Tensor>(x(2)) : c10::nullopt;
    if (training() && IsFasterByProduct(x(0), x(1), conv)) return ConvByProduct(x(0), x(1), bias, conv.window);
    const Window& w = conv.window;
    if (IsSymmetric(w)) {
      return at::conv2d(x(0), x(1), bias, w.strides, SymmetricPads(w), w.dilations, conv.groups);
    }
    return at::conv2d(PadWindow(x(0), w, 0), x(1), bias, w.strides, kNoPads, w.dilations, conv.groups);
  }
  // LibTorch crops the same on both sides only.
  at::Tensor operator()(const op::ConvTranspose& conv) const {
    const Window& w = conv.window;
    const at::Tensor whole =
        at::conv_transpose2d(x(0), x(1), {}, w.strides, kNoPads, kNoPads, conv.groups, w.dilations);
    const std::array<int64_t, 4> crop = {-w.pads[1], conv.output_padding[1] - w.pads[3], -w.pads[0],
                                         conv.output_padding[0] - w.pads[2]};
    const at::Tensor cropped = at::constant_pad_nd(whole, crop);
    return arity() == 3 ? cropped + x(2).reshape({1, -1, 1, 1}) : cropped;
  }
  at::Tensor operator()(const op::BatchNormalization& norm) const {
    return at::batch_norm(x(0), x(1), x(2), x(3), x(4), training() && !step_.fixed, kBatchNormMomentum, norm.epsilon,
                          false);
  }
  at::Tensor operator()(const op::LayerNormalization& norm) const {
    return at::layer_norm(x(0), x(1).sizes(), x(1), arity() == 3 ? x(2) : at::Tensor(), norm.epsilon);
  }
  at::Tensor operator()(const op::GroupNormalization& norm) const {
    return at::group_norm(x(0), norm.groups, x(1), x(2), norm.epsilon);
  }
  // Means over neighbouring channels are averages over a column of the map (channels, positions).
  at::Tensor operator()(const op::LRN& norm) const {
    const int64_t before = (norm.size - 1) / 2;
    const at::Tensor squares = at::square(x(0)).reshape({x(0).size(0), 1, x(0).size(1), -1});
    const std::array<int64_t, 4> pads = {0, 0, before, norm.size - 1 - before};
    const at::Tensor means = at::avg_pool2d(at::constant_pad_nd(squares, pads), {norm.size, 1}, {1, 1});
    return x(0) / at::pow(means.reshape(x(0).sizes()) * norm.alpha + norm.bias, norm.beta);
  }
  at::Tensor operator()(const op::AveragePool& pool) const {
    const Window& w = pool.window;
    if (PoolTakesPads(w)) {
      return at::avg_pool2d(x(0), w.kernel, w.strides, SymmetricPads(w), false, pool.count_include_pad);
    }
    const at::Tensor padded = at::avg_pool2d(PadWindow(x(0), w, 0), w.kernel, w.strides);
    if (pool.count_include_pad) return padded;
    // Divided by the share of the window that lies inside.
    const at::Tensor inside = at::ones({1, 1, x(0).size(2), x(0).size(3)}, x(0).options());
    return padded / at::avg_pool2d(PadWindow(inside, w, 0), w.kernel, w.strides);
  }
  at::Tensor operator()(const op::MaxPool& pool) const {
    const Window& w = pool.window;
    if (PoolTakesPads(w)) return at::max_pool2d(x(0), w.kernel, w.strides, SymmetricPads(w), w.dilations);
    const at::Tensor padded = PadWindow(x(0), w, -std::numeric_limits<double>::infinity());
    return at::max_pool2d(padded, w.kernel, w.strides, kNoPads, w.dilations);
  }
  at::Tensor operator()(const op::Relu&) const { return at::relu(x(0)); }
  at::Tensor operator()(const op::LeakyRelu& relu) const { return at::leaky_relu(x(0), relu.alpha); }
  at::Tensor operator()(const op::PRelu&) const { return at::where(x(0) < 0, x(0) * x(1), x(0)); }
  at::Tensor operator()(const op::ThresholdedRelu& relu) const { return at::threshold(x(0), relu.alpha, 0); }
  at::Tensor operator()(const op::Elu& elu) const { return at::elu(x(0), elu.alpha); }
  at::Tensor operator()(const op::Selu& selu) const { return at::elu(x(0), selu.alpha, selu.gamma); }
  at::Tensor operator()(const op::Gelu& gelu) const {
    return at::gelu(x(0), gelu.tanh_approximation ? "tanh" : "none");
  }
  at::Tensor operator()(const op::Softplus&) const { return at::softplus(x(0)); }
  at::Tensor operator()(const op::Softsign&) const { return x(0) / (at::abs(x(0)) + 1); }
  at::Tensor operator()(const op::Erf&) const { return at::erf(x(0)); }
  at::Tensor operator()(const op::Pow& pow) const { return at::pow(x(0), pow.exponent); }
  at::Tensor operator()(const op::Exp&) const { return at::exp(x(0)); }
  at::Tensor operator()(const op::Log&) const { return at::log(x(0)); }
  at::Tensor operator()(const op::Neg&) const { return at::neg(x(0)); }
  at::Tensor operator()(const op::Abs&) const { return at::abs(x(0)); }
  at::Tensor operator()(const op::Reciprocal&) const { return at::reciprocal(x(0)); }
  at::Tensor operator()(const op::Clip& clip) const { return at::clamp(x(0), clip.min, clip.max); }
  at::Tensor operator()(const op::Sigmoid&) const { return at::sigmoid(x(0)); }
  at::Tensor operator()(const op::Tanh&) const { return at::tanh(x(0)); }
  at::Tensor operator()(const op::HardSigmoid& sigmoid) const {
    return at::clamp(at::add(at::mul(x(0), sigmoid.alpha), sigmoid.beta), 0, 1);
  }
  at::Tensor operator()(const op::HardSwish&) const { return at::hardswish(x(0)); }
  at::Tensor operator()(const op::Square&) const { return at::mul(x(0), x(0)); }
  at::Tensor operator()(const op::Flatten&) const { return at::flatten(x(0), 1); }
  at::Tensor operator()(const op::Reshape& reshape) const {
    std::vector<int64_t> shape = reshape.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0) shape[i] = x(0).size(static_cast<int64_t>(i));
    }
    return at::reshape(x(0), shape);
  }
  at::Tensor operator()(const op::Transpose& transpose) const { return x(0).permute(transpose.permutation); }
  at::Tensor operator()(const op::Slice& slice) const {
    return x(0).slice(slice.axis, slice.start, slice.end, slice.step);
  }
  at::Tensor operator()(const op::Gemm& gemm) const {
    const at::Tensor b = gemm.trans_b ? x(1).t() : x(1);
    if (arity() == 3) return at::addmm(x(2), x(0), b, gemm.beta, gemm.alpha);
    const at::Tensor product = at::mm(x(0), b);
    return gemm.alpha == 1 ? product : product * gemm.alpha;
  }
  at::Tensor operator()(const op::MatMul&) const { return at::matmul(x(0), x(1)); }
  at::Tensor operator()(const op::Add&) const { return at::add(x(0), x(1)); }
  at::Tensor operator()(const op::Sub&) const { return at::sub(x(0), x(1)); }
  at::Tensor operator()(const op::Mul&) const { return at::mul(x(0), x(1)); }
  at::Tensor operator()(const op::Div&) const { return at::div(x(0), x(1)); }
  at::Tensor operator()(const op::Max&) const { return at::maximum(x(0), x(1)); }
  at::Tensor operator()(const op::Min&) const { return at::minimum(x(0), x(1)); }
  at::Tensor operator()(const op::Sqrt&) const { return at::sqrt(x(0)); }
  at::Tensor operator()(const op::ReduceMean& mean) const { return at::mean(x(0), mean.axes, mean.keep_dims); }
  at::Tensor operator()(const op::ReduceSum& sum) const { return at::sum(x(0), sum.axes, sum.keep_dims); }
  at::Tensor operator()(const op::ReduceMax& max) const { return at::amax(x(0), max.axes, max.keep_dims); }
  at::Tensor operator()(const op::ReduceMin& min) const { return at::amin(x(0), min.axes, min.keep_dims); }
  at::Tensor operator()(const op::LogSoftmax& softmax) const { return at::log_softmax(x(0), softmax.axis); }
  at::Tensor operator()(const op::Softmax& softmax) const { return at::softmax(x(0), softmax.axis); }
  at::Tensor operator()(const op::Concat& concat) const {
    std::vector<at::Tensor> parts;
    int64_t images = 1;
    for (size_t i = 0; i < arity(); ++i) images = std::max(images, x(i).size(0));
    for (size_t i = 0; i < arity(); ++i) {
      std::vector<int64_t> shape = x(i).sizes().vec();
      shape[0] = images;  // every image gets a constant's
      parts.push_back(x(i).expand(shape));
    }
    return at::cat(parts, concat.axis);
  }
  at::Tensor operator()(const op::Gather& gather) const { return at::index_select(x(0), gather.axis, step_.indices); }
  at::Tensor operator()(const op::Resize&) const {
    at::Tensor y = x(0);
    for (size_t i = 0; i < step_.samples.size(); ++i) y = Sample(y, static_cast<int64_t>(i) + 1, step_.samples[i]);
    return y;
  }
  at::Tensor operator()(const op::Pad& pad) const {
    std::vector<int64_t> last_dimension_first;
    for (size_t i = pad.pads.size() / 2; i-- > 0;) {
      last_dimension_first.push_back(pad.pads[i]);
      last_dimension_first.push_back(pad.pads[i + pad.pads.size() / 2]);
    }
    return at::constant_pad_nd(x(0), last_dimension_first, pad.value);
  }
  at::Tensor operator()(const op::FakeQuantize& quantize) const {
    const auto zero = static_cast<double>(quantize.zero_point);
    const double min = static_cast<double>(quantize.min()) - zero, max = static_cast<double>(quantize.max()) - zero;
    const at::Tensor quantized = at::clamp(at::round(at::div(x(0), quantize.scale)), min, max) * quantize.scale;
    if (!x(0).requires_grad()) return quantized;
    // Rounding has no gradient: it counts as the identity.
    const at::Tensor clamped = at::clamp(x(0), min * quantize.scale, max * quantize.scale);
    return clamped + at::sub(quantized, clamped).detach();
  }
  at::Tensor operator()(const op::Dropout& dropout) const {
    if (!training() || dropout.ratio == 0) return x(0);
    const double keep = 1 - double{dropout.ratio};
    return x(0) * at::empty_like(x(0)).bernoulli_(keep, *random_).div_(keep);
  }

 private:
  static constexpr std::array<int64_t, 2> kNoPads = {0, 0};

  // Points of a dimension, or averages of two neighbours.
  static at::Tensor Sample(const at::Tensor& x, int64_t axis, const Samples& samples) {
    const auto take = [&](const std::vector<int64_t>& at) { return x.index_select(axis, at::tensor(at, at::kLong)); };
    if (samples.low.empty()) return x;
    if (samples.share.empty()) return take(samples.low);
    std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
    shape[static_cast<size_t>(axis)] = -1;
    const at::Tensor low = take(samples.low), share = at::tensor(samples.share, at::kFloat).reshape(shape);
    return low + (take(samples.high) - low) * share;
  }

  bool training() const { return random_.has_value(); }
  size_t arity() const { return step_.inputs.size(); }
  const at::Tensor& x(size_t i) const {
    const size_t position = step_.inputs[i];
    return position < parameters_.size() ? parameters_[position] : values_[position - parameters_.size()];
  }

  const Step& step_;
  const std::vector<at::Tensor>& parameters_;
  const std::vector<at::Tensor>& values_;
  const c10::optional<at::Generator>& random_;
};

at::Tensor GatherIndices(const op::Gather& gather, int64_t extent) {
  at::Tensor indices = at::empty({static_cast<int64_t>(gather.indices.size())}, at::kLong);
  std::transform(gather.indices.begin(), gather.indices.end(), indices.data_ptr<int64_t>(),
                 [extent](int64_t i) { return i < 0 ? i + extent : i; });
  return indices;
}

}  // namespace

struct Program::Impl {
  std::vector<std::string> parameter_names;
  std::vector<Step> steps;
  std::vector<size_t> outputs;
};

Program::Program(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;
Program::~Program() = default;

const std::vector<std::string>& Program::parameter_names() const { return impl_->parameter_names; }

absl::StatusOr<Program> Program::Compile(const Graph& graph, const std::set<std::string>& fixed) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  auto impl = std::make_unique<Impl>();
  std::map<std::string, size_t> positions;
  for (const auto& [name, tensor] : graph.initializers) {
    positions.emplace(name, positions.size());
    impl->parameter_names.push_back(name);
  }
  for (const ValueInfo& input : graph.inputs) positions.emplace(input.name, positions.size());
  std::map<size_t, size_t> last_reader;  // value -> step
  for (const Node& node : graph.nodes) {
    Step step{node.name, node.op, {}, positions.size(), {}, {}, false, {}};
    if (std::holds_alternative<op::BatchNormalization>(node.op)) {
      step.fixed = fixed.contains(node.inputs[3]) && fixed.contains(node.inputs[4]);
    }
    for (const std::string& input : node.inputs) {
      step.inputs.push_back(positions.at(input));
      last_reader[positions.at(input)] = impl->steps.size();
    }
    if (const auto* gather = std::get_if<op::Gather>(&node.op)) {
      const auto& shape = shapes.at(node.inputs[0]);
      PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(gather->axis, shape.size()));
      step.indices = GatherIndices(*gather, shape[axis]);
    }
    if (const auto* resize = std::get_if<op::Resize>(&node.op)) {
      const auto& shape = shapes.at(node.inputs[0]);
      for (size_t i = 0; i < resize->sizes.size(); ++i) step.samples.push_back(SamplesOf(*resize, i, shape[i + 1]));
    }
    positions.emplace(node.output, step.output);
    impl->steps.push_back(std::move(step));
  }
  for (const ValueInfo& output : graph.outputs) {
    impl->outputs.push_back(positions.at(output.name));
    last_reader.erase(positions.at(output.name));
  }
  for (const auto& [value, step] : last_reader) {
    if (value >= impl->parameter_names.size()) impl->steps[step].expired.push_back(value);
  }
  return Program(std::move(impl));
}

absl::StatusOr<std::vector<at::Tensor>> Program::Run(const std::vector<at::Tensor>& parameters,
                                                     std::vector<at::Tensor> inputs,
                                                     std::optional<uint64_t> training_seed) const {
  const size_t offset = parameters.size();
  std::vector<at::Tensor> values = std::move(inputs);
  values.resize(values.size() + impl_->steps.size());
  const Step* current = nullptr;
  try {
    c10::optional<at::Generator> random;
    if (training_seed.has_value()) random = at::detail::createCPUGenerator(*training_seed);
    for (const Step& step : impl_->steps) {
      current = &step;
      values[step.output - offset] = std::visit(Kernel(step, parameters, values, random), step.op);
      for (const size_t expired : step.expired) values[expired - offset].reset();
    }
  } catch (const std::exception& e) {
    // LibTorch throws c10::Error, but also std::runtime_error and std::bad_alloc.
    return NodeError(current->name, OpName(current->op), absl::InternalError(e.what()));
  }
  std::vector<at::Tensor> outputs;
  for (const size_t output : impl_->outputs) outputs.push_back(values[output - offset]);
  return outputs;
}

at::Tensor ToTorch(const Tensor& tensor) {
  at::Tensor result = at::empty(tensor.shape, at::kFloat);
  std::copy(tensor.values.begin(), tensor.values.end(), result.data_ptr<float>());
  return result;
}

Tensor FromTorch(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  const float* data = contiguous.data_ptr<float>();
  return {contiguous.sizes().vec(), std::vector<float>(data, data + contiguous.numel())};
}

}  // namespace privdnn
