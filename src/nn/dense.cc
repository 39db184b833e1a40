#include "nn/dense.h"

#include <ATen/ATen.h>

#include <cmath>
#include <exception>
#include <random>

namespace privdnn::nn {
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

absl::StatusOr<Matrix> CommonFactors(const std::vector<Matrix>& slices, int64_t rank) {
  if (slices.size() < 2) return InvalidArgument("factors: {} slices, at least 2 are needed", slices.size());
  for (const Matrix& s : slices) {
    if (!Fits(s) || s.rows != slices[0].rows || s.columns != slices[0].columns || rank < 1 || s.rows < rank ||
        s.columns < rank) {
      return InvalidArgument("factors: {} of slices of {}x{}, one is {}x{}", rank, slices[0].rows, slices[0].columns,
                             s.rows, s.columns);
    }
  }
  constexpr int kTries = 32;
  const c10::InferenceMode inference;
  try {
    std::vector<at::Tensor> views;
    for (const Matrix& s : slices) views.push_back(View(s));
    const at::Tensor rows = std::get<0>(at::linalg_svd(at::cat(views, 1), false)).narrow(1, 0, rank);
    const at::Tensor columns = std::get<2>(at::linalg_svd(at::cat(views, 0), false)).narrow(0, 0, rank).t();
    const at::Tensor cores = at::stack(views).matmul(columns).transpose(1, 2).matmul(rows).transpose(1, 2);
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    const auto combine = [&] {
      at::Tensor sum = at::zeros({rank, rank}, at::kDouble);
      for (int64_t e = 0; e < cores.size(0); ++e) sum += normal(random) * cores[e];
      return sum;
    };
    at::Tensor best;
    double least = INFINITY;
    for (int i = 0; i < kTries; ++i) {
      const at::Tensor a = combine(), b = combine();
      const auto [values, vectors] = at::linalg_eig(at::linalg_solve(b.t(), a.t()).t());
      const at::Tensor real = at::real(vectors).contiguous();
      const double condition = at::linalg_cond(real).item<double>();
      if (condition < least) {
        least = condition;
        best = real;
      }
    }
    if (!best.defined()) return InvalidArgument("factors: the slices have fewer than {}", rank);
    const at::Tensor factors = rows.matmul(best);
    return Copy(factors / factors.norm(2, {0}, true));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("factors: {}", e.what()));
  }
}

}  // namespace privdnn::nn
