#include "lifting/lift.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "rlwe/parameters.h"

namespace privdnn {
namespace {

using nn::Graph;
using nn::Node;
using nn::QuadraticSegment;
using nn::Tensor;

// A convolution with everything affine that follows it folded in: weights [outputs][inputs][kernel], in doubles.
struct Affine {
  int64_t outputs, inputs;
  Size2 kernel, stride;
  Pads pads;
  std::vector<double> weights, bias;
  Size2 pool{1, 1}, pool_stride{1, 1};

  double weight(int64_t o, int64_t i, uint32_t a, uint32_t b) const {
    return weights[static_cast<size_t>(((o * inputs + i) * kernel.h + a) * kernel.w + b)];
  }
};

Size2 ToSize(const std::array<int64_t, 2>& v) { return {static_cast<uint32_t>(v[0]), static_cast<uint32_t>(v[1])}; }

// y = gamma (x - mean)/sqrt(var + eps) + beta
void FoldBatchNorm(const Graph& graph, const Node& node, Affine& affine) {
  const auto& gamma = graph.initializers.at(node.inputs[1]).values;
  const auto& beta = graph.initializers.at(node.inputs[2]).values;
  const auto& mean = graph.initializers.at(node.inputs[3]).values;
  const auto& variance = graph.initializers.at(node.inputs[4]).values;
  const double epsilon = std::get<nn::BatchNormalization>(node.op).epsilon;
  const size_t per_output = affine.weights.size() / static_cast<size_t>(affine.outputs);
  for (size_t o = 0; o < static_cast<size_t>(affine.outputs); ++o) {
    const double factor = gamma[o] / std::sqrt(variance[o] + epsilon);
    for (size_t i = 0; i < per_output; ++i) affine.weights[o * per_output + i] *= factor;
    affine.bias[o] = (affine.bias[o] - mean[o]) * factor + beta[o];
  }
}

Affine FoldAffine(const Graph& graph, size_t conv, std::optional<size_t> bn, std::optional<size_t> pool) {
  const Node& node = graph.nodes[conv];
  const auto& window = std::get<nn::Conv>(node.op).window;
  const Tensor& w = graph.initializers.at(node.inputs[1]);
  Affine affine;
  affine.outputs = w.dim(0);
  affine.inputs = w.dim(1);
  affine.kernel = ToSize(window.kernel);
  affine.stride = ToSize(window.strides);
  affine.pads = {static_cast<uint32_t>(window.pads[0]), static_cast<uint32_t>(window.pads[1]),
                 static_cast<uint32_t>(window.pads[2]), static_cast<uint32_t>(window.pads[3])};
  affine.weights.assign(w.values.begin(), w.values.end());
  affine.bias.assign(static_cast<size_t>(affine.outputs), 0.0);
  if (node.inputs.size() > 2) {
    const auto& b = graph.initializers.at(node.inputs[2]).values;
    affine.bias.assign(b.begin(), b.end());
  }
  if (bn) FoldBatchNorm(graph, graph.nodes[*bn], affine);
  if (pool) {
    const auto& p = std::get<nn::AveragePool>(graph.nodes[*pool].op).window;
    affine.pool = ToSize(p.kernel);
    affine.pool_stride = ToSize(p.strides);
  }
  return affine;
}

absl::Status CheckOptions(const LiftOptions& options) {
  if (options.input_bits < 2 || options.input_bits > 15) {
    return InvalidArgument("input bits are {}, must be 2 to 15", options.input_bits);
  }
  if (options.kernel_bits < 2 || options.kernel_bits > 24) {
    return InvalidArgument("kernel bits are {}, must be 2 to 24", options.kernel_bits);
  }
  if (!(options.input_min < options.input_max) || !std::isfinite(options.input_max - options.input_min)) {
    return InvalidArgument("input range is {} to {}, must be ascending and finite", options.input_min,
                           options.input_max);
  }
  return absl::OkStatus();
}

SegmentSpec MakeSpec(const QuadraticSegment& segment, const Affine& first, const Affine& second, size_t outputs,
                     const LiftOptions& options) {
  SegmentSpec spec;
  spec.channels = static_cast<uint32_t>(segment.input_shape[0]);
  spec.input = {static_cast<uint32_t>(segment.input_shape[1]), static_cast<uint32_t>(segment.input_shape[2])};
  spec.kernel1 = first.kernel;
  spec.stride1 = first.stride;
  spec.pads1 = first.pads;
  spec.pool1 = first.pool;
  spec.pool1_stride = first.pool_stride;
  spec.kernel2 = second.kernel;
  spec.stride2 = second.stride;
  spec.pads2 = second.pads;
  spec.pool2 = second.pool;
  spec.pool2_stride = second.pool_stride;
  spec.outputs = static_cast<uint32_t>(outputs);
  // Zero padding must be representable, so 0 belongs to the range.
  const double low = std::min(options.input_min, 0.0), high = std::max(options.input_max, 0.0);
  const int32_t z_max = (1 << (options.input_bits - 1)) - 1;
  spec.input_bits = options.input_bits;
  spec.input_scale = (high - low) / (2.0 * z_max);
  spec.zero_point = static_cast<int32_t>(std::lround(-low / spec.input_scale)) - z_max;
  return spec;
}

// M_c[d]: coefficients of (<w_c, x> + b_c)^2 in the features of Geometry, x = (z - zero_point) * input_scale.
std::vector<double> SquareCoefficients(const Geometry& g, const Affine& first, int64_t c) {
  const uint32_t k = g.window();
  const double scale = g.spec().input_scale;
  std::vector<double> w(k);
  double sum = 0;
  for (uint32_t i = 0; i < k; ++i) {
    w[i] = first.weights[static_cast<size_t>(c) * k + i] * scale;
    sum += w[i];
  }
  const double b = first.bias[static_cast<size_t>(c)] - g.spec().zero_point * sum;
  std::vector<double> m(g.features());
  for (uint32_t d = 0; d < g.products(); ++d) {
    const auto [i, j] = g.pair(d);
    m[d] = (i == j ? 1 : 2) * w[i] * w[j];
  }
  for (uint32_t i = 0; i < k; ++i) m[g.products() + i] = std::ldexp(2 * w[i] * b, -static_cast<int>(g.linear_shift()));
  m[g.products() + k] = std::ldexp(b * b, -static_cast<int>(g.constant_shift()));
  return m;
}

// r_{f,c,t} with the average pool behind layer 2 folded in: [c][kernel.h][kernel.w].
std::vector<double> FoldedKernel(const Geometry& g, const Affine& second, int64_t f) {
  const Size2 k = g.kernel();
  std::vector<double> r(static_cast<size_t>(second.inputs) * k.h * k.w);
  const double share = 1.0 / (second.pool.h * second.pool.w);
  for (int64_t c = 0; c < second.inputs; ++c) {
    for (uint32_t i = 0; i < second.pool.h; ++i) {
      for (uint32_t j = 0; j < second.pool.w; ++j) {
        for (uint32_t a = 0; a < second.kernel.h; ++a) {
          for (uint32_t b = 0; b < second.kernel.w; ++b) {
            const size_t row = static_cast<size_t>(c) * k.h + a + i * second.stride.h;
            r[row * k.w + b + j * second.stride.w] += share * second.weight(f, c, a, b);
          }
        }
      }
    }
  }
  return r;
}

// Rounds one real kernel [d][tap] to kernel_bits and its bias to the same scale.
absl::Status QuantizeKernel(const Geometry& g, const std::vector<double>& real, double bias, const LiftOptions& options,
                            QuantizedSegment& out) {
  double largest = 0;
  for (const double a : real) largest = std::max(largest, std::fabs(a));
  const double top = static_cast<double>((1 << (options.kernel_bits - 1)) - 1);
  // A kernel of zeros keeps a scale for its bias.
  const double scale = largest > 0 ? largest / top : std::max(std::fabs(bias), 1.0) / top;
  if (!std::isnormal(scale)) {
    return InvalidArgument("neuron {}: its largest coefficient, {}, can't be scaled to {} bits",
                           out.neurons[out.kernels.size()], largest, options.kernel_bits);
  }
  std::vector<int32_t> kernel(real.size());
  __extension__ unsigned __int128 bound = 0;  // exact: the plaintext modulus depends on it
  for (size_t i = 0; i < real.size(); ++i) {
    kernel[i] = static_cast<int32_t>(std::lround(real[i] / scale));
    bound += static_cast<uint64_t>(std::abs(kernel[i])) *
             static_cast<uint64_t>(g.max_abs_feature(static_cast<uint32_t>(i / g.taps())));
  }
  const double whole_bias = std::round(bias / scale);
  if (std::fabs(whole_bias) < 0x1p59) bound += static_cast<uint64_t>(std::fabs(whole_bias));
  if (!(std::fabs(whole_bias) < 0x1p59) || bound >= uint64_t{1} << 59) {
    return InvalidArgument(
        "neuron {}: outputs may reach 2^{:.1f}, more than the 2^59 that fit; use fewer kernel bits ({}) or input bits "
        "({})",
        out.neurons[out.kernels.size()], std::log2(static_cast<double>(bound) + std::fabs(whole_bias)),
        options.kernel_bits, options.input_bits);
  }
  out.kernels.push_back(std::move(kernel));
  out.bias.push_back(static_cast<int64_t>(whole_bias));
  out.output_scale.push_back(scale);
  out.worst_case = std::max(out.worst_case, static_cast<int64_t>(bound));
  return absl::OkStatus();
}

}  // namespace

int QuantizedSegment::plain_bits() const {
  int l = 2;
  while ((int64_t{1} << (l - 1)) <= worst_case) ++l;
  return l;
}

absl::StatusOr<QuantizedSegment> LiftSegment(const Graph& graph, const QuadraticSegment& segment,
                                             const nn::Selection& selection, const LiftOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(options));
  PRIVDNN_RETURN_IF_ERROR(nn::CheckSelection(segment, selection));
  if (const Node* before = graph.Producer(segment.input)) {
    return InvalidArgument(
        "the quadratic segment reads '{}', which node '{}' computes; only segments that read the network's input can "
        "be lifted",
        segment.input, before->name);
  }
  const Affine first = FoldAffine(graph, segment.conv1, segment.bn1, segment.pool1);
  const Affine second = FoldAffine(graph, segment.conv2, segment.bn2, segment.pool2);
  QuantizedSegment out;
  out.spec = MakeSpec(segment, first, second, selection.layer2.size(), options);
  out.neurons = selection.layer2;
  // The kernels don't depend on the ring's degree, so the largest gives their shapes. What doesn't fit it can't be
  // packed, and a few bytes of model could ask for any amount of memory here.
  PRIVDNN_ASSIGN_OR_RETURN(const Geometry g, Geometry::Create(out.spec, std::rbegin(kSecurityTable)->n));
  if (g.terms() >= kMaxTerms) {
    return InvalidArgument("segment: {} features take {} polynomials a kernel, at most {} can be evaluated",
                           g.features(), g.terms(), kMaxTerms - 1);
  }

  std::vector<std::vector<double>> squares;
  for (int64_t c = 0; c < first.outputs; ++c) squares.push_back(SquareCoefficients(g, first, c));
  for (const int64_t f : selection.layer2) {
    const std::vector<double> r = FoldedKernel(g, second, f);
    std::vector<double> real(static_cast<size_t>(g.features()) * g.taps());
    for (size_t c = 0; c < squares.size(); ++c) {
      for (uint32_t d = 0; d < g.features(); ++d) {
        for (uint32_t t = 0; t < g.taps(); ++t) real[d * g.taps() + t] += r[c * g.taps() + t] * squares[c][d];
      }
    }
    PRIVDNN_RETURN_IF_ERROR(QuantizeKernel(g, real, second.bias[static_cast<size_t>(f)], options, out));
  }
  return out;
}

std::vector<int16_t> QuantizeInput(const Geometry& g, std::span<const float> image) {
  const SegmentSpec& s = g.spec();
  const Size2 z = g.z_map();
  std::vector<int16_t> out;
  out.reserve(static_cast<size_t>(s.channels) * z.h * z.w);
  // x at padded coordinates
  const auto pixel = [&](uint32_t c, uint32_t row, uint32_t column) -> double {
    const int64_t i = int64_t{row} - s.pads1.top, j = int64_t{column} - s.pads1.left;
    if (i < 0 || j < 0 || i >= s.input.h || j >= s.input.w) return 0;
    return static_cast<double>(
        image[(static_cast<size_t>(c) * s.input.h + static_cast<size_t>(i)) * s.input.w + static_cast<size_t>(j)]);
  };
  const double inverse = 1.0 / (s.input_scale * s.pool1.h * s.pool1.w);
  for (uint32_t c = 0; c < s.channels; ++c) {
    for (uint32_t a = 0; a < z.h; ++a) {
      for (uint32_t b = 0; b < z.w; ++b) {
        double sum = 0;
        for (uint32_t i = 0; i < s.pool1.h; ++i) {
          for (uint32_t j = 0; j < s.pool1.w; ++j) sum += pixel(c, a + i * s.stride1.h, b + j * s.stride1.w);
        }
        const double v = std::nearbyint(sum * inverse) + s.zero_point, z_max = g.z_max();
        // Written so that a NaN falls to -z_max, which std::clamp leaves a NaN.
        out.push_back(static_cast<int16_t>(v > -z_max ? std::min(v, z_max) : -z_max));
      }
    }
  }
  return out;
}

}  // namespace privdnn
