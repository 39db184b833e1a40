// Dense linear algebra in doubles, by LibTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"

namespace privdnn::nn {

// Rows of doubles, one after the other.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
};

// The X, (a.columns x b.columns), that makes ||a X - b||^2 + lambda ||X||^2 least, for each lambda > 0. By a Cholesky
// decomposition of the smaller of a a^T + lambda and a^T a + lambda. InvalidArgument if sizes don't fit together, for
// values that are not finite and for a lambda so small that rounding leaves no positive definite matrix.
absl::StatusOr<std::vector<Matrix>> RidgeRegression(const Matrix& a, const Matrix& b,
                                                    const std::vector<double>& lambdas);

// The W, (rows x rank) with columns of length 1, of slices S_e = W D_e R^T with diagonal D_e: they are unique up to
// sign and order if W and R have rank `rank` and no two columns of D = (D_e)_e are parallel. By Jennrich's algorithm:
// eigenvectors of U^T S V (U^T S' V)^-1 for two combinations S, S' of the slices, the best conditioned of a few fixed
// ones. Approximate for slices that have noise. InvalidArgument if sizes don't fit together or there are fewer than two
// slices.
absl::StatusOr<Matrix> CommonFactors(const std::vector<Matrix>& slices, int64_t rank);

}  // namespace privdnn::nn
