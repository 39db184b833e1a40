#include "privdnn/attack/decompose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "privdnn/attack/square_span.h"

namespace privdnn {
namespace {

// Iterations of the last fit, and of those before it.
constexpr int kIterations = 60, kFewIterations = 10;
constexpr double kGoodEnough = 1e-5;  // relative improvement of an iteration that is the last

// Both layers, by least squares over all equations.
class Fit {
 public:
  // `first`: [neuron][place], of which the first `known` stay as they are. `rest`, [neuron][pair], stands for the
  // squares of neurons that are still missing.
  static absl::StatusOr<Fit> Start(const ProductEquations& equations, std::vector<double> first, size_t known,
                                   std::vector<double> rest) {
    Fit fit(equations, std::move(first), known, std::move(rest));
    PRIVDNN_RETURN_IF_ERROR(fit.Solve());
    return fit;
  }

  absl::Status Run(int iterations, const ProgressFn& progress) {
    double damping = 1e-3;
    for (int i = 0; i < iterations; ++i) {
      if (!Proceeds(progress, static_cast<uint64_t>(i), static_cast<uint64_t>(iterations),
                    fmt::format("fit, residual {:.2g}", Residual()))) {
        return absl::CancelledError("interrupted");
      }
      const double before = Residual();
      const bool better = Improve(damping);
      damping = better ? damping / 4 : damping * 10;
      if ((better && Residual() > before * (1 - kGoodEnough)) || damping > 1e3) break;
    }
    return absl::OkStatus();
  }

  const std::vector<double>& first() const { return w_; }

  Layers Result(size_t missing) const {
    Layers layers;
    layers.missing = missing;
    layers.residual = Residual();
    // Of the errors, a fit leaves the share of equations beyond its parameters.
    const size_t equations = e_.size() * e_.outputs;
    const size_t parameters =
        (neurons_ + missing) * e_.taps * e_.outputs + (neurons_ - known_) * (e_.window - 1) + rest_.size();
    const auto left = static_cast<double>(equations - std::min(parameters, equations));
    layers.rounding = std::sqrt(e_.rounding * left / static_cast<double>(equations) / e_.square);
    for (size_t c = 0; c < neurons_; ++c) {
      layers.first.emplace_back(w_.begin() + static_cast<std::ptrdiff_t>(c * e_.window),
                                w_.begin() + static_cast<std::ptrdiff_t>((c + 1) * e_.window));
    }
    for (size_t f = 0; f < e_.outputs; ++f) {
      std::vector<double>& second = layers.second.emplace_back();
      for (size_t k = 0; k < neurons_ * e_.taps; ++k) second.push_back(second_.weights.values[k * e_.outputs + f]);
    }
    return layers;
  }

 private:
  Fit(const ProductEquations& equations, std::vector<double> first, size_t known, std::vector<double> rest)
      : e_(equations),
        neurons_(first.size() / equations.window),
        known_(known),
        w_(std::move(first)),
        rest_(std::move(rest)) {}

  double Residual() const { return std::sqrt(second_.error / e_.square); }

  // A damped Gauss-Newton step for the first layer at this second one, then the best second one. False, and nothing
  // changes, if the residual grows or there is no such step.
  bool Improve(double damping) {
    if (known_ == neurons_) return false;
    const std::vector<double> before = w_;
    SecondLayer second = second_;
    if (Step(damping).ok() && Solve().ok() && second_.error <= second.error) return true;
    w_ = before;
    second_ = std::move(second);
    return false;
  }

  // The second layer for w, whose rows get length 1.
  absl::Status Solve() {
    std::vector<double> squares;
    for (size_t c = 0; c < neurons_; ++c) {
      const std::span<double> w(w_.data() + c * e_.window, e_.window);
      const double length = Length(w);
      for (double& v : w) v /= length;
      AppendSquare(w, squares);
    }
    squares.insert(squares.end(), rest_.begin(), rest_.end());
    PRIVDNN_ASSIGN_OR_RETURN(second_, SolveSecond(e_, squares));
    return absl::OkStatus();
  }

  absl::Status Step(double damping) {
    const size_t unknown = neurons_ - known_, n = unknown * e_.window, outputs = e_.outputs;
    const auto weights = [&](size_t c, size_t tap) {
      return second_.weights.values.data() + ((known_ + c) * e_.taps + tap) * outputs;
    };
    const double* first = w_.data() + known_ * e_.window;
    const std::vector<double> gram = WeightProducts(e_, second_, known_, unknown);
    Matrix normal{static_cast<int64_t>(n), static_cast<int64_t>(n), std::vector<double>(n * n)};
    Matrix side{static_cast<int64_t>(n), 1, std::vector<double>(n)};
    for (size_t u = 0; u < e_.size(); ++u) {
      const double* left = second_.left.data() + u * outputs;
      for (const auto& s : e_.terms[u]) {
        const auto [i, j] = e_.places[s.pair];
        const double x = s.factor * (i == j ? 1 : 2);
        for (size_t c = 0; c < unknown; ++c) {
          const double by = x * std::inner_product(left, left + outputs, weights(c, s.tap), 0.0);
          const double wi = first[c * e_.window + i], wj = first[c * e_.window + j];
          side.values[c * e_.window + i] += by * wj;
          side.values[c * e_.window + j] += by * wi;
          double* row_i = normal.values.data() + (c * e_.window + i) * n;
          double* row_j = normal.values.data() + (c * e_.window + j) * n;
          for (const auto& t : e_.terms[u]) {
            const auto [k, l] = e_.places[t.pair];
            const double y = x * t.factor * (k == l ? 1 : 2);
            const double* g = gram.data() + ((s.tap * e_.taps + t.tap) * unknown + c) * unknown;
            for (size_t d = 0; d <= c; ++d) {
              const double yg = y * g[d], wk = first[d * e_.window + k] * yg, wl = first[d * e_.window + l] * yg;
              row_i[d * e_.window + k] += wj * wl;
              row_i[d * e_.window + l] += wj * wk;
              row_j[d * e_.window + k] += wi * wl;
              row_j[d * e_.window + l] += wi * wk;
            }
          }
        }
      }
    }
    for (size_t k = 0; k < n; ++k) normal.values[k * n + k] *= 1 + damping;
    PRIVDNN_ASSIGN_OR_RETURN(const Matrix step, SolvePositive(normal, side));
    for (size_t k = 0; k < n; ++k) w_[known_ * e_.window + k] += step.values[k];
    return absl::OkStatus();
  }

  const ProductEquations& e_;
  size_t neurons_, known_;
  std::vector<double> w_;     // [neuron][place]
  std::vector<double> rest_;  // [neuron][pair]
  SecondLayer second_;
};

// 0 is parallel to itself alone.
double Cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const double aa = Length(a), bb = Length(b);
  if (aa > 0 && bb > 0) return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / aa / bb;
  return aa == bb ? 1 : 0;
}
double Sine(double cosine) { return std::sqrt(std::max(0.0, 1 - cosine * cosine)); }

std::vector<double> Squares(const std::vector<double>& first, size_t window) {
  std::vector<double> squares;
  for (size_t at = 0; at < first.size(); at += window) AppendSquare(std::span(first).subspan(at, window), squares);
  return squares;
}

// Whether squares can be found at all.
absl::Status CheckReach(const ProductEquations& e, size_t known, size_t neurons) {
  const size_t k = e.window, unknown = neurons - known, most = std::max(k, k * (k - 1) / 2);
  if (neurons > most || unknown > e.outputs * e.taps) {
    return FailedPrecondition(
        "decomposition: {} neurons before the square, {} of them unknown; at most {} can be told apart in windows of "
        "{} places, and {} unknown ones by {} outputs of {} taps",
        neurons, unknown, most, k, e.outputs * e.taps, e.outputs, e.taps);
  }
  PRIVDNN_RETURN_IF_ERROR(CheckSystem(neurons * e.taps, "weights of an output"));
  PRIVDNN_RETURN_IF_ERROR(CheckSystem(unknown * k, "weights before the square"));
  // Of all matrices of that rank with the known squares among their rows.
  const size_t freedom = e.outputs * e.taps * neurons + unknown * (e.pairs() - std::min(e.pairs(), neurons));
  const size_t equations = e.size() * e.outputs;
  if (unknown > 0 ? equations <= freedom : equations < freedom) {
    return FailedPrecondition(
        "decomposition: {} outputs with {} sums of coefficients of products each, for {} neurons before the square, {} "
        "of them unknown, which leave {} numbers open",
        e.outputs, e.size(), neurons, unknown, freedom);
  }
  return absl::OkStatus();
}

// Decompose for `first`, the `known` neurons, of length 1.
absl::StatusOr<Layers> FindLayers(const ProductEquations& equations, std::vector<double> first, size_t known,
                                  size_t unknown, const ProgressFn& progress) {
  std::vector<double> rest;
  // What is found is fitted before the span of what is missing is looked at again: that makes it better known.
  for (size_t missing = unknown;;) {
    bool more = missing > 0;
    if (more) {
      PRIVDNN_ASSIGN_OR_RETURN(const auto span,
                               FindSpan(equations, Squares(first, equations.window), missing, rest, progress));
      PRIVDNN_ASSIGN_OR_RETURN(const auto found, FindSquares(span, equations.window, first, missing, progress));
      if (found.empty() && missing == unknown) {
        return FailedPrecondition("decomposition: none of {} unknown neurons before the square is found", unknown);
      }
      more = !found.empty();
      first.insert(first.end(), found.begin(), found.end());
      missing -= found.size() / equations.window;
      rest = Remainder(span, equations.pairs(), Squares(first, equations.window), missing);
    }
    more = more && missing > 0;
    PRIVDNN_ASSIGN_OR_RETURN(Fit fit, Fit::Start(equations, first, known, rest));
    PRIVDNN_RETURN_IF_ERROR(fit.Run(more ? kFewIterations : kIterations, progress));
    if (!more) return fit.Result(missing);
    first = fit.first();
  }
}

}  // namespace

absl::StatusOr<Layers> Decompose(const OutputPolynomial& polynomial, const ExtractedKernels& kernels,
                                 const std::vector<std::vector<double>>& known, size_t neurons,
                                 const ProgressFn& progress) {
  if (polynomial.geometry().spec().kind != SegmentKind::kQuadratic) {
    return FailedPrecondition("decomposition: a linear segment is one layer, whose weights its kernels are");
  }
  const ProductEquations equations = MakeEquations(polynomial, kernels);
  if (equations.square == 0) return FailedPrecondition("decomposition: all coefficients of products are 0");
  // From here on in one scale, and without those that contribute nothing.
  std::vector<double> first;
  std::vector<size_t> without_weights;
  for (size_t c = 0; c < known.size(); ++c) {
    const double length = Length(known[c]);
    if (length == 0) without_weights.push_back(c);
    for (size_t i = 0; i < known[c].size() && length > 0; ++i) first.push_back(known[c][i] / length);
  }
  const size_t fixed = known.size() - without_weights.size(), unknown = neurons - known.size();
  if (fixed + unknown == 0) return FailedPrecondition("decomposition: all neurons before the square have no weights");
  PRIVDNN_RETURN_IF_ERROR(CheckReach(equations, fixed, fixed + unknown));
  auto layers = FindLayers(equations, std::move(first), fixed, unknown, progress);
  if (absl::IsInvalidArgument(layers.status())) return Annotate(layers.status(), "decomposition");
  PRIVDNN_RETURN_IF_ERROR(layers.status());
  for (const size_t c : without_weights) {
    layers->first.emplace(layers->first.begin() + static_cast<std::ptrdiff_t>(c), equations.window);
    for (auto& output : layers->second) {
      output.insert(output.begin() + static_cast<std::ptrdiff_t>(c * equations.taps), equations.taps, 0);
    }
  }
  return layers;
}

LayerErrors CompareLayers(const Layers& found, const std::vector<std::vector<double>>& first,
                          const std::vector<std::vector<double>>& second) {
  LayerErrors errors;
  const size_t taps = second[0].size() / first.size();
  const auto share = [&](const std::vector<std::vector<double>>& r, size_t c) {
    std::vector<double> all;
    for (const auto& output : r) {
      all.insert(all.end(), output.begin() + static_cast<std::ptrdiff_t>(c * taps),
                 output.begin() + static_cast<std::ptrdiff_t>((c + 1) * taps));
    }
    return all;
  };
  std::vector<bool> taken(found.first.size());
  for (size_t c = 0; c < first.size(); ++c) {
    std::optional<size_t> match;
    double nearest = 0;
    for (size_t k = 0; k < found.first.size(); ++k) {
      const double cosine = std::fabs(Cosine(first[c], found.first[k]));
      if (taken[k] || !(cosine > nearest)) continue;
      nearest = cosine;
      match = k;
    }
    errors.first.push_back(Sine(nearest));
    errors.second.push_back(match ? Sine(Cosine(share(second, c), share(found.second, *match))) : 1);
    if (match) taken[*match] = true;
  }
  return errors;
}

}  // namespace privdnn
