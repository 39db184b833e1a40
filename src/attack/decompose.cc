#include "attack/decompose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "nn/dense.h"

namespace privdnn::attack {
namespace {

using nn::Matrix;

constexpr int kIterations = 60;
constexpr double kGoodEnough = 1e-5;  // relative improvement of an iteration that is the last

// One coefficient of a product as the layers make it: the sum over terms of factor * r[tap] * w[i] * w[j].
struct Term {
  uint32_t tap, i, j;
  double factor;
};
using Terms = std::vector<Term>;

// Solves a x = b in place of b, [n][sides], for a positive definite a, [n][n], which is overwritten. False if it isn't.
bool SolvePositive(std::vector<double>& a, std::vector<double>& b, size_t n) {
  const size_t sides = b.size() / n;
  for (size_t j = 0; j < n; ++j) {
    double* row = a.data() + j * n;
    for (size_t k = 0; k < j; ++k) row[j] -= row[k] * row[k];
    if (!(row[j] > 0)) return false;
    row[j] = std::sqrt(row[j]);
    for (size_t i = j + 1; i < n; ++i) {
      double* other = a.data() + i * n;
      other[j] = (other[j] - std::inner_product(row, row + j, other, 0.0)) / row[j];
    }
  }
  for (size_t s = 0; s < sides; ++s) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t k = 0; k < i; ++k) b[i * sides + s] -= a[i * n + k] * b[k * sides + s];
      b[i * sides + s] /= a[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
      for (size_t k = i + 1; k < n; ++k) b[i * sides + s] -= a[k * n + i] * b[k * sides + s];
      b[i * sides + s] /= a[i * n + i];
    }
  }
  return true;
}

class Fit {
 public:
  Fit(const OutputPolynomial& polynomial, const ExtractedKernels& kernels, size_t neurons)
      : neurons_(neurons),
        window_(polynomial.geometry().window()),
        taps_(polynomial.geometry().spec().groups[polynomial.group()].kernel.area()),
        outputs_(polynomial.outputs()) {
    const uint32_t width = polynomial.geometry().spec().groups[polynomial.group()].kernel.w;
    const auto& list = polynomial.list();
    for (size_t u = 0; u < list.size() && list[u].places == 2; ++u) {
      Terms terms;
      for (uint32_t row = list[u].rows.begin; row < list[u].rows.end; ++row) {
        for (uint32_t column = list[u].columns.begin; column < list[u].columns.end; ++column) {
          const uint32_t i = polynomial.WindowPlace(list[u].first, row, column);
          const uint32_t j = polynomial.WindowPlace(list[u].second, row, column);
          terms.push_back({row * width + column, i, j, i == j ? 1.0 : 2.0});
        }
      }
      equations_.push_back(std::move(terms));
      for (uint32_t f = 0; f < outputs_; ++f) values_.push_back(static_cast<double>(kernels.sums[f][u]));
    }
    for (const double v : values_) square_ += v * v;
  }

  // First guesses of w, one for each tap that has places of its own.
  std::vector<Matrix> Guesses() const {
    // Where a pair's coefficient in a tap stands alone, its equation.
    std::vector<size_t> alone(taps_ * window_ * window_, SIZE_MAX);
    for (size_t u = 0; u < equations_.size(); ++u) {
      if (equations_[u].size() != 1) continue;
      const Term& t = equations_[u][0];
      alone[(t.tap * window_ + t.i) * window_ + t.j] = alone[(t.tap * window_ + t.j) * window_ + t.i] = u;
    }
    std::vector<Matrix> guesses;
    for (size_t tap = 0; tap < taps_; ++tap) {
      std::vector<Matrix> slices;
      for (size_t e = 0; e < window_; ++e) {
        const auto of = alone.begin() + static_cast<std::ptrdiff_t>((tap * window_ + e) * window_);
        if (std::find(of, of + static_cast<std::ptrdiff_t>(window_), SIZE_MAX) !=
            of + static_cast<std::ptrdiff_t>(window_)) {
          continue;
        }
        Matrix& slice = slices.emplace_back(Matrix{static_cast<int64_t>(window_), static_cast<int64_t>(outputs_), {}});
        for (size_t i = 0; i < window_; ++i) {
          for (size_t f = 0; f < outputs_; ++f) {
            slice.values.push_back(values_[of[static_cast<std::ptrdiff_t>(i)] * outputs_ + f] / (i == e ? 1 : 2));
          }
        }
      }
      if (slices.size() < 2) continue;
      auto guess = nn::CommonFactors(slices, static_cast<int64_t>(neurons_));
      if (guess.ok()) guesses.push_back(*std::move(guess));
    }
    return guesses;
  }

  // [place][neuron] to w_, and the best r for it. False if there is none.
  bool Start(const Matrix& guess) {
    w_.assign(neurons_ * window_, 0);
    for (size_t c = 0; c < neurons_; ++c) {
      for (size_t i = 0; i < window_; ++i) w_[c * window_ + i] = guess.values[i * neurons_ + c];
    }
    return SolveSecond();
  }

  // A step of Gauss and Newton for w at this r, damped, then the best r. False, and nothing changes, if the residual
  // grows.
  bool Improve(double damping) {
    const std::vector<double> w = w_, r = r_, left = left_;
    const double error = error_;
    if (StepFirst(damping) && SolveSecond() && error_ <= error) return true;
    w_ = w;
    r_ = r;
    left_ = left;
    error_ = error;
    return false;
  }

  double Residual() const { return std::sqrt(error_ / square_); }

  Layers Result() const {
    Layers layers;
    layers.residual = Residual();
    for (size_t c = 0; c < neurons_; ++c) {
      layers.first.emplace_back(w_.begin() + static_cast<std::ptrdiff_t>(c * window_),
                                w_.begin() + static_cast<std::ptrdiff_t>((c + 1) * window_));
    }
    for (size_t f = 0; f < outputs_; ++f) {
      std::vector<double>& second = layers.second.emplace_back();
      for (size_t k = 0; k < neurons_ * taps_; ++k) second.push_back(r_[k * outputs_ + f]);
    }
    return layers;
  }

 private:
  // r, [neuron*taps + tap][output], by least squares; w gets length 1.
  bool SolveSecond() {
    for (size_t c = 0; c < neurons_; ++c) {
      double* w = w_.data() + c * window_;
      const double length = std::sqrt(std::inner_product(w, w + window_, w, 0.0));
      if (!(length > 0)) return false;
      for (size_t i = 0; i < window_; ++i) w[i] /= length;
    }
    const size_t n = neurons_ * taps_;
    std::vector<double> normal(n * n), side(n * outputs_);
    std::vector<std::pair<size_t, double>> row;
    const auto each = [&](const auto& visit) {
      for (size_t u = 0; u < equations_.size(); ++u) {
        row.clear();
        for (const Term& t : equations_[u]) {
          for (size_t c = 0; c < neurons_; ++c) {
            row.emplace_back(c * taps_ + t.tap, t.factor * w_[c * window_ + t.i] * w_[c * window_ + t.j]);
          }
        }
        visit(u);
      }
    };
    each([&](size_t u) {
      for (const auto& [a, x] : row) {
        for (const auto& [b, y] : row) normal[a * n + b] += x * y;
        for (size_t f = 0; f < outputs_; ++f) side[a * outputs_ + f] += x * values_[u * outputs_ + f];
      }
    });
    for (size_t k = 0; k < n; ++k) normal[k * n + k] *= 1 + 1e-12;
    if (!SolvePositive(normal, side, n)) return false;
    r_ = std::move(side);
    error_ = 0;
    left_ = values_;
    each([&](size_t u) {
      for (size_t f = 0; f < outputs_; ++f) {
        double& left = left_[u * outputs_ + f];
        for (const auto& [a, x] : row) left -= x * r_[a * outputs_ + f];
        error_ += left * left;
      }
    });
    return true;
  }

  bool StepFirst(double damping) {
    const size_t n = neurons_ * window_;
    std::vector<double> normal(n * n), side(n);
    std::vector<size_t> index;
    std::vector<double> derivative;  // [entry of index][output]
    for (size_t u = 0; u < equations_.size(); ++u) {
      index.clear();
      derivative.clear();
      const auto add = [&](size_t at, double x, const double* r) {
        index.push_back(at);
        for (size_t f = 0; f < outputs_; ++f) derivative.push_back(x * r[f]);
      };
      for (const Term& t : equations_[u]) {
        for (size_t c = 0; c < neurons_; ++c) {
          const double* r = r_.data() + (c * taps_ + t.tap) * outputs_;
          add(c * window_ + t.i, t.factor * w_[c * window_ + t.j], r);
          add(c * window_ + t.j, t.factor * w_[c * window_ + t.i], r);
        }
      }
      for (size_t a = 0; a < index.size(); ++a) {
        const double* x = derivative.data() + a * outputs_;
        side[index[a]] += std::inner_product(x, x + outputs_, left_.data() + u * outputs_, 0.0);
        for (size_t b = 0; b < index.size(); ++b) {
          normal[index[a] * n + index[b]] += std::inner_product(x, x + outputs_, derivative.data() + b * outputs_, 0.0);
        }
      }
    }
    for (size_t k = 0; k < n; ++k) normal[k * n + k] *= 1 + damping;
    if (!SolvePositive(normal, side, n)) return false;
    for (size_t k = 0; k < n; ++k) w_[k] += side[k];
    return true;
  }

  size_t neurons_, window_, taps_, outputs_;
  std::vector<Terms> equations_;
  std::vector<double> values_, left_;  // [equation][output]: coefficients, and what is left of them
  std::vector<double> w_, r_;
  double error_ = 0, square_ = 0;
};

double Cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const double aa = std::inner_product(a.begin(), a.end(), a.begin(), 0.0);
  const double bb = std::inner_product(b.begin(), b.end(), b.begin(), 0.0);
  return aa > 0 && bb > 0 ? std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / std::sqrt(aa * bb) : 0;
}
double Sine(double cosine) { return std::sqrt(std::max(0.0, 1 - cosine * cosine)); }

}  // namespace

absl::StatusOr<Layers> Decompose(const OutputPolynomial& polynomial, const ExtractedKernels& kernels, size_t neurons,
                                 const ProgressFn& progress) {
  const Geometry& g = polynomial.geometry();
  if (g.spec().kind != SegmentKind::kQuadratic) {
    return FailedPrecondition("decomposition: a linear segment is one layer, whose weights its kernels are");
  }
  if (neurons == 0 || neurons > g.window() || neurons > polynomial.outputs()) {
    return FailedPrecondition("decomposition: {} neurons before the square, at most {} inputs and {} outputs are",
                              neurons, g.window(), polynomial.outputs());
  }
  Fit fit(polynomial, kernels, neurons);
  std::optional<Fit> best;
  for (const Matrix& guess : fit.Guesses()) {
    if (fit.Start(guess) && (!best || fit.Residual() < best->Residual())) best = fit;
  }
  if (!best) return FailedPrecondition("decomposition: no tap has two places of its own that tell the neurons apart");
  double damping = 1e-3;
  for (int i = 0; i < kIterations; ++i) {
    if (!progress(static_cast<uint64_t>(i), kIterations, fmt::format("residual {:.2g}", best->Residual()))) {
      return absl::CancelledError("interrupted");
    }
    const double before = best->Residual();
    const bool better = best->Improve(damping);
    damping = better ? damping / 4 : damping * 10;
    if ((better && best->Residual() > before * (1 - kGoodEnough)) || damping > 1e3) break;
  }
  return best->Result();
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
    size_t match = 0;
    double nearest = -1;
    for (size_t k = 0; k < found.first.size(); ++k) {
      const double cosine = std::fabs(Cosine(first[c], found.first[k]));
      if (taken[k] || cosine <= nearest) continue;
      nearest = cosine;
      match = k;
    }
    taken[match] = true;
    errors.first.push_back(Sine(nearest));
    errors.second.push_back(Sine(Cosine(share(second, c), share(found.second, match))));
  }
  return errors;
}

}  // namespace privdnn::attack
