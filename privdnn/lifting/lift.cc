#include "privdnn/lifting/lift.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "privdnn/lifting/folded_kernel.h"
#include "privdnn/rlwe/parameters.h"

namespace privdnn {
namespace {

Size2 ToSize(const std::array<int64_t, 2>& v) { return {static_cast<uint32_t>(v[0]), static_cast<uint32_t>(v[1])}; }

Pads ToPads(const std::array<int64_t, 4>& v) {
  return {static_cast<uint32_t>(v[0]), static_cast<uint32_t>(v[1]), static_cast<uint32_t>(v[2]),
          static_cast<uint32_t>(v[3])};
}

// Height and width of a {C, H, W}.
Size2 MapOf(const std::vector<int64_t>& shape) { return ToSize({shape[1], shape[2]}); }

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

SegmentSpec MakeSpec(const Segment& segment, const LiftOptions& options) {
  const FoldedLayer& layer = segment.layer;
  SegmentSpec spec;
  spec.channels = static_cast<uint32_t>(segment.input_shape[0]);
  spec.input = MapOf(segment.input_shape);
  if (!segment.first) {
    spec.kind = SegmentKind::kLinear;
    spec.pads1 = ToPads(layer.window.pads);
  } else {
    spec.kind = SegmentKind::kQuadratic;
    spec.kernel1 = ToSize(segment.first->window.kernel);
    spec.stride1 = ToSize(segment.first->window.strides);
    spec.pads1 = ToPads(segment.first->window.pads);
    spec.pool1 = ToSize(segment.first->pool.kernel);
    spec.pool1_stride = ToSize(segment.first->pool.strides);
    spec.pads2 = ToPads(layer.window.pads);
  }
  // The average pool behind the layer widens its kernel and its stride.
  const Size2 kernel = ToSize(layer.window.kernel), stride = ToSize(layer.window.strides),
              pool = ToSize(layer.pool.kernel);
  const Size2 pool_stride = ToSize(layer.pool.strides);
  spec.groups.push_back({static_cast<uint32_t>(segment.neurons.size()),
                         {kernel.h + stride.h * (pool.h - 1), kernel.w + stride.w * (pool.w - 1)},
                         {stride.h * pool_stride.h, stride.w * pool_stride.w},
                         {0, 0},
                         MapOf(segment.output_shape)});
  if (!segment.shortcut.empty()) {
    spec.groups.push_back({static_cast<uint32_t>(segment.shortcut.size()),
                           {1, 1},
                           {1, 1},
                           {spec.pads2.top, spec.pads2.left},
                           MapOf(segment.square_shape)});
  }
  // Zero padding must be representable, so 0 belongs to the range.
  const double low = std::min(options.input_min, 0.0), high = std::max(options.input_max, 0.0);
  const int32_t z_max = (1 << (options.input_bits - 1)) - 1;
  spec.input_bits = options.input_bits;
  spec.input_scale = (high - low) / (2.0 * z_max);
  spec.zero_point = static_cast<int32_t>(std::lround(-low / spec.input_scale)) - z_max;
  return spec;
}

// M_c[d]: coefficients of (<w_c, x> + b_c)^2 in the features of Geometry, x = (z - zero_point) * input_scale.
std::vector<double> SquareCoefficients(const Geometry& g, const FoldedLayer& first, int64_t c) {
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

}  // namespace

std::vector<double> FoldedKernel(const Geometry& g, const FoldedLayer& layer, int64_t f) {
  const Size2 k = g.spec().groups[0].kernel;
  const Size2 inner = ToSize(layer.window.kernel), stride = ToSize(layer.window.strides),
              pool = ToSize(layer.pool.kernel);
  std::vector<double> r(static_cast<size_t>(layer.inputs) * k.area());
  const double share = 1.0 / static_cast<double>(pool.area());
  const double* weights = layer.weights.data() + static_cast<size_t>(f * layer.inputs) * inner.area();
  for (int64_t c = 0; c < layer.inputs; ++c) {
    for (uint32_t i = 0; i < pool.h; ++i) {
      for (uint32_t j = 0; j < pool.w; ++j) {
        for (uint32_t a = 0; a < inner.h; ++a) {
          for (uint32_t b = 0; b < inner.w; ++b) {
            const size_t row = static_cast<size_t>(c) * k.h + a + i * stride.h;
            r[row * k.w + b + j * stride.w] += share * weights[(static_cast<size_t>(c) * inner.h + a) * inner.w + b];
          }
        }
      }
    }
  }
  return r;
}

namespace {

// Rounds one real kernel [d][tap] to kernel_bits and its bias to the same scale.
absl::Status QuantizeKernel(const Geometry& g, const std::vector<double>& real, double bias, const LiftOptions& options,
                            QuantizedSegment& out) {
  const size_t taps = real.size() / g.features();
  double largest = 0;
  for (const double a : real) largest = std::max(largest, std::fabs(a));
  const double top = static_cast<double>((1 << (options.kernel_bits - 1)) - 1);
  // A dead neuron's coefficients are less than what a float adds to its bias. They are rounded at a scale of the bias,
  // to an error of a float's last bit at most, and its outputs stay as small as those of others.
  double features = 0;
  for (uint32_t d = 0; d < g.features(); ++d) {
    features += static_cast<double>(g.max_abs_feature(d)) * static_cast<double>(taps);
  }
  const double of_bias = std::fabs(bias) * 0x1p-24 / std::max(features, 1.0);
  const double scale = largest > 0 ? std::max(largest / top, of_bias) : std::max(std::fabs(bias), 1.0) / top;
  if (!std::isnormal(scale)) {
    return InvalidArgument("neuron {}: its largest coefficient, {}, can't be scaled to {} bits",
                           out.neurons[out.kernels.size()], largest, options.kernel_bits);
  }
  Secret<int32_t> kernel(real.size());
  const std::span<int32_t> rounded = kernel.RevealMutable();
  __extension__ unsigned __int128 bound = 0;  // exact: the plaintext modulus depends on it
  for (size_t i = 0; i < real.size(); ++i) {
    rounded[i] = static_cast<int32_t>(std::lround(real[i] / scale));
    bound += static_cast<uint64_t>(std::abs(rounded[i])) *
             static_cast<uint64_t>(g.max_abs_feature(static_cast<uint32_t>(i / taps)));
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
  out.bias.RevealMutable()[out.kernels.size()] = static_cast<int64_t>(whole_bias);
  out.kernels.push_back(std::move(kernel));
  out.output_scale.push_back(scale);
  out.worst_case = std::max(out.worst_case, static_cast<int64_t>(bound));
  return absl::OkStatus();
}

// Real kernels of a linear segment: x = (z - zero_point) * input_scale, the constant goes to the bias.
absl::Status LiftLinear(const Geometry& g, const Segment& segment, const LiftOptions& options, QuantizedSegment& out) {
  for (const int64_t f : segment.neurons) {
    std::vector<double> real = FoldedKernel(g, segment.layer, f);
    double sum = 0;
    for (double& w : real) sum += w *= g.spec().input_scale;
    const double bias = segment.layer.bias[static_cast<size_t>(f)] - g.spec().zero_point * sum;
    PRIVDNN_RETURN_IF_ERROR(QuantizeKernel(g, real, bias, options, out));
  }
  return absl::OkStatus();
}

// Real kernels of a quadratic segment: A_f[d,t] = sum_c r_{f,c,t} M_c[d], and M_c itself for a shortcut.
absl::Status LiftQuadratic(const Geometry& g, const Segment& segment, const LiftOptions& options,
                           QuantizedSegment& out) {
  const size_t taps = g.spec().groups[0].kernel.area();
  std::vector<std::vector<double>> squares;
  for (int64_t c = 0; c < segment.first->outputs; ++c) squares.push_back(SquareCoefficients(g, *segment.first, c));
  for (const int64_t f : segment.neurons) {
    const std::vector<double> r = FoldedKernel(g, segment.layer, f);
    std::vector<double> real(static_cast<size_t>(g.features()) * taps);
    for (size_t c = 0; c < squares.size(); ++c) {
      for (uint32_t d = 0; d < g.features(); ++d) {
        for (size_t t = 0; t < taps; ++t) real[d * taps + t] += r[c * taps + t] * squares[c][d];
      }
    }
    PRIVDNN_RETURN_IF_ERROR(QuantizeKernel(g, real, segment.layer.bias[static_cast<size_t>(f)], options, out));
  }
  for (const int64_t c : segment.shortcut) {
    PRIVDNN_RETURN_IF_ERROR(QuantizeKernel(g, squares[static_cast<size_t>(c)], 0, options, out));
  }
  return absl::OkStatus();
}

// A geometry of the kernels alone, which depend neither on the ring nor on tiles: for lifting. A map larger than every
// ring is cut until it fits.
absl::StatusOr<Geometry> KernelGeometry(SegmentSpec spec) {
  const size_t n = std::rbegin(kSecurityTable)->n;
  const auto whole = Geometry::Create(spec, n);
  if (whole.ok()) return whole;
  for (uint32_t rows = 1; rows <= 64; rows *= 2) {
    for (uint32_t columns = 1; columns <= 64; columns *= 2) {
      spec.tiles = {rows, columns};
      auto cut = Geometry::Create(spec, n);
      if (cut.ok()) return cut;
    }
  }
  return whole.status();
}

}  // namespace

absl::StatusOr<QuantizedSegment> LiftSegment(const Segment& segment, const LiftOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(options));
  QuantizedSegment out;
  out.spec = MakeSpec(segment, options);
  out.neurons = segment.neurons;
  out.neurons.insert(out.neurons.end(), segment.shortcut.begin(), segment.shortcut.end());
  out.bias = Secret<int64_t>(out.neurons.size());
  // What doesn't fit a ring can't be packed, and a few bytes of model could ask for any amount of memory here.
  PRIVDNN_ASSIGN_OR_RETURN(const Geometry g, KernelGeometry(out.spec));
  if (g.terms() >= kMaxTerms) {
    return InvalidArgument("segment: {} features take {} polynomials a kernel, at most {} can be evaluated",
                           g.features(), g.terms(), kMaxTerms - 1);
  }
  PRIVDNN_RETURN_IF_ERROR(segment.first ? LiftQuadratic(g, segment, options, out)
                                        : LiftLinear(g, segment, options, out));
  return out;
}

}  // namespace privdnn
