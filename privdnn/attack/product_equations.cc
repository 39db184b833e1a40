#include "privdnn/attack/product_equations.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace privdnn {
namespace {

constexpr double kRidge = 1e-11;  // of the mean diagonal: where equations leave something open, it is small

// Reduced echelon form of the sums over taps that are known of one product. Entries are small integers.
struct Sums {
  std::vector<std::vector<double>> taps;    // [sum][tap]
  std::vector<std::vector<double>> values;  // [sum][output]
  void RowReduce() {
    size_t rank = 0;
    for (size_t t = 0; rank < taps.size() && t < taps[0].size(); ++t) {
      size_t pivot = rank;
      while (pivot < taps.size() && taps[pivot][t] == 0) ++pivot;
      if (pivot == taps.size()) continue;
      std::swap(taps[pivot], taps[rank]);
      std::swap(values[pivot], values[rank]);
      const double scale = 1 / taps[rank][t];
      for (double& v : taps[rank]) v *= scale;
      for (double& v : values[rank]) v *= scale;
      for (size_t other = 0; other < taps.size(); ++other) {
        const double factor = taps[other][t];
        if (other == rank || factor == 0) continue;
        for (size_t k = 0; k < taps[other].size(); ++k) taps[other][k] -= factor * taps[rank][k];
        for (size_t k = 0; k < values[other].size(); ++k) values[other][k] -= factor * values[rank][k];
      }
      ++rank;
    }
  }
};

}  // namespace

void AppendSquare(std::span<const double> w, std::vector<double>& squares) {
  for (size_t i = 0; i < w.size(); ++i) {
    for (size_t j = i; j < w.size(); ++j) squares.push_back((i == j ? 1 : 2) * w[i] * w[j]);
  }
}

double Length(std::span<const double> v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }

absl::Status CheckSystem(size_t unknowns, const std::string& name) {
  if (unknowns <= kMostUnknowns) return absl::OkStatus();
  return FailedPrecondition("{} in one linear system of {} unknowns, at most {} are solved for", name, unknowns,
                            kMostUnknowns);
}

ProductEquations MakeEquations(const OutputPolynomial& polynomial, const ExtractedKernels& kernels) {
  const Geometry& g = polynomial.geometry();
  const uint32_t width = g.spec().groups[polynomial.group()].kernel.w;
  ProductEquations e;
  e.window = g.window();
  e.taps = g.spec().groups[polynomial.group()].kernel.area();
  e.outputs = polynomial.outputs();
  for (uint32_t i = 0; i < e.window; ++i) {
    for (uint32_t j = i; j < e.window; ++j) e.places.emplace_back(i, j);
  }
  const auto& list = polynomial.list();
  const auto same = [](const OutputPolynomial::Place& a, const OutputPolynomial::Place& b) {
    return std::tie(a.channel, a.row, a.column) == std::tie(b.channel, b.row, b.column);
  };
  for (size_t u = 0, next = 0; u < list.size() && list[u].places == 2; u = next) {
    const OutputPolynomial::Place &first = list[u].first, &second = list[u].second;
    Sums sums;
    for (next = u; next < list.size() && list[next].places == 2 && same(first, list[next].first) &&
                   same(second, list[next].second);
         ++next) {
      auto& taps = sums.taps.emplace_back(e.taps);
      for (uint32_t row = list[next].rows.begin; row < list[next].rows.end; ++row) {
        for (uint32_t column = list[next].columns.begin; column < list[next].columns.end; ++column) {
          taps[row * width + column] = 1;
        }
      }
      auto& values = sums.values.emplace_back();
      for (uint32_t f = 0; f < e.outputs; ++f) values.push_back(static_cast<double>(kernels.sums[f][next]));
    }
    sums.RowReduce();
    for (size_t k = 0; k < sums.taps.size(); ++k) {
      auto& terms = e.terms.emplace_back();
      for (uint32_t tap = 0; tap < e.taps; ++tap) {
        if (sums.taps[k][tap] == 0) continue;
        size_t i = polynomial.WindowPlace(first, tap / width, tap % width);
        size_t j = polynomial.WindowPlace(second, tap / width, tap % width);
        if (j < i) std::swap(i, j);
        const auto pair = static_cast<uint32_t>(i * e.window - i * (i + 1) / 2 + j);
        terms.push_back({tap, pair, sums.taps[k][tap]});
        e.rounding += sums.taps[k][tap] * sums.taps[k][tap] / 12 * static_cast<double>(e.outputs);
      }
      e.values.insert(e.values.end(), sums.values[k].begin(), sums.values[k].end());
    }
  }
  for (const double v : e.values) e.square += v * v;
  return e;
}

absl::StatusOr<SecondLayer> SolveSecond(const ProductEquations& e, std::span<const double> squares) {
  const size_t pairs = e.pairs(), neurons = squares.size() / pairs, n = neurons * e.taps;
  const auto rows = static_cast<int64_t>(n), outputs = static_cast<int64_t>(e.outputs);
  // [pair][neuron], so that what an equation reads lies side by side.
  std::vector<double> by_pair(squares.size());
  for (size_t c = 0; c < neurons; ++c) {
    for (size_t p = 0; p < pairs; ++p) by_pair[p * neurons + c] = squares[c * pairs + p];
  }
  // Here unknowns stand as [tap][neuron], and the lower half of the normal matrix is filled.
  Matrix normal{rows, rows, std::vector<double>(n * n)}, side{rows, outputs, std::vector<double>(n * e.outputs)};
  for (size_t u = 0; u < e.size(); ++u) {
    const double* value = e.values.data() + u * e.outputs;
    for (const auto& a : e.terms[u]) {
      const double* x = by_pair.data() + a.pair * neurons;
      for (size_t c = 0; c < neurons; ++c) {
        const double scaled = a.factor * x[c];
        const size_t at = a.tap * neurons + c;
        for (size_t f = 0; f < e.outputs; ++f) side.values[at * e.outputs + f] += scaled * value[f];
        for (const auto& b : e.terms[u]) {
          if (b.tap > a.tap) continue;
          const double* y = by_pair.data() + b.pair * neurons;
          double* out = normal.values.data() + at * n + b.tap * neurons;
          const double both = scaled * b.factor;
          for (size_t d = 0; d < neurons; ++d) out[d] += both * y[d];
        }
      }
    }
  }
  double trace = 0;
  for (size_t k = 0; k < n; ++k) trace += normal.values[k * n + k];
  for (size_t k = 0; k < n; ++k) normal.values[k * n + k] += kRidge * trace / static_cast<double>(n);
  PRIVDNN_ASSIGN_OR_RETURN(const Matrix solution, SolvePositive(normal, side));
  SecondLayer second{{rows, outputs, std::vector<double>(n * e.outputs)}, e.values, 0};
  for (size_t u = 0; u < e.size(); ++u) {
    double* left = second.left.data() + u * e.outputs;
    for (const auto& a : e.terms[u]) {
      for (size_t c = 0; c < neurons; ++c) {
        const double x = a.factor * by_pair[a.pair * neurons + c];
        const double* r = solution.values.data() + (a.tap * neurons + c) * e.outputs;
        for (size_t f = 0; f < e.outputs; ++f) left[f] -= x * r[f];
      }
    }
    for (size_t f = 0; f < e.outputs; ++f) second.error += left[f] * left[f];
  }
  for (size_t t = 0; t < e.taps; ++t) {
    for (size_t c = 0; c < neurons; ++c) {
      std::copy_n(solution.values.data() + (t * neurons + c) * e.outputs, e.outputs,
                  second.weights.values.data() + (c * e.taps + t) * e.outputs);
    }
  }
  return second;
}

std::vector<double> WeightProducts(const ProductEquations& equations, const SecondLayer& second, size_t first,
                                   size_t neurons) {
  const size_t outputs = equations.outputs;
  const auto weights = [&](size_t neuron, size_t tap) {
    return second.weights.values.data() + ((first + neuron) * equations.taps + tap) * outputs;
  };
  std::vector<double> products;
  products.reserve(equations.taps * equations.taps * neurons * neurons);
  for (size_t s = 0; s < equations.taps; ++s) {
    for (size_t t = 0; t < equations.taps; ++t) {
      for (size_t c = 0; c < neurons; ++c) {
        const double* x = weights(c, s);
        for (size_t d = 0; d < neurons; ++d) {
          products.push_back(std::inner_product(x, x + outputs, weights(d, t), 0.0));
        }
      }
    }
  }
  return products;
}

}  // namespace privdnn
