#include "privdnn/torch/dense.h"

#include <ATen/ATen.h>

#include <cmath>
#include <exception>

namespace privdnn {
namespace {

at::Tensor View(const Matrix& m) {
  return at::from_blob(const_cast<double*>(m.values.data()), {m.rows, m.columns}, at::kDouble);
}

Matrix Copy(const at::Tensor& t) {
  const at::Tensor c = t.contiguous();
  return {c.size(0), c.size(1), {c.data_ptr<double>(), c.data_ptr<double>() + c.numel()}};
}

bool Fits(const Matrix& m) {
  return m.rows > 0 && m.columns > 0 && static_cast<uint64_t>(m.rows * m.columns) == m.values.size();
}

}  // namespace

absl::StatusOr<std::vector<Matrix>> RidgeRegression(const Matrix& a, const Matrix& b,
                                                    const std::vector<double>& lambdas) {
  if (!Fits(a) || !Fits(b) || a.rows != b.rows) {
    return InvalidArgument("least squares: {} values for {}x{}, {} for {}x{}", a.values.size(), a.rows, a.columns,
                           b.values.size(), b.rows, b.columns);
  }
  const c10::InferenceMode inference;
  try {
    const at::Tensor left = View(a), right = View(b);
    if (!left.isfinite().all().item<bool>() || !right.isfinite().all().item<bool>()) {
      return InvalidArgument("least squares: values are not finite");
    }
    const bool dual = a.rows < a.columns;
    const at::Tensor gram = dual ? left.matmul(left.t()) : left.t().matmul(left);
    const at::Tensor target = dual ? right : left.t().matmul(right);
    std::vector<Matrix> solutions;
    for (const double lambda : lambdas) {
      at::Tensor penalised = gram.clone();
      penalised.diagonal().add_(lambda);
      const auto [factor, info] = at::linalg_cholesky_ex(penalised);
      if (!(lambda > 0) || info.item<int>() != 0) {
        return InvalidArgument("least squares: a penalty of {} is too small", lambda);
      }
      const at::Tensor solution = at::cholesky_solve(target, factor);
      solutions.push_back(Copy(dual ? left.t().matmul(solution) : solution));
    }
    return solutions;
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("least squares: {}", e.what()));
  }
}

absl::StatusOr<Matrix> SolvePositive(const Matrix& a, const Matrix& b) {
  if (!Fits(a) || !Fits(b) || a.rows != a.columns || a.rows != b.rows) {
    return InvalidArgument("linear system: {} values for {}x{}, {} for {}x{}", a.values.size(), a.rows, a.columns,
                           b.values.size(), b.rows, b.columns);
  }
  const c10::InferenceMode inference;
  try {
    const at::Tensor left = View(a), right = View(b);
    // A factorisation may succeed with NaN.
    if (!left.tril().isfinite().all().item<bool>() || !right.isfinite().all().item<bool>()) {
      return InvalidArgument("linear system: values are not finite");
    }
    const auto [factor, info] = at::linalg_cholesky_ex(left);
    if (info.item<int>() != 0) return InvalidArgument("linear system: {}x{} is not positive definite", a.rows, a.rows);
    return Copy(at::cholesky_solve(right, factor));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("linear system: {}", e.what()));
  }
}

absl::StatusOr<std::vector<double>> Convolve(const DenseConvolutionView& c, std::span<const double> maps,
                                             std::array<int64_t, 2> sides) {
  const auto [outputs, channels, rows, columns] = c.shape;
  const bool fits = std::ssize(maps) == channels * sides[0] * sides[1] && sides[0] >= rows && sides[1] >= columns &&
                    std::ssize(c.kernels) == outputs * channels * rows * columns;
  if (!fits) {
    return InvalidArgument("convolution: {} values of {}x{}x{} maps, {} of {} kernels of {}x{}", maps.size(), channels,
                           sides[0], sides[1], c.kernels.size(), outputs, rows, columns);
  }
  const c10::InferenceMode inference;
  try {
    const auto view = [](std::span<const double> values, at::IntArrayRef shape) {
      return at::from_blob(const_cast<double*>(values.data()), shape, at::kDouble);
    };
    const at::Tensor y =
        at::conv2d(view(maps, {1, channels, sides[0], sides[1]}), view(c.kernels, c.shape), {}, c.strides).contiguous();
    return std::vector<double>(y.data_ptr<double>(), y.data_ptr<double>() + y.numel());
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("convolution: {}", e.what()));
  }
}

}  // namespace privdnn
