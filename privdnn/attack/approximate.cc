#include "privdnn/attack/approximate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "privdnn/torch/dense.h"

namespace privdnn {
namespace {

// The equations of images, [image][position], and their outputs.
struct Equations {
  Matrix features, outputs;
};

Equations Collect(const OutputPolynomial& polynomial, std::span<const Extractor::Image> images) {
  const uint64_t positions = polynomial.positions();
  Equations e;
  e.features.rows = e.outputs.rows = static_cast<int64_t>(images.size() * positions);
  e.features.columns = static_cast<int64_t>(polynomial.unknowns());
  e.outputs.columns = polynomial.outputs();
  std::vector<int64_t> equation(polynomial.unknowns());
  for (const Extractor::Image& image : images) {
    for (uint64_t p = 0; p < positions; ++p) {
      polynomial.Equation(image.z_map, p, equation);
      e.features.values.insert(e.features.values.end(), equation.begin(), equation.end());
      for (uint32_t f = 0; f < polynomial.outputs(); ++f) {
        e.outputs.values.push_back(static_cast<double>(image.outputs[f * positions + p]));
      }
    }
  }
  return e;
}

// Divides every column by its root mean square; returns these (1 for a column of zeros).
std::vector<double> Scale(Matrix& m) {
  const auto columns = static_cast<size_t>(m.columns);
  std::vector<double> scale(columns);
  for (size_t i = 0; i < m.values.size(); ++i) scale[i % columns] += m.values[i] * m.values[i];
  for (double& s : scale) s = s > 0 ? std::sqrt(s / static_cast<double>(m.rows)) : 1;
  for (size_t i = 0; i < m.values.size(); ++i) m.values[i] /= scale[i % columns];
  return scale;
}

std::vector<double> Centre(Matrix& m) {
  const auto columns = static_cast<size_t>(m.columns);
  std::vector<double> mean(columns);
  for (size_t i = 0; i < m.values.size(); ++i) mean[i % columns] += m.values[i] / static_cast<double>(m.rows);
  for (size_t i = 0; i < m.values.size(); ++i) m.values[i] -= mean[i % columns];
  return mean;
}

Matrix Rows(const Matrix& m, int64_t begin, int64_t end) {
  return {end - begin, m.columns, {m.values.begin() + begin * m.columns, m.values.begin() + end * m.columns}};
}

// Mean over outputs of the squared error relative to the output's own square.
double RelativeError(const Matrix& features, const Matrix& outputs, const Matrix& x) {
  const auto sides = static_cast<size_t>(outputs.columns), unknowns = static_cast<size_t>(features.columns);
  std::vector<double> error(sides), size(sides);
  for (size_t i = 0; i < static_cast<size_t>(features.rows); ++i) {
    std::vector<double> y(outputs.values.begin() + static_cast<std::ptrdiff_t>(i * sides),
                          outputs.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * sides));
    for (size_t f = 0; f < sides; ++f) size[f] += y[f] * y[f];
    for (size_t u = 0; u < unknowns; ++u) {
      for (size_t f = 0; f < sides; ++f) y[f] -= features.values[i * unknowns + u] * x.values[u * sides + f];
    }
    for (size_t f = 0; f < sides; ++f) error[f] += y[f] * y[f];
  }
  double mean = 0;
  for (size_t f = 0; f < sides; ++f) mean += size[f] > 0 ? error[f] / size[f] / static_cast<double>(sides) : 0;
  return mean;
}

}  // namespace

std::vector<int64_t> ApproximateKernels::Outputs(const OutputPolynomial& polynomial,
                                                 std::span<const int16_t> z_map) const {
  return polynomial.Outputs(z_map, sums.size(), [&](std::span<const int64_t> equation, size_t f) -> int64_t {
    return std::llround(std::inner_product(equation.begin(), equation.end(), sums[f].begin(), 0.0));
  });
}

absl::StatusOr<ApproximateKernels> Approximate(const OutputPolynomial& polynomial,
                                               std::span<const Extractor::Image> images) {
  if (images.empty()) return InvalidArgument("approximation: no images");
  Equations e = Collect(polynomial, images);
  const std::vector<double> scale = Scale(e.features);
  const std::vector<double> mean = Centre(e.outputs);
  const auto unknowns = static_cast<double>(polynomial.unknowns());
  std::vector<double> penalties;
  for (const double p : kPenalties) penalties.push_back(p * unknowns);
  double chosen = kFewImagesPenalty;
  if (const auto held_out = static_cast<int64_t>(images.size() / 5 * polynomial.positions()); held_out > 0) {
    const int64_t kept = e.features.rows - held_out;
    PRIVDNN_ASSIGN_OR_RETURN(const auto fits,
                             RidgeRegression(Rows(e.features, 0, kept), Rows(e.outputs, 0, kept), penalties));
    const Matrix features = Rows(e.features, kept, e.features.rows), outputs = Rows(e.outputs, kept, e.outputs.rows);
    std::vector<double> errors;
    for (const Matrix& x : fits) errors.push_back(RelativeError(features, outputs, x));
    chosen = kPenalties[std::ranges::min_element(errors) - errors.begin()];
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto fit, RidgeRegression(e.features, e.outputs, {chosen * unknowns}));
  ApproximateKernels kernels;
  kernels.lambda = chosen;
  for (uint32_t f = 0; f < polynomial.outputs(); ++f) {
    std::vector<double>& sums = kernels.sums.emplace_back(polynomial.unknowns());
    for (size_t u = 0; u < sums.size(); ++u) sums[u] = fit[0].values[u * polynomial.outputs() + f] / scale[u];
    polynomial.AddConstant(mean[f], sums);
  }
  return kernels;
}

}  // namespace privdnn
